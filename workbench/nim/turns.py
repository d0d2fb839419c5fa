"""Waiting that a person can see and end: turns at a NIM, and calls that block."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from workbench.domain.progress import Progress

LOOK_EVERY_S = 0.2
"""How often a waiting call asks whether it is still wanted, seconds."""

T = TypeVar("T")


class Turns:
    """One at a time, first come first served; those who wait are told their place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[int] = deque()
        self._tickets = itertools.count()

    @contextlib.contextmanager
    def turn(self, progress: Progress) -> Iterator[None]:
        """Hold the turn inside the block.

        Raises:
            Cancelled: stopped while waiting.
        """
        ticket = next(self._tickets)
        with self._changed:
            self._line.append(ticket)
        try:
            while (before := self._before(ticket)) > 0:
                progress.stage(f"waiting: {before} before you")
                with self._changed:
                    self._changed.wait(LOOK_EVERY_S)
            yield
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _before(self, ticket: int) -> int:
        with self._changed:
            return self._line.index(ticket)


def wait(seconds: float, tell: Callable[[], None]) -> None:
    """Sleep, calling `tell` often; it may raise to end the wait."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell()
        time.sleep(min(LOOK_EVERY_S, left))


def call(function: Callable[[], T], *, tell: Callable[[], None], give_up: Callable[[], None]) -> T:
    """Run a blocking call in a thread and call `tell` while it runs; when that raises, `give_up` ends the call."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True, name="nim-call").start()
    try:
        while True:
            tell()
            with contextlib.suppress(TimeoutError):
                # A TimeoutError of the call itself would be done; only the wait for it is not.
                answer.exception(timeout=LOOK_EVERY_S)
            if answer.done():
                return answer.result()
    except BaseException:  # a cancelled wait must let go of the connection too
        if not answer.done():
            give_up()
        raise
