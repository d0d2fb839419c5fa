"""`/health`, `/nim/status` and `/nim/mode`."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from workbench import __version__
from workbench.api import answers, schemas
from workbench.api.asking import Asker, is_visit, json_body, prefers_async
from workbench.api.whence import is_from_here
from workbench.domain.case import Visitor
from workbench.usecases.workbench import Workbench

_POLL_S = 0.05


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["Status"])
    nims = workbench.nims

    async def settled(visitor: Visitor) -> None:
        """Wait for the first looks, some seconds at most, without holding one of the threads that serve slices."""
        while not nims.settled(visitor):
            await asyncio.sleep(_POLL_S)

    def mode_of(request: Request, visitor: Visitor) -> schemas.ModeAnswer:
        may = nims.modes.is_allowed and is_from_here(request) and is_visit(workbench, request)
        return schemas.ModeAnswer(
            mode=nims.modes.mode_of(visitor), process_mode=nims.modes.process_mode, may_switch=may
        )

    @router.get("/health")
    async def health(visitor: Asker) -> schemas.HealthAnswer:
        """Whether the workbench is up, and who answers behind it."""
        await settled(visitor)
        counts = await run_in_threadpool(workbench.library_counts)
        return answers.health_answer(nims.by_name(visitor), counts, __version__)

    @router.get("/nim/status")
    async def status(visitor: Asker, request: Request, response: Response, deep: bool = False) -> schemas.StatusAnswer:
        """Each NIM as a request would meet it now.

        What was seen in the last seconds is told at once. `deep=true` runs the contract check of every NIM, one
        check at a time for all who ask, and answers when it is done; with `Prefer: respond-async` it answers 202 at
        once, and `check` tells how far it is.
        """
        if deep:
            run = nims.checks.start(nims.modes.mode_of(visitor))
            if prefers_async(request):
                response.status_code = 202 if run.running else 200
            else:
                while run.running and (now := nims.checks.latest()) is not None and now.number == run.number:
                    run = now
                    await asyncio.sleep(_POLL_S)
        await settled(visitor)
        return answers.status_answer(
            nims.with_helpers(visitor), mode=mode_of(request, visitor), check=nims.checks.latest()
        )

    @router.put("/nim/mode", openapi_extra=_MODE_BODY)
    async def switch(visitor: Asker, request: Request) -> schemas.ModeAnswer:
        """Switch the mode for one's own visit of the page, on the machine itself; everybody else goes on as before."""
        body: schemas.ModeBody = await json_body(request, schemas.ModeBody)
        nims.modes.switch(visitor, body.mode, is_here=is_from_here(request), has_visit=is_visit(workbench, request))
        return mode_of(request, visitor)

    return router


_MODE_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": schemas.ModeBody.model_json_schema()}}}
}
