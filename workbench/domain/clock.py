"""Time and ids, replaceable where a screenshot must not change."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Where displayed times, durations and ids come from.

    `now` gives the displayed time in UTC; `elapsed_s` turns a monotonic start into a displayed duration in
    seconds; `new_id` draws an id that cannot be guessed (24 characters, URL-safe).
    """

    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    elapsed_s: Callable[[float], float] = lambda start: time.monotonic() - start

    def stamp(self) -> str:
        """The displayed time in ISO 8601, whole seconds, UTC."""
        return self.now().isoformat(timespec="seconds")
