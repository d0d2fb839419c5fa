"""Check now: one contract check of every service at a time, in the background, for all who wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from workbench.domain.clock import Clock
from workbench.domain.errors import StateConflict, WorkbenchError
from workbench.domain.nim import Mode, Service
from workbench.domain.services import Services

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """The latest check of all services of a mode: when it began and ended (ISO 8601), and how far it is.

    `number` counts the checks of this process from 1.
    """

    number: int
    mode: Mode
    started_at: str
    ended_at: str | None
    done: int
    of: int

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None


class CheckNow:
    """Starts checks and tells how far they are. Services are checked side by side."""

    def __init__(self, in_mode: Callable[[Mode], Services], clock: Clock) -> None:
        self._in_mode = in_mode
        self._clock = clock
        self._lock = threading.Lock()
        self._mode: Mode | None = None
        self._number = 0
        self._started_at = ""
        self._ended_at: str | None = None
        self._done = 0
        self._of = 0

    def start(self, mode: Mode) -> CheckRun:
        """Begin a check, or join the one of this mode that runs.

        Raises:
            StateConflict: a check of another mode runs.
        """
        services = self._in_mode(mode)
        with self._lock:
            if self._mode is not None and self._ended_at is None:
                if self._mode is not mode:
                    raise StateConflict(
                        f"A check of the mode {self._mode.value} is running.", hint="Try again when it is done."
                    )
                return self._run(mode)
            asked = services.checkable()
            self._mode, self._number, self._started_at = mode, self._number + 1, self._clock.stamp()
            self._done, self._of = 0, len(asked)
            self._ended_at = None if asked else self._clock.stamp()
            run = self._run(mode)
        if asked:
            threading.Thread(target=self._all, args=(services, asked), daemon=True, name="check-now").start()
        return run

    def latest(self) -> CheckRun | None:
        """The check that runs, or the last one; None before the first."""
        with self._lock:
            return None if self._mode is None else self._run(self._mode)

    def _run(self, mode: Mode) -> CheckRun:
        return CheckRun(
            number=self._number,
            mode=mode,
            started_at=self._started_at,
            ended_at=self._ended_at,
            done=self._done,
            of=self._of,
        )

    def _all(self, services: Services, asked: tuple[Service, ...]) -> None:
        with ThreadPoolExecutor(max_workers=len(asked), thread_name_prefix="check") as pool:
            list(pool.map(lambda each: self._one(services, each), asked))
        with self._lock:
            self._ended_at = self._clock.stamp()

    def _one(self, services: Services, service: Service) -> None:
        try:
            services.check(service)
        except WorkbenchError as error:
            _LOG.warning("the check of %s could not be made: %s", service.display_name, error.message)
        except Exception as error:  # noqa: BLE001 - the boundary of a thread: the check must end, whatever happened
            _LOG.error("the check of %s ended with an unexpected %s", service.display_name, type(error).__name__)
            _LOG.debug("the unexpected error", exc_info=True)
        with self._lock:
            self._done += 1
