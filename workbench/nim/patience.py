"""How long a NIM is waited for, and what is tried again: only what surely did not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.domain.progress import Progress
from workbench.nim.http import ConnectionRefused, Reply
from workbench.nim.turns import wait

_NOT_RUN = frozenset({429, 503})
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds to wait: for a connection, for an answer, and before each further try.

    A refused connection is tried once more after `refused_wait_s`; 503 while loading (and 429) after each of
    `loading_waits_s`, or as long as `Retry-After` says, at most 30 s.
    """

    connect_s: float = 5.0
    answer_s: float = 900.0
    refused_wait_s: float = 1.0
    loading_waits_s: tuple[float, ...] = (2.0, 4.0, 8.0)


def ask_patiently(post: Callable[[], Reply], *, timeouts: Timeouts, name: str, progress: Progress) -> Reply:
    """The first answer of `post` that is not “later”. `name` is of the NIM, for people.

    Raises:
        ConnectionRefused: twice in a row.
        Cancelled: stopped while waiting.
    """
    waits = list(timeouts.loading_waits_s)
    refused = False
    while True:
        try:
            reply = post()
        except ConnectionRefused:
            if refused:
                raise
            refused = True
            _wait(timeouts.refused_wait_s, f"{name} refused the connection: trying once more", progress)
            continue
        if reply.status not in _NOT_RUN or not waits:
            return reply
        seconds = _retry_after(reply) or waits[0]
        del waits[0]
        why = "is loading" if reply.status == 503 else "is busy"
        _wait(seconds, f"{name} {why}: next try in {seconds:g} s ({len(waits)} more after it)", progress)


def _wait(seconds: float, why: str, progress: Progress) -> None:
    wait(seconds, lambda: progress.stage(why))


def _retry_after(reply: Reply) -> float | None:
    """Seconds of `Retry-After`; its date form is ignored."""
    said = reply.headers.get("retry-after", "")
    return min(float(said), _LONGEST_WAIT_S) if said.isdecimal() else None
