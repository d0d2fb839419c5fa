"""Count and trace every request, those refused at the door too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from contextvars import Context

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.domain.trace import Tracer, tracing
from workbench.telemetry.metrics import Metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""The status counted where no answer was begun because the client had left, as nginx does."""


class Observed:
    """ASGI middleware around everything, the guard included.

    A request is counted under its route as published (`/cases/{case_id}`), never under its path, which holds ids;
    everything that the page asks for is `page`, and what was refused before a route was found `refused`.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tracer: Tracer, routes: Container[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A connection that was paused for a long body reads on in the context of the request that resumed it, so the
        # next request on it would begin inside that one's trace. Each begins in an empty context instead.
        await asyncio.create_task(self._observed(scope, receive, send), context=Context())

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status, seconds = time.monotonic(), _GONE, 0.0

        async def sending(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.monotonic() - start
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        try:
            with tracing(self._tracer, "request", method=method):
                await self._app(scope, receive, sending)
        finally:
            self._metrics.request(
                route=self._route(scope, status),
                method=method,
                status=status,
                seconds=seconds or time.monotonic() - start,
            )

    def _route(self, scope: Scope, status: int) -> str:
        found = getattr(scope.get("route"), "path", None)
        if isinstance(found, str) and found in self._routes:
            return found
        return "refused" if status in (401, 403, 413, 429) else "page"
