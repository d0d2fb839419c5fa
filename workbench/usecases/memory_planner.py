"""Plan which NIMs run together on this machine, or on one that is only supposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.domain.memory import MAISI_PEAKS, PRESETS, SPARK, Machine, Plan, Preset, one_card, plan
from workbench.domain.nim import Service
from workbench.usecases.machine import this_machine

_CARDS_GB = (24.0, 48.0, 80.0)


class MemoryPlanner:
    """`look` measures this machine; it is asked anew for every plan, since free memory changes."""

    def __init__(self, look: Callable[[], Machine] = this_machine) -> None:
        self._look = look
        supposed = (SPARK, *map(one_card, _CARDS_GB))
        self._supposed: Mapping[str, Machine] = {each.name: each for each in supposed}

    @property
    def machines(self) -> tuple[str, ...]:
        """Names to choose from: this machine first."""
        return ("This machine", *self._supposed)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The configurations of the published guide."""
        return PRESETS

    @property
    def maisi_sizes(self) -> tuple[str, ...]:
        """The volume sizes for which NVIDIA published a peak, as `256x256x128`."""
        return tuple("x".join(map(str, size)) for size in MAISI_PEAKS)

    def machine(self, name: str) -> Machine:
        """The machine of that name; this one, measured now, for any other name."""
        return self._supposed.get(name) or self._look()

    def plan(
        self, services: Sequence[Service], *, machine: str = "This machine", maisi_size: str = "256x256x256"
    ) -> Plan:
        """Whether these NIMs fit on that machine.

        Raises:
            KeyError: no figure is published for that MAISI size.
        """
        x, y, z = map(int, maisi_size.split("x"))
        return plan(services, self.machine(machine), maisi_size=(x, y, z))
