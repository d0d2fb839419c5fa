"""Searches any number at a time, and none while Milvus Lite moves what was put from memory to disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets many read or one move. A reader that began between Lite's two steps would miss acknowledged passages.

    Lite replaces its memory table first and shows the new segment after it (`Collection._trigger_flush`); a search
    takes its view of the segments and of the table one after the other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading = 0
        self._moving = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Search; waits while somebody moves."""
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            self._reading += 1
        try:
            yield
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Move; new readers wait from now on, those that read are let finish. One mover at a time is the caller's."""
        with self._changed:
            self._moving = True
            self._changed.wait_for(lambda: not self._reading)
        try:
            yield
        finally:
            with self._changed:
                self._moving = False
                self._changed.notify_all()
