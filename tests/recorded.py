"""The records of a workbench, in a folder of a test."""

from __future__ import annotations

from pathlib import Path

from workbench.cases.record_shelf import RecordShelf
from workbench.cases.run_log import RunLog
from workbench.domain.clock import Clock
from workbench.domain.records import Operator
from workbench.domain.trace import LocalTracer
from workbench.telemetry.metrics import Metrics
from workbench.usecases.purposes import Purposes
from workbench.usecases.records import Records
from workbench.usecases.review_record import ReviewRecords
from workbench.usecases.run_log import Runs


def records(folder: Path) -> Records:
    """Real records of a local process whose operator declares nothing."""
    metrics, clock, operator = Metrics("1"), Clock(), Operator()
    log = RunLog(folder / "records", max_bytes=1_000_000, files=2)
    return Records(
        review=ReviewRecords(
            statuses=lambda mode: (),
            describe=lambda service: {},
            operator=operator,
            shelf=RecordShelf(folder / "deployment"),
            clock=clock,
        ),
        purposes=Purposes(operator, metrics),
        runs=Runs(log=log, metrics=metrics, secret=b"s" * 32, mode="local", clock=clock),
        metrics=metrics,
        tracer=LocalTracer(),
    )
