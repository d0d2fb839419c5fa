"""What wraps a `Talker`: the stand-in behind it, the mode noted, its calls put on record. Each passes `rewrite` on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NoReturn

from workbench.domain.dialogue import AnswerStream, ChatRequest, Finish, Talker, Turn
from workbench.domain.errors import NimError, NimUnavailable
from workbench.domain.nim import Mode, NimStatus
from workbench.nim.evidence import Evidence
from workbench.nim.in_mode import InMode
from workbench.nim.with_stand_in import Refusing, WithStandIn


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


class WitnessedTalker:
    """A real Llama-3 whose answers are put on record once they have ended, with how. Rewriting proves nothing."""

    def __init__(self, real: Talker, evidence: Evidence) -> None:
        self._real = real
        self._evidence = evidence
        self.status = real.status
        self.rewrite = real.rewrite

    def run(self, request: ChatRequest, /) -> AnswerStream:
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

    def _watched(self, stream: AnswerStream, stopped: threading.Event, start: float) -> Iterator[str]:
        try:
            yield from stream.tokens
        except NimError as error:
            self._evidence.call_failed(error, start)
            raise
        if stream.finish() is not Finish.CUT:
            self._evidence.call_succeeded("It answered a question.", start)
        elif stopped.is_set():
            self._evidence.call_succeeded("It was answering when a person stopped it.", start)
        else:
            self._evidence.call_failed(NimUnavailable("Its answer was cut before its end."), start)
