"""`/nim/maisi/…`: a request goes in, synthetic CTs come out; and the check of what came."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import RootModel
from starlette.responses import JSONResponse, Response

from workbench.api import answers, check_answers, check_schemas, schemas
from workbench.api import synthesis_answers as made
from workbench.api import synthesis_schemas as fields
from workbench.api.asking import Asker, finished, json_body, prefers_async
from workbench.domain.case import JobView
from workbench.domain.maisi import ANATOMIES, CONTROLLABLE, LIMITS, PRESETS, REGIONS, SOURCES, common_anatomies
from workbench.domain.nim import NimStatus, Service
from workbench.domain.records import Purpose
from workbench.domain.synthesis import RulesBroken
from workbench.domain.synthesis_guide import read_request
from workbench.usecases.workbench import Workbench

_ECHOED = ("resolution", "body_region")
_DESCRIBED = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": fields.GenerateBody.model_json_schema()}},
    }
}


class _Fields(RootModel[dict[str, Any]]):
    """An object whose fields are judged by the rules, which tell all that is wrong at once."""


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["MAISI"])
    synthesis = workbench.synthesis

    @router.get("/nim/maisi/choices")
    def choices(visitor: Asker) -> dict[str, Any]:
        """What may be asked for: regions, anatomies, sizes, limits, recommended presets; each figure's source."""
        return _CHOICES | {"machines": list(workbench.memory.machines)}

    @router.post("/nim/maisi/preflight", openapi_extra=_DESCRIBED)
    async def preflight(request: Request, visitor: Asker, machine: str = "") -> fields.PreflightAnswer:
        """Hold a request against every rule and tell what it costs; nothing is sent.

        `machine` names one of the memory planner's (`/nim/maisi/choices` lists them); without it, this one.
        """
        body: _Fields = await json_body(request, _Fields)
        try:
            asked = read_request(body.root)
        except RulesBroken as broken:
            return made.unreadable_answer(broken.rules)
        flight = await run_in_threadpool(synthesis.preflight, asked.request, machine=machine)
        answering: NimStatus | None = None
        if await run_in_threadpool(workbench.nims.settled, visitor):
            answering = await run_in_threadpool(synthesis.answering, visitor)
        return made.preflight_answer(flight, asked.warnings, answering=answering)

    @router.post("/nim/maisi/generate", response_model=fields.GenerateAnswer, openapi_extra=_DESCRIBED)
    async def generate(request: Request, visitor: Asker) -> Response:
        """Make synthetic CTs with MAISI (or its mock, where the mode table says so), measured like any other CT.

        A broken rule is 422 with every one of them in `rules` and the nearest allowed request in `nearest`. With
        `Prefer: respond-async` the answer is 202 and a job; `/nim/maisi/generations/{case_id of the job}` follows it.
        """
        workbench.records.purposes.require(Service.MAISI, Purpose.GENERATION)
        body: _Fields = await json_body(request, _Fields)
        asked = read_request(body.root)
        echo = {name: body.root[name] for name in _ECHOED if body.root.get(name)}
        generation, job = await run_in_threadpool(
            synthesis.start, visitor, asked.request, told=asked.warnings, echo=echo
        )
        if prefers_async(request):
            return _accepted(job)
        await finished(workbench, visitor, job)
        done = synthesis.generation(visitor, generation.id)
        answer = made.generate_answer(done, synthesis.cases(visitor, done))
        return JSONResponse(answer.model_dump(mode="json"))

    @router.get("/nim/maisi/generations")
    def generations(visitor: Asker) -> fields.GenerationsAnswer:
        """One's own generations, newest first, each with its request: those that failed too."""
        return fields.GenerationsAnswer(
            generations=[made.generation_row(each) for each in synthesis.generations(visitor)]
        )

    @router.get("/nim/maisi/generations/{generation_id}")
    def generation(generation_id: str, visitor: Asker) -> fields.GenerationAnswer:
        """A generation as it stands, and its answer once there is one."""
        found = synthesis.generation(visitor, generation_id)
        return made.generation_answer(found, synthesis.cases(visitor, found), synthesis.job_of(visitor, found))

    @router.delete("/nim/maisi/generations/{generation_id}")
    def forget(generation_id: str, visitor: Asker) -> schemas.Deleted:
        """Erase a generation with everything that came of it, stopping it where it runs."""
        synthesis.forget(visitor, generation_id)
        return schemas.Deleted(deleted=generation_id)

    @router.post("/cases/{case_id}/check", response_model=check_schemas.CheckAnswer)
    async def check(case_id: str, request: Request, visitor: Asker) -> Response:
        """Measure a synthetic CT: median HU against published bands, its own labels against VISTA-3D's.

        Takes `Prefer: respond-async`. `GET /cases/{id}` holds the outcome as `check`.
        """
        job = await run_in_threadpool(workbench.judging.start, visitor, case_id)
        if prefers_async(request):
            return _accepted(job)
        await finished(workbench, visitor, job)
        case = workbench.review.case(visitor, case_id)
        if case.judgement is None:
            raise ValueError("a check that is done has left a judgement")
        return JSONResponse(check_answers.check_answer(case, case.judgement).model_dump(mode="json"))

    return router


_CHOICES: dict[str, Any] = {
    "regions": [
        {
            "name": each.name,
            "also": list(each.also),
            "core": list(each.core),
            "common": list(common_anatomies([each.name])),
        }
        for each in REGIONS
    ],
    "anatomies": [
        {"name": each.name, "label": each.label, "regions": list(each.regions), "is_tumour": each.is_tumour}
        for each in ANATOMIES.values()
    ],
    "controllable": [{"name": each, "is_tumour": ANATOMIES[each].is_tumour} for each in CONTROLLABLE],
    "presets": [
        {
            "label": each.label,
            "body_region": list(each.body_region),
            "output_size": list(each.output_size),
            "spacing": list(each.spacing_mm),
        }
        for each in PRESETS
    ],
    "sizes": {"x_y": list(LIMITS.x_y), "z": list(LIMITS.z)},
    "spacing_mm": {
        "low": LIMITS.spacing_low,
        "high_x_y": LIMITS.spacing_high_x_y,
        "high_z": LIMITS.spacing_high_z,
    },
    "samples": list(LIMITS.samples),
    "most_sizes": LIMITS.controllable_most,
    "most_tumours": LIMITS.tumours_most,
    "sources": {name: dict(each) for name, each in SOURCES.items()},
}


def _accepted(job: JobView) -> JSONResponse:
    return JSONResponse(
        answers.job_answer(job).model_dump(mode="json"), status_code=202, headers={"Location": f"/jobs/{job.id}"}
    )
