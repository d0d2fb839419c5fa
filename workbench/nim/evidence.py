"""What is known of a NIM beyond its readiness: its last contract check and its last real request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from workbench.domain.clock import Clock
from workbench.domain.errors import NimError, NimReplyInvalid, NimUnavailable
from workbench.domain.nim import CheckReport, CheckStep, LastCall, Nim, NimStatus, Trouble
from workbench.domain.provenance import Result
from workbench.nim.http import ConnectionRefused

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Why a NIM that says it is ready does not count as one that works.

    `stands_in` tells whether a request that meets this is one that a mock may answer (`NimUnavailable`).
    """

    why: str
    hint: str | None
    stands_in: bool


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that the evidence holds of one NIM at one moment."""

    failing: Failing | None = None
    check: CheckReport | None = None
    last_call: LastCall | None = None
    last_error: Trouble | None = None


class Evidence:
    """The evidence about one NIM at one address, shared by every mode and visitor that asks it.

    A failed check or a failed real request marks it as failing until a later check passes or a real request
    succeeds. A request that the NIM refused for its content proves nothing against the NIM.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failing: Failing | None = None
        self._check: CheckReport | None = None
        self._last_call: LastCall | None = None
        self._last_error: Trouble | None = None

    def ms(self, start: float) -> float:
        """Milliseconds to show since `start` of `time.monotonic()`."""
        return 1000 * self._clock.elapsed_s(start)

    def known(self) -> Known:
        """What is known now."""
        with self._lock:
            return Known(
                failing=self._failing, check=self._check, last_call=self._last_call, last_error=self._last_error
            )

    def check_goes_on(self, steps: tuple[CheckStep, ...]) -> None:
        """A check has come so far."""
        with self._lock:
            self._check = CheckReport(steps=steps)

    def check_ended(self, steps: tuple[CheckStep, ...], error: NimError | None) -> CheckReport:
        """A check ended, with `error` where a step failed; one that proved nothing either way changes no state."""
        report = CheckReport(steps=steps, ended_at=self._clock.stamp())
        failed = report.failed
        with self._lock:
            self._check = report
            if failed is not None:
                hint = error.hint if error else None
                why = f"the contract check failed at “{failed.step}”: {failed.detail}"
                self._failing = Failing(why=why, hint=hint, stands_in=isinstance(error, NimUnavailable))
                self._last_error = Trouble(at=self._clock.stamp(), message=failed.detail, hint=hint)
            elif steps and all(each.ok for each in steps if each.step == "request"):
                self._failing = None
        return report

    def call_succeeded(self, detail: str, start: float) -> None:
        """A real request was answered; `start` is `time.monotonic()` at its beginning."""
        with self._lock:
            self._last_call = LastCall(
                at=self._clock.stamp(), ok=True, detail=detail, elapsed_s=self._clock.elapsed_s(start)
            )
            self._failing = None

    def call_failed(self, error: NimError, start: float) -> None:
        """A real request failed."""
        with self._lock:
            self._last_call = LastCall(
                at=self._clock.stamp(), ok=False, detail=error.message, elapsed_s=self._clock.elapsed_s(start)
            )
            self._last_error = Trouble(at=self._clock.stamp(), message=error.message, hint=error.hint)
            if proves_failure(error):
                self._failing = Failing(
                    why=f"the last real request failed: {error.message}",
                    hint=error.hint,
                    stands_in=isinstance(error, NimUnavailable),
                )


def proves_failure(error: NimError) -> bool:
    """Whether a failed request says something about the NIM, not about what was asked.

    A refused connection is left to the looks: they meet it too, and a NIM that comes back starts afresh.
    """
    if isinstance(error, ConnectionRefused):
        return False
    # Refusals are NimRejected; what is left cannot be used, or answers with what nobody can read.
    return isinstance(error, (NimUnavailable, NimReplyInvalid))


class Witnessed(Generic[RequestT, ResultT]):
    """A real NIM whose calls are put on record, with how they ended."""

    def __init__(self, real: Nim[RequestT, ResultT], evidence: Evidence, told: Callable[[ResultT], str]) -> None:
        self._real = real
        self._evidence = evidence
        self._told = told

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._real.status()

    def run(self, request: RequestT, /) -> ResultT:
        """The NIM's answer, or its error."""
        start = time.monotonic()
        try:
            result = self._real.run(request)
        except NimError as error:
            self._evidence.call_failed(error, start)
            raise
        self._evidence.call_succeeded(self._told(result), start)
        return result
