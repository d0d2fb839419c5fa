"""What wraps a `Talker`: the stand-in behind it, the mode noted, its calls put on record. Each passes `rewrite` on.

Of these, `WitnessedStream` serves whoever answers in a stream.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Generic, NoReturn, TypeVar

from workbench.domain.dialogue import AnswerStream, ChatRequest, Finish, Talker, Turn
from workbench.domain.errors import NimError, NimUnavailable
from workbench.domain.nim import Mode, Nim, NimStatus
from workbench.nim.evidence import Evidence
from workbench.nim.in_mode import InMode
from workbench.nim.with_stand_in import Refusing, WithStandIn

RequestT = TypeVar("RequestT")
StreamT = TypeVar("StreamT", bound=AnswerStream)


class TalkerWithStandIn(WithStandIn[ChatRequest, AnswerStream]):
    """Asks `real`; where that cannot be used, `stand_in`, which says why. After the first token nobody takes over."""

    def __init__(self, real: Talker, stand_in: Talker) -> None:
        super().__init__(real, stand_in)
        self._talkers = real, stand_in

    def rewrite(self, question: str, history: Sequence[Turn], /) -> str:
        """By the real one, or by the stand-in's rule."""
        real, stand_in = self._talkers
        try:
            return real.rewrite(question, history)
        except NimUnavailable:
            return stand_in.rewrite(question, history)


class TalkerInMode(InMode[ChatRequest, AnswerStream]):
    """Notes the mode in the provenance of what `inner` answers."""

    def __init__(self, inner: Talker, mode: Mode, *, process_mode: Mode) -> None:
        super().__init__(inner, mode, process_mode=process_mode)
        self.rewrite = inner.rewrite


class RefusingTalker(Refusing[ChatRequest]):
    """Where nobody real can be asked."""

    def __init__(self, because: Callable[[], NimUnavailable], status: Callable[[], NimStatus]) -> None:
        super().__init__(because, status)
        self._why = because

    def rewrite(self, question: str, history: Sequence[Turn], /) -> NoReturn:
        """Raise `NimUnavailable`."""
        raise self._why()


class WitnessedStream(Generic[RequestT, StreamT]):
    """A real NIM that streams, whose answers are put on record once they have ended, with how; `told` says of what."""

    def __init__(self, real: Nim[RequestT, StreamT], evidence: Evidence, told: str) -> None:
        self._real = real
        self._evidence = evidence
        self._told = told
        self.status = real.status

    def run(self, request: RequestT, /) -> StreamT:
        """The answer, or its error."""
        start = time.monotonic()
        try:
            stream = self._real.run(request)
        except NimError as error:
            self._evidence.call_failed(error, start)
            raise
        stopped = threading.Event()

        def close() -> None:
            stopped.set()
            stream.close()

        return replace(stream, tokens=self._watched(stream, stopped, start), close=close)

    def _watched(self, stream: StreamT, stopped: threading.Event, start: float) -> Iterator[str]:
        try:
            yield from stream.tokens
        except NimError as error:
            self._evidence.call_failed(error, start)
            raise
        if stream.finish() is not Finish.CUT:
            self._evidence.call_succeeded(self._told, start)
        elif stopped.is_set():
            self._evidence.call_succeeded("It was answering when a person stopped it.", start)
        else:
            self._evidence.call_failed(NimUnavailable("Its answer was cut before its end."), start)


class WitnessedTalker(WitnessedStream[ChatRequest, AnswerStream]):
    """A real Llama-3 on record. Rewriting proves nothing."""

    def __init__(self, real: Talker, evidence: Evidence) -> None:
        super().__init__(real, evidence, "It answered a question.")
        self.rewrite = real.rewrite
