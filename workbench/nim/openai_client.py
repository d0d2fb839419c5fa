"""A chat that streams, over the `openai` package. Nothing outside of `openai_*` sees it, or the httpx2 below it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import NimReplyInvalid
from workbench.nim.complaint import complaint
from workbench.nim.http import Connection, Reply
from workbench.nim.openai_failure import no_address, translated
from workbench.nim.openai_library import library
from workbench.nim.refusals import Asked

if TYPE_CHECKING:
    import httpx2
    import openai
    from openai.types.chat import ChatCompletionChunk

Message = Mapping[str, str]
"""`role` and `content`."""

_EVENT_STREAM = "text/event-stream"
_LARGEST_WRONG_REPLY = 1 << 16
# The package reads headers, an organisation and a project from variables of its own; none of them may travel along.
_SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "content-type", "content-length", "transfer-encoding", "user-agent"}
)
_CONNECTION: ContextVar[Connection | None] = ContextVar("workbench_chat_connection", default=None)


@dataclass(frozen=True, kw_only=True)
class ChatTimeouts:
    """Seconds: for a connection, between two pieces of an answer (the first included), and to send the question."""

    connect_s: float = 3.0
    quiet_s: float = 60.0
    write_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ChatBody:
    """What is sent: the model's id, the turns, and how it is to choose words."""

    model: str
    messages: tuple[Message, ...]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of an answer as it came; `finish` is the server's word for the end, on the last one."""

    text: str
    finish: str | None = None


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

    def open(self, body: ChatBody, asked: Asked, connection: Connection, *, quiet_s: float | None = None) -> ChatPieces:
        """Send a chat; returns once the answer's headers are there. `quiet_s` is its longest silence, where not usual.

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
        token = _CONNECTION.set(connection)
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
            _CONNECTION.reset(token)
        try:
            _check_kind(stream.response, asked)
        except BaseException:
            stream.close()
            raise
        return ChatPieces(stream, asked, connection, seconds)

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


class ChatPieces:
    """An answer that is coming. One thread iterates it; any may `close` it, which frees the server."""

    def __init__(
        self,
        stream: openai.Stream[ChatCompletionChunk],
        asked: Asked,
        connection: Connection,
        timeouts: ChatTimeouts,
    ) -> None:
        self._stream = stream
        self._events = iter(stream)
        self._asked = asked
        self._connection = connection
        self._timeouts = timeouts
        self._lock = threading.Lock()
        self._reading = False
        self._ended = False

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        """The next piece.

        Raises:
            NimUnavailable: silent for too long, or the connection broke.
            NimRejected: the server told an error in mid-stream.
            NimReplyInvalid: it sent what is no event of a chat.
        """
        loaded = library()
        with self._lock:
            if self._ended:
                raise StopIteration
            self._reading = True
        try:
            return _piece(next(self._events))
        except (loaded.openai.OpenAIError, loaded.httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            if self._ended:
                # Whoever hung up wants no error of the connection that broke by it.
                raise StopIteration from error
            raise translated(
                error,
                self._asked,
                connect_s=self._timeouts.connect_s,
                quiet_s=self._timeouts.quiet_s,
                streaming=True,
            ) from error
        finally:
            with self._lock:
                self._reading = False
                ended = self._ended
            if ended:
                self._stream.close()

    def close(self) -> None:
        """End the answer: the server sees the connection close, and a thread that reads is woken."""
        with self._lock:
            self._ended = True
            reading = self._reading
        self._connection.hang_up()
        if not reading:
            self._stream.close()


def _timeout(seconds: ChatTimeouts) -> Any:
    return library().httpx2.Timeout(
        connect=seconds.connect_s, read=seconds.quiet_s, write=seconds.write_s, pool=seconds.connect_s
    )


def _prepare(request: httpx2.Request, *, key: str) -> None:
    """Leave only what belongs to a chat in the headers, and let the connection be hung up from outside."""
    for name in [each for each in request.headers if each.lower() not in _SENT_HEADERS]:
        del request.headers[name]
    request.headers["Connection"] = "close"
    if key:
        request.headers["Authorization"] = f"Bearer {key}"
    connection = _CONNECTION.get()
    if connection is not None:
        request.extensions["trace"] = connection.trace


def _reply(response: httpx2.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(status=response.status_code, headers=headers, body=response.content)


def _check_kind(response: httpx2.Response, asked: Asked) -> None:
    """A page or a plain document with status 200 would read as an answer without a word."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _EVENT_STREAM:
        return
    content = _beginning(response)
    said = "" if content.lstrip()[:1] == b"<" else complaint(content)
    what = "a web page" if content.lstrip()[:1] == b"<" else "no stream of an answer"
    raise NimReplyInvalid(
        f"What answers at the address of {asked.title} sends {what}{f': “{said}”' if said else ''}.",
        hint=f"Check {asked.url_setting}: it must be the base URL of an OpenAI-compatible server.",
    )


def _beginning(response: httpx2.Response) -> bytes:
    content = bytearray()
    try:
        for piece in response.iter_bytes():
            content += piece
            if len(content) >= _LARGEST_WRONG_REPLY:
                break
    except library().httpx2.HTTPError:
        # What was sent is wrong already; how it ended does not matter.
        return bytes(content)
    return bytes(content)


def _piece(event: Any) -> Piece:
    """The text of one event; role, usage and comment events have none."""
    choices = getattr(event, "choices", None)
    if choices is None:
        raise TypeError("no event of a chat")
    if not choices:
        return Piece(text="")
    delta = getattr(choices[0], "delta", None)
    content = getattr(delta, "content", None)
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    finish = getattr(choices[0], "finish_reason", None)
    return Piece(text=content if isinstance(content, str) else "", finish=str(finish) if finish else None)
