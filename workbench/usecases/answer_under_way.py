"""An answer as it comes about, and stopping it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from workbench.domain.dialogue import AnswerStream
from workbench.domain.errors import Cancelled, NimError

EventT = TypeVar("EventT")


class AnswerUnderWay(Generic[EventT]):
    """An answer as it comes about: iterate it once, in one thread; `stop` it from any."""

    def __init__(self, events: Callable[[AnswerUnderWay[EventT]], Iterator[EventT]]) -> None:
        self._events = events(self)
        self._lock = threading.Lock()
        self._stream: AnswerStream | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[EventT]:
        """What becomes known, the whole answer last.

        Raises:
            NimError: whoever answers broke off; what came before stays valid.
            Cancelled: stopped.
        """
        return self._events

    def stop(self) -> None:
        """Let go of whoever answers, also in the middle of a silence; the server is free at once."""
        with self._lock:
            self._stopped = True
            stream = self._stream
        if stream is not None:
            stream.close()

    def speaking(self, stream: AnswerStream) -> None:
        """Tell who is to be let go of when the person stops."""
        with self._lock:
            self._stream = stream
        self.check()

    def stage(self, name: str, fraction: float | None = None) -> None:
        """The `Progress` of whoever is asked, which ends a wait that nobody waits for any more."""
        self.check()

    def check(self) -> None:
        """Go on only while somebody waits.

        Raises:
            Cancelled: nobody does.
        """
        if self._stopped:
            raise Cancelled("Stopped.")


def pieces(stream: AnswerStream, under_way: AnswerUnderWay[Any]) -> Iterator[str]:
    """The pieces of an answer; a stream that ends because it was stopped is told as that, not as a fault of the NIM.

    Raises:
        Cancelled: stopped.
        NimError: whoever answers broke off.
    """
    try:
        for piece in stream.tokens:
            under_way.check()
            yield piece
    except NimError:
        under_way.check()
        raise
    under_way.check()
