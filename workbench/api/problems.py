"""One table from errors to `application/problem+json`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from workbench.domain import errors
from workbench.domain.synthesis import RulesBroken
from workbench.domain.trace import trace_id

_STATUS: tuple[tuple[type[errors.WorkbenchError], int, str], ...] = (
    (errors.UnknownFormat, 415, "Not a file that is read here"),
    (errors.UnreadableImage, 400, "The file cannot be read"),
    (errors.UnsupportedVolume, 422, "Not a usable CT volume"),
    (errors.TooLarge, 413, "Too large"),
    (errors.UnknownOrgan, 422, "Unknown structure"),
    (RulesBroken, 422, "MAISI would refuse this request"),
    (errors.InvalidRequest, 422, "The request does not fit"),
    (errors.OutsideInputFolders, 403, "Outside the input folders"),
    (errors.NotAllowedHere, 403, "Only on the machine itself"),
    (errors.PurposeRefused, 403, "Not what this service is for"),
    (errors.InputError, 400, "The input cannot be used"),
    (errors.NimRejected, 502, "The NIM refused the request"),
    (errors.NimReplyInvalid, 502, "The NIM's answer is unusable"),
    (errors.NimUnavailable, 503, "The NIM cannot be used"),
    (errors.NimError, 502, "The NIM failed"),
    (errors.NotFound, 404, "Not found"),
    (errors.NotSignedIn, 401, "Not signed in"),
    (errors.ConsentNeeded, 409, "The person must be asked first"),
    (errors.StateConflict, 409, "Not possible now"),
    (errors.Cancelled, 409, "Cancelled"),
    (errors.Busy, 429, "Too busy"),
    (errors.StorageFull, 507, "The disk is full"),
    (errors.KnowledgeError, 503, "The library cannot answer"),
    (errors.WorkbenchError, 500, "Something went wrong"),
)

_MEDIA_TYPE = "application/problem+json"


def problem(error: errors.WorkbenchError) -> JSONResponse:
    """The answer for an error of ours."""
    content = problem_content(error)
    headers = {}
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, status_code=content["status"], headers=headers, media_type=_MEDIA_TYPE)


def problem_content(error: errors.WorkbenchError) -> dict[str, Any]:
    """The problem object for an error of ours, also where it is told inside a stream."""
    status, title = next((status, title) for kind, status, title in _STATUS if isinstance(error, kind))
    extra: dict[str, Any] = {}
    if isinstance(error, errors.NimUnavailable) and error.timed_out:
        status, title = 504, "The NIM did not answer in time"
    if isinstance(error, errors.UnknownOrgan) and error.nearest:
        extra["nearest"] = list(error.nearest)
    if isinstance(error, errors.ConsentNeeded):
        extra["type"] = "/problems/consent-needed"
        extra["consent"] = {"what": error.what, "sent": error.sent, "where": error.where}
    if isinstance(error, RulesBroken):
        extra["rules"] = [each.to_json() for each in error.rules]
        extra["nearest"] = error.nearest.to_json() if error.nearest else None
    return _content(status, title, error.message, error.hint, **extra)


def register(app: FastAPI) -> None:
    """Answer every error of the API in the one form."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.WorkbenchError)  # noqa: S101 - what it is registered for
        return problem(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        detail = f"{field or 'The body'}: {first['msg']}."
        return _answer(422, "The request does not fit", detail, "See /docs for the fields of this route.")

    app.add_exception_handler(errors.WorkbenchError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, _plain)


def register_nowhere(mounted: FastAPI) -> None:
    """Let the page, which is asked for every address that no route takes, say so in the one form too."""
    mounted.add_exception_handler(404, _plain)
    mounted.add_exception_handler(405, _plain)


async def _plain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    known = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    return _answer(
        error.status_code, str(error.detail), known.get(error.status_code, str(error.detail)), None, error.headers
    )


def _answer(
    status: int, title: str, detail: str, hint: str | None, headers: Any = None, **extra: object
) -> JSONResponse:
    content = _content(status, title, detail, hint, **extra)
    return JSONResponse(content, status_code=status, headers=headers, media_type=_MEDIA_TYPE)


def _content(status: int, title: str, detail: str, hint: str | None, **extra: object) -> dict[str, Any]:
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    if hint:
        content["hint"] = hint
    if (trace := trace_id()) is not None:
        content["trace_id"] = trace
    return content
