"""Keep a line of every run: what was asked of whom, how long it took and how it ended, with nothing that identifies."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.cases.run_log import RunLog
from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Cancelled, WorkbenchError
from workbench.domain.provenance import Provenance
from workbench.domain.records import RUN_COLUMNS, Outcome, Run
from workbench.domain.trace import trace_id
from workbench.telemetry.metrics import Metrics

READING = "read"
"""The `service` of a run that opens a CT."""

_MOST_CHARACTERS = 200
_QUOTED = re.compile(r"“[^”]*(?:”|$)")


class RunNote:
    """What is learnt while a run goes on."""

    def __init__(self, input_sha256: str | None) -> None:
        self.input_sha256 = input_sha256
        self.provenance: Provenance | None = None

    def made(self, provenance: Provenance) -> None:
        """Say who answered."""
        self.provenance = provenance


class Runs:
    """The run log and the counters beside it."""

    def __init__(self, *, log: RunLog, metrics: Metrics, secret: bytes, mode: str, clock: Clock) -> None:
        self._log = log
        self._metrics = metrics
        # A key of its own, so that the log's hashes cannot be compared with the ids that own cases.
        self._key = hmac.new(secret, b"run log", hashlib.sha256).digest()
        self._mode = mode
        self._clock = clock

    @contextmanager
    def recording(
        self, service: str, visitor: Visitor, *, input_sha256: str | None = None, mode: str | None = None
    ) -> Iterator[RunNote]:
        """Log and count what happens inside, however it ends. `mode` is the visit's where it is not the process's."""
        start, note = time.monotonic(), RunNote(input_sha256)
        outcome, cause = Outcome.DONE, None
        try:
            yield note
        except Cancelled:
            outcome = Outcome.CANCELLED
            raise
        except BaseException as error:
            outcome, cause = Outcome.FAILED, _kind(error)
            raise
        finally:
            self._keep(service, visitor, mode or self._mode, self._clock.elapsed_s(start), note, outcome, cause)

    def visit(self, visitor: Visitor) -> str:
        """The name of a visit in the log: a keyed hash of 16 hexadecimal digits."""
        return hmac.new(self._key, visitor.owner.encode(), hashlib.sha256).hexdigest()[:16]

    def lines(self, visitor: Visitor) -> Iterator[dict[str, Any]]:
        """The visitor's own runs, oldest first; everybody's for who holds the API key."""
        mine = self.visit(visitor)
        return (line for line in self._log.lines() if visitor.reaches_all or line.get("visit") == mine)

    def csv(self, visitor: Visitor) -> str:
        """`lines` as a table whose cells no spreadsheet takes for formulas."""
        from workbench.imaging.exports import csv_cell  # noqa: PLC0415 - brings the imaging tables along

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(RUN_COLUMNS)
        for line in self.lines(visitor):
            writer.writerow(["" if line.get(name) is None else csv_cell(line[name]) for name in RUN_COLUMNS])
        return text.getvalue()

    def _keep(
        self,
        service: str,
        visitor: Visitor,
        mode: str,
        duration_s: float,
        note: RunNote,
        outcome: Outcome,
        cause: str | None,
    ) -> None:
        made = note.provenance
        origin = made.origin.value if made else None
        reason = made.stands_in_because if made else None
        self._metrics.run(
            service=service,
            outcome=outcome.value,
            origin=origin or "none",
            seconds=duration_s,
            cause=cause,
            stood_in=reason is not None,
        )
        self._log.append(
            Run(
                time=self._clock.stamp(),
                visit=self.visit(visitor),
                service=service,
                mode=mode,
                duration_s=round(duration_s, 3),
                input_sha256=note.input_sha256,
                outcome=outcome,
                cause=cause,
                origin=origin,
                fallback_reason=_without_quotes(reason),
                review_record=made.parameters.get("review_record") if made else None,
                trace_id=trace_id(),
            ).to_json()
        )


def _kind(error: BaseException) -> str:
    """The error's class: the workbench's own by name, any other as `Unexpected`, whatever it is called."""
    return type(error).__name__ if isinstance(error, WorkbenchError) else "Unexpected"


def _without_quotes(reason: str | None) -> str | None:
    """A reason without what the NIM said in its own words, which may hold anything."""
    return None if reason is None else " ".join(_QUOTED.sub("(its words)", reason).split())[:_MOST_CHARACTERS]
