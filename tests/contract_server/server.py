"""An HTTP server in a thread whose behaviour is switched while it runs."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HangUp(Exception):
    """The connection ends in the middle of an answer: closed, or reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__(reset)
        self.reset = reset


@dataclass(kw_only=True)
class Answer:
    """What goes back: `cut_after` bytes of the body are sent, then the connection is reset.

    `pieces` are sent as they come, in place of the body; one that raises `HangUp` ends the connection there.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    pieces: Iterable[bytes] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        return cls(status=status, body=json.dumps(value).encode(), headers=headers)


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ContractServer:
    """Base of every fixture: `answer` is what a subclass says; `switch` changes the faults while it runs.

    Faults of every family: `starting_s` and `starting_calls` (503 that long, or for that many calls), `dead` (live
    answers 503 too), `retry_after`, `status` (that status to every call that is not health), `body` (the text with it).
    """

    faults: dict[str, Any]

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **faults: Any) -> None:
        self.faults = {}
        self.received: list[Received] = []
        self.released = threading.Event()
        self.left = threading.Event()
        """Set when a client hung up while it was being answered."""
        self._switched = time.monotonic()
        self._lock = threading.Lock()
        self.switch(**faults)
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name=type(self).__name__
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ContractServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def switch(self, **faults: Any) -> None:
        """Set faults, the others unset."""
        self._switched = time.monotonic()
        self.faults = dict(faults)

    def posts(self) -> list[Received]:
        """The requests for work, in order."""
        return [each for each in self.received if each.method == "POST"]

    def close(self) -> None:
        """Stop; calls that hang are let go."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, request: Received) -> Answer:
        """A subclass's contract. None of health, faults of the base and `/_fixture` come here."""
        raise NotImplementedError

    def ready_body(self) -> Any:
        """What the family answers on `/v1/health/ready`."""
        return {"status": "ready"}

    def is_starting(self) -> bool:
        """Whether the server still answers 503; a call to it counts."""
        with self._lock:
            if (left := self.faults.get("starting_calls", 0)) > 0:
                self.faults["starting_calls"] = left - 1
                return True
        return time.monotonic() - self._switched < self.faults.get("starting_s", 0.0)

    def respond(self, request: Received) -> Answer:
        """The whole contract: the fixture's own route, health, faults common to all, then the family's."""
        if request.path == "/_fixture" and request.method == "PUT":
            self.switch(**request.json())
            return Answer.of(self.faults)
        self.received.append(request)
        if request.path == "/v1/health/live":
            dead = self.faults.get("dead", False)
            return Answer.of({"object": "readyhealth.response"}, 503 if dead else 200)
        if request.path == "/v1/health/ready":
            loading = time.monotonic() - self._switched < self.faults.get("starting_s", 0.0)
            return Answer.of({"status": "loading"}, 503) if loading else Answer.of(self.ready_body())
        if self.is_starting():
            after = {"Retry-After": str(self.faults["retry_after"])} if "retry_after" in self.faults else {}
            return Answer.of({"detail": "loading"}, 503, **after)
        if "status" in self.faults:
            body = self.faults.get("body", "")
            return Answer(
                status=self.faults["status"],
                body=body.encode() if isinstance(body, str) else json.dumps(body).encode(),
                headers=self.faults.get("headers", {}),
            )
        return self.answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], contract: ContractServer) -> None:
        self.contract = contract
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the requests are recorded."""

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def do_DELETE(self) -> None:
        self._respond()

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.contract.respond(Received(method=self.command, path=self.path, headers=headers, body=body))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.pieces is not None:
            self._stream(answer.pieces)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut_after])
        if answer.cut_after is not None:
            self.wfile.flush()
            self._hang_up(reset=True)

    def _stream(self, pieces: Iterable[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in pieces:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except HangUp as ended:
            self._hang_up(reset=ended.reset)
        except OSError:
            self.server.contract.left.set()
            self.close_connection = True

    def _hang_up(self, *, reset: bool) -> None:
        if reset:
            # Linger zero makes closing send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        if not reset:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
