"""Keeps two ingests from working on the same document at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable

from workbench.domain.progress import Progress

_LOOK_EVERY_S = 0.2


class Claims:
    """What is being worked on now, and by whom. A holder may claim the same thing again, and leaves it as often."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[object, int]] = {}
        self._changed = threading.Condition()

    def take(self, keys: Iterable[Hashable], holder: object) -> bool:
        """All of them, or none where somebody else holds one."""
        wanted = Counter(keys)
        with self._changed:
            if any(key in self._held and self._held[key][0] is not holder for key in wanted):
                return False
            for key, times in wanted.items():
                _, held = self._held.get(key, (holder, 0))
                self._held[key] = holder, held + times
            return True

    def wait(self, keys: Iterable[Hashable], holder: object, progress: Progress) -> None:
        """All of them, once nobody else holds any. Only for who holds none: else two could wait for each other."""
        wanted = tuple(keys)
        while not self.take(wanted, holder):
            progress.stage("waiting for another ingest of the same document")
            with self._changed:
                self._changed.wait(_LOOK_EVERY_S)

    def leave(self, keys: Iterable[Hashable], holder: object) -> None:
        """Let others have them."""
        with self._changed:
            for key in keys:
                held = self._held[key][1]
                if held > 1:
                    self._held[key] = holder, held - 1
                else:
                    del self._held[key]
            self._changed.notify_all()

    def leave_all(self, holder: object) -> None:
        """Let others have everything that this one still holds."""
        with self._changed:
            self._held = {key: each for key, each in self._held.items() if each[0] is not holder}
            self._changed.notify_all()
