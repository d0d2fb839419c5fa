"""Let each endpoint be used for what the operator allows, and for nothing else."""

from __future__ import annotations

from workbench.domain.errors import PurposeRefused
from workbench.domain.nim import Service
from workbench.domain.records import Operator, Purpose
from workbench.telemetry.metrics import Metrics


class Purposes:
    """The purposes that the operator declared, or the obvious ones. They hold whoever answers, a mock too."""

    def __init__(self, operator: Operator, metrics: Metrics) -> None:
        self._operator = operator
        self._metrics = metrics

    def require(self, service: Service, purpose: Purpose) -> None:
        """Go on only where the service may be used for this.

        Raises:
            PurposeRefused: it may not; the refusal is counted.
        """
        allowed = self._operator.purposes_of(service.value)
        if purpose in allowed:
            return
        self._metrics.purpose_refused(service=service.value, purpose=purpose.value)
        instead = f"only for {', '.join(allowed)}" if allowed else "for nothing at present"
        raise PurposeRefused(
            f"{service.display_name} may not be used for {purpose.value} here: its operator allows it {instead}.",
            hint="Ask who runs this workbench; the purposes stand in the file that IMAGING_OPERATOR_FILE names.",
        )
