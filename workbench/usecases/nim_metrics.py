"""Follow what the NIMs tell about their own work."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from workbench.domain.nim_metrics import Quantity, Reading, course

KEPT_S = 5.0
"""How long a reading is good for, seconds, however many ask."""

MOST_KEPT = 120
"""Readings kept of each NIM: what a sparkline shows at most."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A quantity, its latest value and its course (oldest first); None where it was not exposed."""

    quantity: Quantity
    latest: float | None
    course: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one NIM exposes; no rows where it exposes nothing, and then `why`."""

    name: str
    label: str
    rows: tuple[Row, ...]
    why: str


class NimMetrics:
    """Readings of every NIM, taken when somebody looks and kept for a while. `read` must bound its own time."""

    def __init__(
        self, read: Callable[[], tuple[Reading, ...]], *, kept_s: float = KEPT_S, most_kept: int = MOST_KEPT
    ) -> None:
        self._read = read
        self._kept_s = kept_s
        self._most_kept = most_kept
        self._lock = threading.Lock()
        self._history: dict[str, deque[Reading]] = {}
        self._read_at: float | None = None

    def look(self) -> tuple[Told, ...]:
        """Every NIM's rows now. Whoever asks while another reads waits for that one's answer."""
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at >= self._kept_s:
                for reading in self._read():
                    kept = self._history.setdefault(reading.name, deque(maxlen=self._most_kept))
                    kept.append(reading)
                self._read_at = time.monotonic()
            return tuple(_told(tuple(readings)) for readings in self._history.values())


def _told(readings: tuple[Reading, ...]) -> Told:
    last = readings[-1]
    rows = []
    for quantity in Quantity if last.is_exposed else ():
        values = course(quantity, readings)
        rows.append(Row(quantity=quantity, latest=values[-1], course=values))
    return Told(name=last.name, label=last.label, rows=tuple(rows), why=last.why)
