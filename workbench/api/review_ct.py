"""`/nim/vista3d/segment`: a CT goes in, masks and volumes come out."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from workbench.api import answers, schemas
from workbench.api.asking import Asker, finished, is_multipart, json_body, prefers_async
from workbench.api.form import Form, giving_up, no_file, receive_form
from workbench.domain.case import Case, JobView, Visitor
from workbench.domain.errors import InvalidRequest
from workbench.domain.nim import Service
from workbench.domain.organs import parse_organs
from workbench.domain.records import Purpose
from workbench.usecases.workbench import Workbench

_DESCRIBED = {
    "requestBody": {
        "content": {
            "application/json": {"schema": schemas.SegmentBody.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "input_path": {"type": "string"},
                        "case_id": {"type": "string"},
                        "target_classes": {"type": "array", "items": {"type": "string"}},
                        "points": {"type": "string", "description": "JSON, as in the JSON body"},
                        "series": {"type": "integer"},
                    },
                }
            },
        }
    }
}


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["VISTA-3D"])

    @router.post("/nim/vista3d/segment", response_model=schemas.SegmentAnswer, openapi_extra=_DESCRIBED)
    async def segment(request: Request, visitor: Asker) -> Response:
        """Segment a CT with VISTA-3D (or its mock, where the mode table says so) and measure every structure.

        Takes JSON, or a form with the CT in `file`. With `Prefer: respond-async` the answer is 202 and a job.
        """
        workbench.records.purposes.require(Service.VISTA3D, Purpose.SEGMENTATION)  # before a large upload is taken
        if is_multipart(request):
            body, case_id, reading = await _open_form(request, workbench, visitor)
        else:
            body = await json_body(request, schemas.SegmentBody)
            _refuse_unknown_structures(body)
            case_id, reading = await run_in_threadpool(_open, workbench, visitor, body)
        if reading is not None and prefers_async(request):
            job = workbench.review.segment_after(
                visitor, case_id, reading.id, asked=body.target_classes, points=body.points
            )
            return _accepted(job)
        if reading is not None:
            await finished(workbench, visitor, reading)
        job = await run_in_threadpool(
            workbench.review.segment, visitor, case_id, asked=body.target_classes, points=body.points
        )
        if prefers_async(request):
            return _accepted(job)
        await finished(workbench, visitor, job)
        return JSONResponse(answers.segment_answer(workbench.review.case(visitor, case_id)).model_dump(mode="json"))

    return router


async def _open_form(
    request: Request, workbench: Workbench, visitor: Visitor
) -> tuple[schemas.SegmentBody, str, JobView | None]:
    """The form's fields, the case to segment, and the job that still reads it."""
    form = await receive_form(request, workbench, visitor)
    with giving_up(workbench, form):
        body = _body_of_form(form)
        _refuse_unknown_structures(body)
        if form.case and (body.input_path or body.case_id):
            raise InvalidRequest("A file and input_path or case_id are given.", hint="Give one of them.")
    if form.case is None and (body.input_path or body.case_id):
        return body, *await run_in_threadpool(_open, workbench, visitor, body)
    if form.case is None:
        raise no_file()
    reading = await run_in_threadpool(workbench.opening.open_upload, visitor, form.case, series=body.series)
    return body, form.case.id, reading


def _open(workbench: Workbench, visitor: Visitor, body: schemas.SegmentBody) -> tuple[str, JobView | None]:
    """The case to segment, and the job that still reads it."""
    if body.case_id and body.input_path:
        raise InvalidRequest("Both input_path and case_id are given.", hint="Give one of them.")
    if body.case_id:
        return workbench.review.case(visitor, body.case_id).id, None
    if body.input_path:
        case, job = workbench.opening.open_path(visitor, body.input_path, series=body.series)
    else:
        case, job = workbench.opening.open_demo(visitor)
    return case.id, job


def _body_of_form(form: Form[Case]) -> schemas.SegmentBody:
    """The form's fields in the shape of the JSON body; lists come as repeated fields or separated by commas."""
    classes = [part.strip() for text in form.all("target_classes") for part in text.split(",")]
    points = form.text("points")
    try:
        return schemas.SegmentBody(
            input_path=form.text("input_path"),
            case_id=form.text("case_id"),
            target_classes=[each for each in classes if each] or None,
            points=json.loads(points) if points else None,
            series=form.number("series"),
        )
    except ValueError as error:  # JSON and pydantic errors are ValueErrors too
        raise InvalidRequest(
            "The field points does not fit: it is JSON, voxel indices by structure.",
            hint="See /docs for the fields of this route.",
        ) from error


def _refuse_unknown_structures(body: schemas.SegmentBody) -> None:
    """Before anything is read: a wrong name must not cost an upload."""
    parse_organs(body.target_classes or [])
    parse_organs(body.points or [])


def _accepted(job: JobView) -> JSONResponse:
    return JSONResponse(
        answers.job_answer(job).model_dump(mode="json"), status_code=202, headers={"Location": f"/jobs/{job.id}"}
    )
