"""The one guard before page and REST: hosts, origins, logins, visits and the size of what is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.problems import problem
from workbench.domain.errors import InvalidRequest, NotSignedIn, OutsideInputFolders, TooLarge, WorkbenchError
from workbench.domain.trace import trace_id
from workbench.usecases.access import VISIT_COOKIE, Access

_LOG = logging.getLogger(__name__)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = ("/login", "/assets/web/", "/favicon.ico")


class Guard:
    """ASGI middleware that stands before everything this process serves on its main port."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        hosts: Callable[[], frozenset[str] | None],
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._refuse_socket(send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(scope["method"], headers)
            self._check_size(headers)
            refusal = self._admit(scope, headers)
        except WorkbenchError as error:
            refusal = problem(error)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._answer(scope, self._counted(receive), self._with_visit(scope, headers, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer; what nobody foresaw is told by its kind only, for its text may hold anything."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return
        except WorkbenchError as error:  # raised while a body is received by an app mounted on ours
            told = error
        except Exception as error:  # noqa: BLE001 - the boundary of a request: the client must get an answer
            kind = type(error).__name__
            _LOG.error("a %s request ended with an unexpected %s (trace %s)", scope["method"], kind, trace_id())
            _LOG.debug("the unexpected error", exc_info=True)
            told = WorkbenchError(f"Something unexpected went wrong ({kind}).")
        else:
            return
        if not begun:
            await problem(told)(scope, receive, sending)

    def _check_host(self, headers: Headers) -> None:
        """A page elsewhere must not reach a loopback server through a name of its own (DNS rebinding)."""
        allowed = self._hosts()
        name = (urlsplit(f"//{headers.get('host', '')}").hostname or "").lower()
        if allowed is not None and name not in allowed:
            raise OutsideInputFolders(
                "This workbench does not answer to this host name.",
                hint="Open it under http://127.0.0.1, or add the name to IMAGING_ALLOWED_HOSTS.",
            )

    def _check_origin(self, method: str, headers: Headers) -> None:
        """Only our own page may change anything from a browser; cross-origin reading is closed by sending no CORS."""
        origin = headers.get("origin")
        if method in _SAFE or origin is None:
            return
        ours = {headers.get("host"), headers.get("x-forwarded-host")}
        if urlsplit(origin).netloc not in ours:
            raise OutsideInputFolders("Requests from other sites are refused.", hint="Use the workbench's own page.")

    def _check_size(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise InvalidRequest("The Content-Length is not a number.")
        if int(length) > self._max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"What was sent is larger than {self._max_body_bytes / 1e6:,.0f} MB.",
            hint="Crop or zip the series, or raise IMAGING_MAX_UPLOAD_MB.",
        )

    def _admit(self, scope: Scope, headers: Headers) -> Response | None:
        """Let the request through, with its visitor in the state, or answer in its place."""
        path = scope["path"]
        cookies = parse_cookies(headers.get("cookie", ""))
        if path.startswith(_OPEN_PATHS):
            return None
        authorization = headers.get("authorization")
        try:
            visitor = self._access.visitor(authorization, cookies)
        except NotSignedIn as refused:
            if not self._access.may_see_page(authorization, cookies):
                if "text/html" in headers.get("accept", "") and scope["method"] == "GET":
                    return RedirectResponse("login", status_code=303)
                return problem(refused)
            if path == "/" and authorization is None:
                return None
            return problem(refused)
        scope.setdefault("state", {})["visitor"] = visitor
        return None

    def _counted(self, receive: Receive) -> Receive:
        """Bodies without a length are counted while they arrive."""
        taken = 0

        async def counting() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise self._too_large()
            return message

        return counting

    def _with_visit(self, scope: Scope, headers: Headers, send: Send) -> Send:
        """The page's first answer starts a visit, and nothing may frame or guess at what we send."""
        cookies = parse_cookies(headers.get("cookie", ""))
        starts = scope["path"] == "/" and scope["method"] == "GET" and not self._access.has_visit(cookies)
        secure = "; Secure" if headers.get("x-forwarded-proto", scope.get("scheme")) == "https" else ""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["X-Content-Type-Options"] = "nosniff"
                answer["Referrer-Policy"] = "same-origin"
                # Gradio opens its routes to other sites by itself, credentials included; nothing here is for them.
                for name in [each for each in answer if each.startswith("access-control-")]:
                    del answer[name]
                if starts:
                    value = f"{VISIT_COOKIE}={self._access.new_visit()}; HttpOnly; SameSite=Lax; Path=/{secure}"
                    answer.append("set-cookie", value)
                    answer["Cache-Control"] = "no-store"
            await send(message)

        return sending

    @staticmethod
    async def _refuse_socket(send: Send) -> None:
        await send({"type": "websocket.close", "code": 1008})


def parse_cookies(header: str) -> dict[str, str]:
    """The cookies of a header; a malformed one counts as none."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}
