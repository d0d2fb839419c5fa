"""What is kept for who may audit the workbench, together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.domain.nim import Mode, NimStatus
from workbench.domain.provenance import Provenance
from workbench.domain.trace import Tracer
from workbench.telemetry.metrics import Metrics
from workbench.usecases.purposes import Purposes
from workbench.usecases.review_record import ReviewRecords
from workbench.usecases.run_log import Runs


@dataclass(frozen=True, kw_only=True)
class Records:
    """The review records, the purposes, the run log, the metrics, and where spans go."""

    review: ReviewRecords
    purposes: Purposes
    runs: Runs
    metrics: Metrics
    tracer: Tracer

    def noted(self, made: Provenance, mode: Mode, status: NimStatus) -> Provenance:
        """The provenance with the id of the deployment record under which it came about."""
        record = self.review.under(mode.value, status, made)
        return replace(made, parameters={**made.parameters, "review_record": record})
