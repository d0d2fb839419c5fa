"""What every route needs of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from workbench.domain.case import Case, JobView, Visitor
from workbench.domain.errors import InvalidRequest, NotSignedIn
from workbench.domain.trace import span
from workbench.usecases.workbench import Workbench

_COPY_BYTES = 1 << 20
_POLL_S = 0.05


def _visitor(request: Request) -> Visitor:
    visitor = getattr(request.state, "visitor", None)
    if not isinstance(visitor, Visitor):
        raise NotSignedIn("This request carries neither a key nor a visit.", hint="Send the key, or open the page.")
    return visitor


Asker = Annotated[Visitor, Depends(_visitor)]


def is_multipart(request: Request) -> bool:
    """Whether the body is a form with files."""
    return request.headers.get("content-type", "").startswith("multipart/form-data")


def prefers_async(request: Request) -> bool:
    """Whether the client asked not to wait (RFC 7240)."""
    return "respond-async" in request.headers.get("prefer", "")


async def json_body(request: Request, model: type[BaseModel]) -> Any:
    """The body as the model; an empty body is an empty object.

    Raises:
        InvalidRequest: not JSON, or a field that does not fit.
    """
    raw = await request.body() or b"{}"
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "The body"
        raise InvalidRequest(f"{field}: {first['msg']}.", hint="See /docs for the fields of this route.") from error


def series_of(form: FormData) -> int | None:
    """The number of the series that a form chooses.

    Raises:
        InvalidRequest: not a number.
    """
    series = form.get("series") or None
    if series is not None and not (isinstance(series, str) and series.isascii() and series.isdecimal()):
        raise InvalidRequest("The field series is not a number.", hint="GET /cases/{id} lists the series of an upload.")
    return None if series is None else int(series)


async def receive_files(workbench: Workbench, visitor: Visitor, files: Sequence[UploadFile]) -> Case:
    """Put the files of a form into a new case's upload; nothing of them stays when that fails."""
    given = [each for each in files if each.filename]
    if not given:
        raise InvalidRequest("The form holds no file.", hint="Send the CT in the field “file”.")
    total = sum(each.size or 0 for each in given)
    if total > workbench.opening.limits.max_bytes:
        raise workbench.opening.too_large(total)
    case = await run_in_threadpool(workbench.opening.receive, visitor)
    try:
        with span("upload"):
            for number, each in enumerate(given):
                await run_in_threadpool(_copy, workbench, case, each, number)
    except BaseException:
        workbench.opening.give_up(case)
        raise
    return case


def _copy(workbench: Workbench, case: Case, upload: UploadFile, number: int) -> None:
    workbench.opening.keep(case, upload.filename or "file", number, iter(lambda: upload.file.read(_COPY_BYTES), b""))


async def finished(workbench: Workbench, visitor: Visitor, job: JobView) -> JobView:
    """Wait for a job without holding a thread; a job that failed raises what it ended with."""
    while job.running:
        await asyncio.sleep(_POLL_S)
        job = workbench.review.job(visitor, job.id)
    error = workbench.review.outcome(visitor, job)
    if error is not None:
        raise error
    return job
