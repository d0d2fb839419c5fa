"""The small web server from which a NIM fetches volumes: published names only, nothing told about itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 1 << 18
_IDLE_S = 60.0


@dataclass(kw_only=True)
class Published:
    """A file within reach: how often it was asked for, and whether it was withdrawn, which ends a reply under way."""

    file: Path
    fetches: int = 0
    withdrawn: threading.Event = field(default_factory=threading.Event)


class ListenerServer(ThreadingHTTPServer):
    """Serves `published` by name, HEAD and GET, at the root and under `prefix`. Everything else is 404."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], published: dict[str, Published], prefix: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.published = published
        self.prefix = prefix
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # The parent asks the name service for our own name, which can take seconds and tells nobody anything.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """A NIM that hangs up is no news, and a traceback could name the file."""


class _Handler(BaseHTTPRequestHandler):
    server: ListenerServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def version_string(self) -> str:
        return "exchange"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the names are secrets."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        del message, explain
        self._nothing(404 if code == 501 else code)

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def _nothing(self, code: int, **headers: str) -> None:
        self.close_connection = True
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def _serve(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        found = self.server.published.get(path.removeprefix(self.server.prefix).removeprefix("/"))
        if found is None:
            self._nothing(404)
            return
        found.fetches += 1
        try:
            file = found.file.open("rb")
        except OSError:
            self._nothing(404)
            return
        with file:
            size = found.file.stat().st_size
            wanted = _range(self.headers.get("Range"), size)
            if wanted is None:
                self._nothing(416, Content_Range=f"bytes */{size}")
                return
            first, after = wanted
            self._headers(first, after, size, partial=wanted != (0, size))
            if with_body:
                file.seek(first)
                self._send(file.read, after - first, found)

    def _headers(self, first: int, after: int, size: int, *, partial: bool) -> None:
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{after - 1}/{size}")
        self.send_header("Content-Type", "application/gzip")
        self.send_header("Content-Length", str(after - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def _send(self, read: Callable[[int], bytes], left: int, found: Published) -> None:
        while left > 0 and not found.withdrawn.is_set():
            piece = read(min(_PIECE, left))
            if not piece:
                break
            self.wfile.write(piece)
            left -= len(piece)
        if left > 0:
            self.close_connection = True


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; the whole file where no single range is asked; None: outside it.

    RFC 9110, section 14: a range that cannot be understood is ignored.
    """
    whole = (0, size)
    if header is None or not header.startswith("bytes=") or "," in header:
        return whole
    start, dash, end = header.removeprefix("bytes=").strip().partition("-")
    if not dash or not (start or end) or not (start + end).isdecimal():
        return whole
    if not start:
        return (max(0, size - int(end)), size) if int(end) > 0 else None
    if end and int(end) < int(start):
        return whole
    return (int(start), min(size, int(end) + 1) if end else size) if int(start) < size else None
