"""Serve page and REST from one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from starlette.routing import Mount

from workbench.api.problems import register_nowhere
from workbench.api.routes import build_app
from workbench.assemble import Assembled, assemble
from workbench.cases.store import make_private
from workbench.domain.errors import ConfigurationError
from workbench.running import Running, announce, owning
from workbench.settings import LOOPBACK, Settings

_LOG = logging.getLogger(__name__)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge", "msedge", "brave-browser")


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What `workbench serve` was asked on the command line."""

    share: bool = False
    demo: bool = False
    window: bool = False
    browser: bool = True
    log_level: str = "warning"
    as_json: bool = False


def serve(settings: Settings, options: ServeOptions) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit status."""
    _refuse_contradictions(settings, options)
    # The server passes SIGTERM on once it has shut down; by default that would end the process before it tidies up.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as held:
        held.enter_context(owning(settings.data_dir))
        listener = held.enter_context(_listen(settings))
        temporary = settings.data_dir / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        make_private(temporary)
        tempfile.tempdir = str(temporary)
        assembled = assemble(settings, shared=options.share, warm=True)
        held.callback(assembled.workbench.close)
        names = _Names(settings)
        app = build_whole_app(settings, assembled, hosts=names.allowed)
        port = listener.getsockname()[1]
        url = f"http://{_shown_host(settings.host)}:{port}"
        announce(settings.data_dir, Running(url=url, token=assembled.process_token))
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_level=options.log_level, access_log=False, timeout_graceful_shutdown=3, server_header=False
            )
        )
        if options.log_level != "debug":
            logging.getLogger("uvicorn.error").addFilter(_tells_more_than_a_stop)
        threading.Thread(
            target=_once_up, args=(server, settings, options, names, url, port), daemon=True, name="opener"
        ).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return 0


def build_whole_app(settings: Settings, assembled: Assembled, *, hosts: Callable[[], frozenset[str] | None]) -> FastAPI:
    """REST with the page mounted on it."""
    from workbench.ui.private import keep_gradio_private  # noqa: PLC0415 - before the import below

    keep_gradio_private(settings.data_dir / "tmp")
    from workbench.ui.page import mount_page  # noqa: PLC0415 - gradio reads the environment set above

    app = build_app(assembled.workbench, hosts=hosts)
    whole = mount_page(app, assembled.workbench, max_upload_mb=settings.max_upload_mb)
    for route in whole.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            register_nowhere(route.app)
    return whole


def _tells_more_than_a_stop(record: logging.LogRecord) -> bool:
    """False for the traceback of an answer that is cut because the server ends: somebody asked for that."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


class _Names:
    """The host names this process answers to."""

    def __init__(self, settings: Settings) -> None:
        more = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        self._names = frozenset(LOOPBACK | more) if settings.is_loopback else None

    def allowed(self) -> frozenset[str] | None:
        return self._names

    def add(self, name: str) -> None:
        if self._names is not None:
            self._names |= {name.lower()}


def _refuse_contradictions(settings: Settings, options: ServeOptions) -> None:
    if options.share and not settings.logins:
        raise ConfigurationError(
            "--share opens this workbench to everybody who has the link.",
            hint="Set IMAGING_AUTH=user:password first, and share again.",
        )
    if options.share and settings.test:
        raise ConfigurationError("WORKBENCH_TEST draws predictable ids.", hint="Unset it before sharing.")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}.",
            hint="Stop what uses it, or choose another with --port.",
        ) from error
    return listener


def _shown_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 - a name


def _once_up(
    server: uvicorn.Server, settings: Settings, options: ServeOptions, names: _Names, url: str, port: int
) -> None:
    """Tell where the workbench is, and open it, as soon as it answers."""
    waiting = threading.Event()
    while not server.started:
        if server.should_exit or waiting.wait(0.05):
            return
    share_url = _share(settings, names, port) if options.share else None
    if options.as_json:
        _say(json.dumps({"url": url, "share_url": share_url, "mode": settings.nim_mode.value}))
    else:
        _say(f"Imaging Workbench is at {url} (mode {settings.nim_mode.value}). Ctrl-C stops it.")
        if share_url:
            _say(f"Shared at {share_url}")
    if not settings.is_loopback and not settings.logins:
        _LOG.warning("anyone who reaches this address can use the workbench; IMAGING_AUTH asks for a login")
    if options.browser:
        _open(f"{url}/?demo=1" if options.demo else f"{url}/", settings.data_dir, window=options.window)


def _share(settings: Settings, names: _Names, port: int) -> str | None:
    from workbench.ui.share import open_tunnel  # noqa: PLC0415 - gradio takes seconds to import

    try:
        url, host = open_tunnel(_shown_host(settings.host), port)
    except ConfigurationError as error:
        sys.stderr.write(f"workbench: {error.message} {error.hint}\n")
        return None
    names.add(host)
    return url


def _open(url: str, data_dir: Path, *, window: bool) -> None:
    """Open the page; in a window of its own where a browser that can do so is installed."""
    if window:
        for name in _BROWSERS:
            path = shutil.which(name)
            if path is not None:
                profile = data_dir / "window"
                subprocess.Popen(  # noqa: S603 - a browser found on the PATH, and our own URL
                    [path, f"--app={url}", f"--user-data-dir={profile}", "--no-first-run"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                return
    webbrowser.open(url)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
