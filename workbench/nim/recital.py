"""An answer that is known as a whole, told in pieces, so that a page shows it as it shows a stream."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator

from workbench.domain.dialogue import Finish

_WORD = re.compile(r"\s*\S+\s*")


class Recital:
    """The pieces of an answer, its end, and letting go of it: what an `AnswerStream` is made of."""

    def __init__(self, pieces: Iterable[str], *, end: Finish = Finish.STOP) -> None:
        self._pieces = pieces
        self._end = end
        self._closed = threading.Event()
        self._told_all = False

    def tokens(self) -> Iterator[str]:
        """The pieces, until it is closed."""
        for piece in self._pieces:
            if self._closed.is_set():
                return
            yield piece
        self._told_all = True

    def finish(self) -> Finish:
        """How it ended; cut where it was closed before its end."""
        return self._end if self._told_all else Finish.CUT

    def close(self) -> None:
        """Say no more."""
        self._closed.set()


def by_words(text: str) -> Iterator[str]:
    """A text a word at a time, the spaces with it."""
    return (piece[0] for piece in _WORD.finditer(text))
