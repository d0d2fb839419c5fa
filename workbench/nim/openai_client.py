"""A chat that streams, over the `openai` package. Nothing outside of `openai_*` sees it, or the httpx2 below it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.nim.http import Connection, Reply
from workbench.nim.openai_answer import Pieces, WholePieces, no_answer, whole_answer
from workbench.nim.openai_failure import no_address, translated
from workbench.nim.openai_library import library
from workbench.nim.openai_stream import ChatPieces
from workbench.nim.refusals import Asked

if TYPE_CHECKING:
    import httpx2
    import openai
    from openai.types.chat import ChatCompletionChunk

Message = Mapping[str, Any]
"""`role` and `content`, which is a string or, beside a picture, a list of parts."""

_EVENT_STREAM = "text/event-stream"
_LARGEST_WRONG_REPLY = 1 << 16
_LARGEST_WHOLE_REPLY = 1 << 20
# The package reads headers, an organisation and a project from variables of its own; none of them may travel along.
_SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "content-type", "content-length", "transfer-encoding", "user-agent"}
)
_CONNECTION: ContextVar[Connection | None] = ContextVar("workbench_chat_connection", default=None)
_EXTRA_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("workbench_chat_headers", default=MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class ChatTimeouts:
    """Seconds: for a connection, between two pieces of an answer (the first included), and to send the question."""

    connect_s: float = 3.0
    quiet_s: float = 60.0
    write_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ChatBody:
    """What is sent: the model's id, the turns, how it is to choose words, and headers of this request only."""

    model: str
    messages: tuple[Message, ...]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer whose status is not 200, on its way to being told in words."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class ChatClient:
    """Chats with one server at `url` (without `/v1`). Builds the package's client when first needed, or in `warm`.

    It follows no redirect, reads no proxy setting, tries nothing twice, and closes every connection after its answer,
    so that hanging up reaches the server.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        timeouts: ChatTimeouts | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`transport` takes the place of the network."""
        self._url = url
        self._key = key
        self._timeouts = timeouts or ChatTimeouts()
        self._transport = transport
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def warm(self) -> None:
        """Load the package and build the client, which takes about a second; opens no socket."""
        self._built()

    def close(self) -> None:
        """Let go of the client."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def open(
        self,
        body: ChatBody,
        asked: Asked,
        connection: Connection,
        *,
        quiet_s: float | None = None,
        takes_whole: bool = False,
    ) -> Pieces:
        """Send a chat; returns once the answer's headers are there. `quiet_s` is its longest silence, where not usual.

        `takes_whole` allows a server that cannot stream to answer with one JSON document, which is read to its end,
        and one that answers later to say so with status 202.

        Raises:
            Refused: the status is not 200.
            NimUnavailable: not reached, silent for too long, or the connection broke.
            NimReplyInvalid: what answers is no stream of a chat.
        """
        loaded = library()
        seconds = self._timeouts if quiet_s is None else replace(self._timeouts, quiet_s=quiet_s)
        try:
            client = self._built()
        except (ValueError, TypeError, loaded.httpx2.InvalidURL) as error:
            raise no_address(asked) from error
        messages: Any = [dict(each) for each in body.messages]
        token, extra = _CONNECTION.set(connection), _EXTRA_HEADERS.set(body.headers)
        try:
            stream = client.chat.completions.create(
                model=body.model,
                messages=messages,
                temperature=body.temperature,
                top_p=body.top_p,
                max_tokens=body.max_tokens,
                seed=loaded.openai.omit if body.seed is None else body.seed,
                stream=True,
                timeout=_timeout(seconds),
            )
        except loaded.openai.APIStatusError as error:
            raise Refused(_reply(error.response)) from error
        except (loaded.openai.OpenAIError, loaded.httpx2.HTTPError, loaded.httpx2.InvalidURL, ValueError) as error:
            raise translated(error, asked, connect_s=seconds.connect_s, quiet_s=seconds.quiet_s) from error
        finally:
            _EXTRA_HEADERS.reset(extra)
            _CONNECTION.reset(token)
        try:
            if takes_whole and not _is_stream(stream.response):
                return self._whole(stream, asked, seconds)
            _check_kind(stream.response, asked)
        except BaseException:
            stream.close()
            raise
        return ChatPieces(stream, asked, connection, connect_s=seconds.connect_s, quiet_s=seconds.quiet_s)

    def _whole(self, stream: openai.Stream[ChatCompletionChunk], asked: Asked, seconds: ChatTimeouts) -> WholePieces:
        """The answer of a server that sends it as one document."""
        response, content = stream.response, bytearray()
        try:
            _take(response, content, _LARGEST_WHOLE_REPLY)
        except library().httpx2.HTTPError as error:
            raise translated(
                error, asked, connect_s=seconds.connect_s, quiet_s=seconds.quiet_s, streaming=True
            ) from error
        finally:
            stream.close()
        if response.status_code != 200:
            raise Refused(Reply(status=response.status_code, headers=_lower(response), body=bytes(content)))
        return whole_answer(bytes(content), asked)

    def _built(self) -> openai.OpenAI:
        loaded = library()
        with self._lock:
            if self._client is None:
                timeout = _timeout(self._timeouts)
                http_client = loaded.httpx2.Client(
                    timeout=timeout,
                    trust_env=False,
                    follow_redirects=False,
                    transport=self._transport,
                    event_hooks={"request": [functools.partial(_prepare, key=self._key)]},
                )
                self._client = loaded.openai.OpenAI(
                    # It refuses to be built without a key; the header is ours, or none.
                    api_key=self._key or "none",
                    base_url=f"{self._url}/v1",
                    max_retries=0,
                    timeout=timeout,
                    http_client=http_client,
                )
            return self._client


def _timeout(seconds: ChatTimeouts) -> Any:
    return library().httpx2.Timeout(
        connect=seconds.connect_s, read=seconds.quiet_s, write=seconds.write_s, pool=seconds.connect_s
    )


def _prepare(request: httpx2.Request, *, key: str) -> None:
    """Leave only what belongs to a chat in the headers, and let the connection be hung up from outside."""
    for name in [each for each in request.headers if each.lower() not in _SENT_HEADERS]:
        del request.headers[name]
    request.headers.update(_EXTRA_HEADERS.get())
    request.headers["Connection"] = "close"
    if key:
        request.headers["Authorization"] = f"Bearer {key}"
    connection = _CONNECTION.get()
    if connection is not None:
        request.extensions["trace"] = connection.trace


def _reply(response: httpx2.Response) -> Reply:
    return Reply(status=response.status_code, headers=_lower(response), body=response.content)


def _lower(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _is_stream(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").partition(";")[0].strip().lower() == _EVENT_STREAM)


def _check_kind(response: httpx2.Response, asked: Asked) -> None:
    """A page or a plain document with status 200 would read as an answer without a word."""
    if _is_stream(response):
        return
    content = bytearray()
    # What was sent is wrong already; how it ended does not matter.
    with contextlib.suppress(library().httpx2.HTTPError):
        _take(response, content, _LARGEST_WRONG_REPLY)
    raise no_answer(bytes(content), asked)


def _take(response: httpx2.Response, content: bytearray, most: int) -> None:
    for piece in response.iter_bytes():
        content += piece
        if len(content) >= most:
            break
