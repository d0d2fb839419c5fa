"""One look at a NIM at a time, kept for a few seconds and shared by all who ask; nobody waits for a NIM that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

LookT = TypeVar("LookT")

TOO_OLD_S = 60.0
"""A look older than that is not told while a new one is under way, seconds: nobody asked in between."""


class Watch(Generic[LookT]):
    """The newest finished look, and perhaps one under way.

    A look is good for `kept_s`. After that the next asker starts a new one and is told the old; only where there
    is none yet, or it is older than `TOO_OLD_S`, is the new one waited for, at most `limit_s` from its start.
    """

    def __init__(
        self, look: Callable[[], LookT], too_long: Callable[[], LookT], *, limit_s: float, kept_s: float
    ) -> None:
        self._look = look
        self._too_long = too_long
        self._limit_s = limit_s
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._begun = 0.0
        self._under_way: Future[LookT] | None = None
        self._seen: LookT | None = None
        self._seen_at = 0.0
        self._is_outdated = False

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Start a look where one is due."""
        now = time.monotonic()
        with self._lock:
            self._take_in(now)
            is_good = self._seen is not None and now - self._begun < self._kept_s and not self._is_outdated
            if self._under_way is not None or is_good:
                return
            self._begun, self._is_outdated = now, False
            self._under_way = pool.submit(self._look)

    def settled(self) -> bool:
        """Whether `seen` answers at once."""
        now = time.monotonic()
        with self._lock:
            self._take_in(now)
            return self._usable(now) or self._under_way is None

    def seen(self) -> LookT:
        """The look to tell."""
        now = time.monotonic()
        with self._lock:
            self._take_in(now)
            under_way, deadline = self._under_way, self._begun + self._limit_s
            if self._seen is not None and (under_way is None or self._usable(now)):
                return self._seen
        if under_way is None:
            return self._too_long()
        try:
            return under_way.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return self._too_long()

    def forget(self) -> None:
        """Let the next asker start a new look: something happened that the last one cannot know."""
        with self._lock:
            self._is_outdated = True

    def _usable(self, now: float) -> bool:
        return self._seen is not None and now - self._seen_at < TOO_OLD_S

    def _take_in(self, now: float) -> None:
        """Take over a look that has ended, or has taken too long; the latter still blocks the next until it ends."""
        if self._under_way is None:
            return
        if self._under_way.done():
            self._seen, self._seen_at = self._under_way.result(), now
            self._under_way = None
        elif now - self._begun >= self._limit_s:
            self._seen, self._seen_at = self._too_long(), now
