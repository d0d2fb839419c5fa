"""HTTP to a NIM. The only module that sees httpx errors; it turns them into the workbench's own."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from workbench.domain.errors import NimReplyInvalid, NimUnavailable

LARGEST_SMALL_REPLY = 1 << 20


class ConnectionRefused(NimUnavailable):
    """Nobody listens there: the request surely did not run."""


class NoAnswerInTime(NimUnavailable):
    """It took the request, and did not answer within the time allowed."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer: status code, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """An answer that is still coming: its status code and its lines."""

    status: int
    lines: Iterator[str]


class Sink(Protocol):
    """What an answer is written to as it comes."""

    def write(self, data: bytes, /) -> object:
        """Take one piece."""


class Connection:
    """One call's socket, so that another thread can hang up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ended = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the socket as it is opened (httpcore's `trace` extension)."""
        # TLS takes the first socket's place with one of its own; shutting the first would do nothing.
        if not event.startswith(("connection.connect_", "connection.start_tls")) or not event.endswith(".complete"):
            return
        opened = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._socket = opened
            ended = self._ended
        if ended:
            self.hang_up()

    def hang_up(self) -> None:
        """End the call now: whoever reads from the socket is woken, which closing alone would not do."""
        with self._lock:
            self._ended = True
            opened = self._socket
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)


def new_client() -> httpx.Client:
    """A client that follows no redirect and reads no proxy setting: a proxy must never carry patient data."""
    # They log whole addresses, signed ones included, and at their debug level headers of answers.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(trust_env=False, follow_redirects=False)


class Line:
    """Talks to one service at a base URL. `name` is for people, `setting` is the variable that holds the URL."""

    def __init__(self, base_url: str, client: httpx.Client, *, name: str, setting: str, key: str = "") -> None:
        self.base_url = base_url.rstrip("/")
        self._client = client
        self._name = name
        self._setting = setting
        self._key = key

    def get(self, path: str, *, within_s: float) -> Reply:
        """GET a small answer.

        Raises:
            NimUnavailable: nobody there, no answer in time, or the connection broke.
            NimReplyInvalid: the answer is no small one.
        """
        timeout = httpx.Timeout(within_s)
        return self._exchange("GET", path, None, timeout, LARGEST_SMALL_REPLY, Connection())

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        connect_s: float,
        answer_s: float,
        max_bytes: int,
        connection: Connection,
    ) -> Reply:
        """POST JSON and wait up to `answer_s` for the answer, of at most `max_bytes`.

        Raises:
            ConnectionRefused: nobody listens there.
            NoAnswerInTime: connected, and no whole answer within `answer_s`.
            NimUnavailable: not reached, or the connection broke.
            NimReplyInvalid: more bytes than allowed.
        """
        timeout = httpx.Timeout(answer_s, connect=connect_s)
        return self._exchange("POST", path, body, timeout, max_bytes, connection)

    def download(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        into: Sink,
        connect_s: float,
        answer_s: float,
        max_bytes: int,
        connection: Connection,
    ) -> Reply:
        """POST JSON and write the body of a 200 to `into` as it comes; any other answer has its body in the reply.

        What is left in `into` after an error is of no use. Raises what `post` does, and `OSError` of the file.
        """
        timeout = httpx.Timeout(answer_s, connect=connect_s)
        return self._exchange("POST", path, body, timeout, max_bytes, connection, into)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        connect_s: float,
        answer_s: float,
        connection: Connection,
    ) -> Reply:
        """Send bytes as they are, with headers of this request only; the answer is a small one.

        Raises what `post` does.
        """
        timeout = httpx.Timeout(answer_s, connect=connect_s)
        return self._exchange(
            method, path, None, timeout, LARGEST_SMALL_REPLY, connection, content=content, headers=headers
        )

    @contextlib.contextmanager
    def streaming(
        self, path: str, body: Mapping[str, Any], *, connect_s: float, quiet_s: float, connection: Connection
    ) -> Iterator[Streaming]:
        """POST JSON and read the answer's lines as they come; at most `quiet_s` between two pieces.

        Raises, also while lines are read:
            NimUnavailable: not reached, silent for too long, or the connection broke.
            NimReplyInvalid: the answer cannot be decoded.
        """
        timeout = httpx.Timeout(quiet_s, connect=connect_s)
        try:
            with self._client.stream(
                "POST",
                self.base_url + path,
                json=body,
                headers=self._headers(),
                timeout=timeout,
                extensions={"trace": connection.trace},
            ) as response:
                yield Streaming(status=response.status_code, lines=response.iter_lines())
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._translated(error, timeout) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "*/*", "Connection": "close"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout: httpx.Timeout,
        max_bytes: int,
        connection: Connection,
        into: Sink | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        start = time.monotonic()
        try:
            with self._client.stream(
                method,
                self.base_url + path,
                json=body,
                content=content or None,
                headers=self._headers() | dict(headers or {}),
                timeout=timeout,
                extensions={"trace": connection.trace},
            ) as response:
                deadline = start + (timeout.read or 0.0)
                received = bytearray()
                if into is not None and response.status_code == 200:
                    for piece in self._limited(response, max_bytes, deadline):
                        into.write(piece)
                else:
                    for piece in self._limited(response, max_bytes if into is None else LARGEST_SMALL_REPLY, deadline):
                        received += piece
                return Reply(status=response.status_code, headers=dict(response.headers), body=bytes(received))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._translated(error, timeout) from error

    def _limited(self, response: httpx.Response, max_bytes: int, deadline: float) -> Iterator[bytes]:
        received = 0
        for piece in response.iter_bytes():
            received += len(piece)
            if received > max_bytes:
                raise NimReplyInvalid(
                    f"The answer of {self._name} is larger than anything that fits this request "
                    f"({max_bytes / 1e6:,.0f} MB)."
                )
            # httpx limits the wait for each piece; an answer that trickles must end too.
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the whole answer took too long", request=response.request)
            yield piece

    def _translated(self, error: Exception, timeout: httpx.Timeout) -> NimUnavailable | NimReplyInvalid:
        name, setting = self._name, self._setting
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)):
            return NimUnavailable(
                f"The address set for {name} is not one that can be called.",
                hint=f"{setting} must read like http://host:port.",
            )
        if isinstance(error, httpx.ConnectTimeout):
            return NimUnavailable(
                f"{name} could not be reached: its machine did not answer within {timeout.connect:g} s.",
                timed_out=True,
                hint=f"Check the host in {setting}, and that no firewall stands between.",
            )
        if isinstance(error, httpx.TimeoutException):
            return NoAnswerInTime(
                f"{name} did not answer within {timeout.read:g} s.",
                timed_out=True,
                hint="Its log tells whether it is still working. A smaller volume, or fewer structures, takes less.",
            )
        if isinstance(error, httpx.ConnectError):
            return not_connected(error, name=name, setting=setting)
        if isinstance(error, httpx.DecodingError):
            return NimReplyInvalid(f"The answer of {name} is compressed in a way that cannot be undone.")
        return NimUnavailable(
            f"The connection to {name} broke before its answer was complete.",
            hint="The NIM may have restarted or run out of memory: see its log (docker logs).",
        )


def not_connected(error: Exception, *, name: str, setting: str) -> NimUnavailable:
    """The error for a connection that was not made, by what lies under `error`."""
    cause = _root(error)
    if isinstance(cause, socket.gaierror):
        return NimUnavailable(
            f"{name} could not be reached: the host name in its address is not known here.",
            hint=f"Check the spelling of the host in {setting}.",
        )
    if isinstance(cause, ConnectionRefusedError) or "refused" in str(error).lower():
        return ConnectionRefused(
            f"{name} refused the connection: nothing listens at its address.",
            hint=f"Start the NIM, or correct {setting}. Its start takes several minutes.",
        )
    return NimUnavailable(
        f"{name} could not be reached over the network.",
        hint=f"Check the address in {setting}, and http against https.",
    )


def _root(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error
