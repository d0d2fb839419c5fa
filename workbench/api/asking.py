"""What every route needs of a request."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from workbench.domain.case import JobView, Visitor
from workbench.domain.errors import InvalidRequest, NotSignedIn
from workbench.usecases.workbench import Workbench

_POLL_S = 0.05


def _visitor(request: Request) -> Visitor:
    visitor = getattr(request.state, "visitor", None)
    if not isinstance(visitor, Visitor):
        raise NotSignedIn("This request carries neither a key nor a visit.", hint="Send the key, or open the page.")
    return visitor


Asker = Annotated[Visitor, Depends(_visitor)]


def is_visit(workbench: Workbench, request: Request) -> bool:
    """Whether the request is a browser's visit; a bearer key speaks for its holder, whatever cookies come along."""
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    return scheme != "bearer" and workbench.access.has_visit(request.cookies)


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


async def finished(workbench: Workbench, visitor: Visitor, job: JobView) -> JobView:
    """Wait for a job without holding a thread; a job that failed raises what it ended with."""
    while job.running:
        await asyncio.sleep(_POLL_S)
        job = workbench.review.job(visitor, job.id)
    error = workbench.review.outcome(visitor, job)
    if error is not None:
        raise error
    return job
