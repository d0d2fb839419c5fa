"""Signing in, for a page that asks for it."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from workbench.domain.errors import Busy, WorkbenchError
from workbench.usecases.access import LOGIN_COOKIE, LOGIN_LASTS_S
from workbench.usecases.workbench import Workbench

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in · Imaging Workbench</title><link rel="stylesheet" href="assets/web/login.css"></head>
<body><main><h1>Imaging Workbench</h1>
<form method="post" action="login">
<label for="user">Name</label><input id="user" name="user" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
{trouble}<button>Sign in</button></form>
<p>Research use. Not for clinical decisions.</p></main></body></html>"""


def build_routes(workbench: Workbench) -> APIRouter:
    """The sign-in page and its form; without logins set, both lead to the workbench."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def ask() -> Response:
        return _page() if workbench.access.wants_login else RedirectResponse("./", status_code=303)

    @router.post("/login")
    async def answer(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=4) as form:
            user, password = str(form.get("user", "")), str(form.get("password", ""))
        try:
            value = workbench.access.log_in(user, password)
        except WorkbenchError as error:
            return _page(error)
        response = RedirectResponse("./", status_code=303)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        response.set_cookie(
            LOGIN_COOKIE, value, max_age=LOGIN_LASTS_S, httponly=True, samesite="lax", path="/", secure=secure
        )
        return response

    return router


def _page(error: WorkbenchError | None = None) -> HTMLResponse:
    said = f"{error.message} {error.hint or ''}" if error else ""
    trouble = f'<p role="alert">{html.escape(said)}</p>' if error else ""
    page = _PAGE.replace("{trouble}", trouble)
    if isinstance(error, Busy):
        return HTMLResponse(page, status_code=429, headers={"Retry-After": str(error.retry_after_s)})
    return HTMLResponse(page, status_code=401 if error else 200)
