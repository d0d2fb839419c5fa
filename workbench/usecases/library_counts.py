"""How many passages the library holds, told at once even while its store hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from workbench.domain.errors import WorkbenchError

PATIENCE_S = 1.0
"""How long a fresh count is waited for before the last one is told, seconds."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Passages by collection. `reachable` is False where the store did not answer, and they are the last known."""

    by_collection: Mapping[str, int]
    reachable: bool

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_collection.values())


class LibraryCounts:
    """Reads the counts, one reading at a time for all who ask."""

    def __init__(self, read: Callable[[], Mapping[str, int]], *, patience_s: float = PATIENCE_S) -> None:
        self._read = read
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._reading: Future[Counts] | None = None
        self._last: Mapping[str, int] = {}

    def __call__(self) -> Counts:
        """The counts now, or after a second the last known ones. Never raises."""
        with self._lock:
            if self._reading is None:
                self._reading = Future()
                threading.Thread(target=self._look, args=(self._reading,), daemon=True, name="library-counts").start()
            reading = self._reading
        try:
            return reading.result(timeout=self._patience_s)
        except TimeoutError:
            return Counts(by_collection=self._last, reachable=False)

    def _look(self, reading: Future[Counts]) -> None:
        try:
            self._last = dict(self._read())
            told = Counts(by_collection=self._last, reachable=True)
        except WorkbenchError:
            told = Counts(by_collection=self._last, reachable=False)
        with self._lock:
            self._reading = None
        reading.set_result(told)
