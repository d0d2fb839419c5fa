"""`/nim/vilam3`: questions about pictures, the experts that an answer calls for, and taking a talk away."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from workbench.api import ask_image_schemas as schemas
from workbench.api.ask_image_answers import analyze_answer, event
from workbench.api.ask_image_form import body_of_form
from workbench.api.asking import Asker, is_multipart, is_visit, json_body
from workbench.api.form import giving_up, receive_form
from workbench.api.pictures import view_order
from workbench.api.streaming import last_of, streamed
from workbench.domain.case import Case, Visitor
from workbench.domain.dialogue import Sampling, Turn
from workbench.domain.errors import Cancelled, InvalidRequest
from workbench.domain.image_dialogue import ImageAnswered, ImageEvent, ImageQuestion
from workbench.domain.nim import Mode, Service
from workbench.domain.picture import Modality
from workbench.domain.records import Purpose
from workbench.usecases.answer_under_way import AnswerUnderWay
from workbench.usecases.export_ask import EXPORTS, export_ask
from workbench.usecases.picture_order import Demo, InputPath, OpenCase, PictureSource, Placed
from workbench.usecases.workbench import Workbench

_LOOK_EVERY_S = 0.2


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(prefix="/nim/vilam3", tags=["VILA-M3"])

    @router.post("/analyze", response_model=schemas.AnalyzeAnswer, openapi_extra=_body(schemas.AnalyzeBody, form=True))
    async def analyze(request: Request, visitor: Asker) -> Response:
        """Ask VILA-M3 (or who stands for it, where the mode table says so) about a picture or a slice of a CT.

        Takes JSON, or a form with the picture or CT in `file` and the same fields. With `stream: true` the answer is
        server-sent events: `begun`, `token` …, then `done` with the whole answer, or `error` with a problem object.
        """
        workbench.records.purposes.require(Service.VILA_M3, Purpose.IMAGE_QUESTIONS)  # before an upload is taken
        case: Case | None = None
        if is_multipart(request):
            form = await receive_form(request, workbench, visitor)
            case = form.case
            with giving_up(workbench, form):
                body = body_of_form(form)
                _refuse(workbench, body, has_file=case is not None, is_form=True)
        else:
            body = await json_body(request, schemas.AnalyzeBody)
            _refuse(workbench, body, has_file=False)
        picture_id = body.picture_id or await _picture(request, workbench, visitor, _source(body, case), body)
        events = await run_in_threadpool(
            workbench.asking.ask,
            visitor,
            question_of(body, picture_id),
            asks_consent=is_visit(workbench, request),
        )
        return await _told(request, events, workbench.nims.modes.mode_of(visitor), stream=body.stream)

    @router.post("/expert", response_model=schemas.AnalyzeAnswer, openapi_extra=_body(schemas.ExpertBody))
    async def expert(request: Request, visitor: Asker) -> Response:
        """Run what an answer called for on the CT behind its picture, show the model the result, and have it answer.

        Only after a person's yes: nothing else calls this. The case keeps its own mask. With `stream: true` the
        events are `working` …, `expert`, then as for a question.
        """
        body: schemas.ExpertBody = await json_body(request, schemas.ExpertBody)
        events = await run_in_threadpool(
            workbench.asking.run_expert,
            visitor,
            question_of(body, body.picture_id),
            body.argument,
            asks_consent=is_visit(workbench, request),
        )
        return await _told(request, events, workbench.nims.modes.mode_of(visitor), stream=body.stream)

    @router.post("/export", openapi_extra=_body(schemas.ImageExportBody))
    async def export(request: Request, visitor: Asker) -> Response:
        """A talk as a file: HTML with its pictures inside, Markdown or JSON."""
        body: schemas.ImageExportBody = await json_body(request, schemas.ImageExportBody)
        made = await run_in_threadpool(
            export_ask,
            [each.model_dump(mode="json") for each in body.exchanges],
            body.format,
            at=workbench.clock.stamp(),
            picture=lambda picture_id: workbench.pictures.get(visitor, picture_id),
        )
        return Response(
            made,
            media_type=f"{EXPORTS[body.format]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="image-talk.{body.format}"'},
        )

    return router


def question_of(body: schemas.AnalyzeBody | schemas.ExpertBody, picture_id: str) -> ImageQuestion:
    """The question in a request's body."""
    return ImageQuestion(
        text=body.question,
        picture_id=picture_id,
        history=tuple(Turn(role=each.role, text=each.text) for each in body.history),
        modality=Modality(body.modality) if body.modality else None,
        sampling=Sampling(**body.sampling.model_dump()),
    )


def _refuse(workbench: Workbench, body: schemas.AnalyzeBody, *, has_file: bool, is_form: bool = False) -> None:
    """Before anything is read: a wrong field must not cost the reading of a CT."""
    workbench.asking.require(body.question)
    view_order(body)
    given = [bool(body.picture_id), bool(body.case_id), bool(body.input_path), has_file]
    if sum(given) > 1:
        raise InvalidRequest(
            "Several pictures are given.", hint="Give one of file, picture_id, case_id and input_path."
        )
    if is_form and not any(given):
        raise InvalidRequest("The form holds no file.", hint="Send the picture, or the CT, in the field “file”.")


def _source(body: schemas.AnalyzeBody, case: Case | None) -> PictureSource:
    if case is not None:
        return Placed(case=case)
    if body.case_id:
        return OpenCase(case_id=body.case_id)
    return InputPath(path=body.input_path) if body.input_path else Demo()


async def _picture(
    request: Request, workbench: Workbench, visitor: Visitor, source: PictureSource, body: schemas.AnalyzeBody
) -> str:
    """Read or draw the picture; a client that goes away ends the reading."""
    listening = _Listening()
    work = asyncio.create_task(
        run_in_threadpool(
            workbench.pictures.open_picture, visitor, source, view_order(body), series=body.series, progress=listening
        )
    )
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=_LOOK_EVERY_S)
            if not work.done() and await request.is_disconnected():
                listening.gone.set()
        return work.result().id
    finally:
        listening.gone.set()


class _Listening:
    """The `Progress` of a reading that nobody watches; it ends once the client is gone."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def stage(self, name: str, fraction: float | None = None) -> None:
        if self.gone.is_set():
            raise Cancelled("Stopped.")


async def _told(request: Request, events: AnswerUnderWay[ImageEvent], mode: Mode, *, stream: bool) -> Response:
    """The events as they come, or the last one's answer. A client that goes away stops the model."""
    if stream:
        return streamed(events, partial(event, mode=mode))
    told = await last_of(request, events)
    assert isinstance(told, ImageAnswered)  # noqa: S101 - always the last
    return JSONResponse(analyze_answer(told.answer, mode).model_dump(mode="json"))


def _body(model: type[Any], *, form: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": model.model_json_schema()}}
    if form:
        fields = {name: {"type": "string"} for name in model.model_fields}
        file = {"type": "string", "format": "binary", "description": "PNG, JPEG, DICOM, or a CT as for segmentation"}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": {"file": file, **fields}}}
    return {"requestBody": {"required": True, "content": content}}
