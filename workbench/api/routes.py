"""The app that serves page and REST, with every route joined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from workbench import __version__
from workbench.api import (
    ask_image,
    cases,
    chat,
    library,
    login,
    nim_status,
    overlay,
    pictures,
    problems,
    records,
    review_ct,
    synthesise_ct,
)
from workbench.api.described import describe
from workbench.api.guard import Guard
from workbench.api.observe import Observed
from workbench.assets import asset
from workbench.usecases.workbench import Workbench

_ROOM_FOR_FORM_BYTES = 1 << 20


def build_app(workbench: Workbench, *, hosts: Callable[[], frozenset[str] | None]) -> FastAPI:
    """The REST API; the page is mounted on it later. `hosts` are the names answered to, None for any."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workbench.close()

    app = FastAPIOffline(
        title="Imaging Workbench",
        version=__version__,
        summary="NVIDIA's medical NIMs for radiology research. Not for clinical decisions.",
        docs_url="/docs",
        redoc_url=None,
        static_url="/assets/docs",
        lifespan=lifespan,
        swagger_ui_parameters={"defaultModelsExpandDepth": 0},
    )
    problems.register(app)
    describe(app)
    modules = (nim_status, records, review_ct, synthesise_ct, overlay, cases, pictures, ask_image, chat, library, login)
    routers = [module.build_routes(workbench) for module in modules]
    for router in routers:
        app.include_router(router)
    app.mount("/assets/web", StaticFiles(directory=asset("web")), name="web")
    app.add_middleware(
        Guard,
        access=workbench.access,
        hosts=hosts,
        max_body_bytes=workbench.opening.limits.max_bytes + _ROOM_FOR_FORM_BYTES,
    )
    app.add_middleware(
        Observed,
        metrics=workbench.records.metrics,
        tracer=workbench.records.tracer,
        routes=frozenset(each.path for router in routers for each in router.routes if isinstance(each, Route)),
    )
    return app
