"""What every mock tells of itself, in the same words wherever it is shown."""

from __future__ import annotations

from typing import Any

from workbench import __version__
from workbench.domain.clock import Clock
from workbench.domain.nim import NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance


def mock_status(service: Service, model: str, how: str, *, reason: str | None = None) -> NimStatus:
    """Always mock, at no address: no socket is opened. `how` says in a sentence what its answers are made of."""
    because = f": {reason}" if reason else ""
    return NimStatus(
        service=service,
        state=State.MOCK,
        published_state=State.MOCK,
        url=None,
        detail=f"A mock answers{because}. {how}",
        model=model,
        version=__version__,
    )


def mock_provenance(model: str, clock: Clock, start: float, **more: Any) -> Provenance:
    """Where a mock's answer comes from, asked at the monotonic second `start`; `more` are further fields of it."""
    return Provenance(
        origin=Origin.MOCK,
        model=model,
        version=__version__,
        created_at=clock.stamp(),
        elapsed_s=clock.elapsed_s(start),
        **more,
    )
