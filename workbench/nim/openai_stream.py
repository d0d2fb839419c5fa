"""A chat's answer as it comes over the `openai` package."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.nim.http import Connection
from workbench.nim.openai_answer import Piece, content_text
from workbench.nim.openai_failure import translated
from workbench.nim.openai_library import library
from workbench.nim.refusals import Asked

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionChunk


class ChatPieces:
    """An answer that is coming. One thread iterates it; any may `close` it, which frees the server."""

    def __init__(
        self,
        stream: openai.Stream[ChatCompletionChunk],
        asked: Asked,
        connection: Connection,
        *,
        connect_s: float,
        quiet_s: float,
    ) -> None:
        """`connect_s` and `quiet_s` are the seconds that were allowed, for an error's words."""
        self._stream = stream
        self._events = iter(stream)
        self._asked = asked
        self._connection = connection
        self._connect_s, self._quiet_s = connect_s, quiet_s
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
                error, self._asked, connect_s=self._connect_s, quiet_s=self._quiet_s, streaming=True
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


def _piece(event: Any) -> Piece:
    """The text of one event; role, usage and comment events have none."""
    choices = getattr(event, "choices", None)
    if choices is None:
        raise TypeError("no event of a chat")
    if not choices:
        return Piece(text="")
    delta = getattr(choices[0], "delta", None)
    finish = getattr(choices[0], "finish_reason", None)
    return Piece(text=content_text(getattr(delta, "content", None)), finish=str(finish) if finish else None)
