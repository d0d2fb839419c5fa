"""Hold a request to MAISI against every rule before it is sent, and tell what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.domain.memory import Plan
from workbench.domain.nim import Service
from workbench.domain.synthesis import BrokenRule, Forecast, SynthesisRequest
from workbench.domain.synthesis_forecast import forecast
from workbench.domain.synthesis_rules import check, nearest_allowed
from workbench.usecases.memory_planner import MemoryPlanner

_HELD_TWICE = 2.5
"""The answer as it came and the arrays made of it lie on the disk together for a while."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What is known of a request before it is sent.

    `rules` are those it breaks, advice last; `nearest` is the request that keeps them, None where this one does.
    Without a size that MAISI makes there is no `forecast` and no `plan`, which says whether the memory forecast is to
    be had on a machine. `free_mb` is the room on the disk here, in MB.
    """

    request: SynthesisRequest
    rules: tuple[BrokenRule, ...]
    nearest: SynthesisRequest | None
    forecast: Forecast | None
    plan: Plan | None
    free_mb: float

    @property
    def is_allowed(self) -> bool:
        """Whether it may be sent."""
        return self.nearest is None

    @property
    def fits_disk(self) -> bool:
        """Whether the result finds room here; True where its size is not known yet."""
        return self.forecast is None or room_mb(self.request) <= self.free_mb


def preflight(request: SynthesisRequest, *, memory: MemoryPlanner, machine: str = "", free_mb: float) -> Preflight:
    """What is known of the request; nothing is sent.

    Args:
        request: as a person asks for it, allowed or not.
        memory: tells what fits on which machine.
        machine: a name of the planner's; empty or unknown means this one, measured now.
        free_mb: room on the disk, MB.
    """
    rules = check(request)
    costs = None if any(each.blocks and each.field == "output_size" for each in rules) else forecast(request)
    plan = None
    if costs is not None:
        size = "x".join(map(str, costs.memory_size))
        plan = memory.plan([Service.MAISI], machine=machine, maisi_size=size)
    return Preflight(
        request=request,
        rules=rules,
        nearest=nearest_allowed(request) if any(each.blocks for each in rules) else None,
        forecast=costs,
        plan=plan,
        free_mb=free_mb,
    )


def room_mb(request: SynthesisRequest) -> float:
    """Room that a request's result takes on the disk while it is read, MB."""
    return forecast(request).result_mb * _HELD_TWICE
