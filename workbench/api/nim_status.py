"""`/health` and `/nim/status`."""

from __future__ import annotations

from fastapi import APIRouter

from workbench import __version__
from workbench.api import answers, schemas
from workbench.api.asking import Asker
from workbench.usecases.workbench import Workbench


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["Status"])

    @router.get("/health")
    def health(visitor: Asker) -> schemas.HealthAnswer:
        """Whether the workbench is up, and who answers behind it."""
        return answers.health_answer(workbench.nims.by_name(), __version__)

    @router.get("/nim/status")
    def status(visitor: Asker) -> schemas.StatusAnswer:
        """Each NIM as a request would meet it now."""
        return answers.status_answer(workbench.nims.all(), workbench.mode)

    return router
