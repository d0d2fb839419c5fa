"""What fits together on a machine: figures with their sources, and the arithmetic over them.

Every figure lies in `memory_figures.json`, in GB as its source gives it, with the source's name beside it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.domain.nim import ROUTED, Service

Size = tuple[int, int, int]
ARM = frozenset({"aarch64", "arm64"})


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a figure was published; `url` is empty for a document that has none."""

    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Need:
    """GPU memory that one NIM takes at its peak, in GB: from `low_gb` to `high_gb`, for sources differ.

    `guide_gb` is the published guide's figure. `validated_card_gb` is the smallest card that NVIDIA validated.
    """

    service: Service
    label: str
    low_gb: float
    high_gb: float
    guide_gb: float
    sources: tuple[Source, ...]
    note: str
    x86_only: bool = False
    validated_card_gb: float | None = None


@dataclass(frozen=True, kw_only=True)
class SystemNeed:
    """Memory that the rest of the stack takes, in GB: system memory, which a DGX Spark shares with its GPU."""

    label: str
    gb: float
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A configuration of the published guide, with the sum that the guide gives for it in GB."""

    id: str
    label: str
    services: tuple[Service, ...]
    guide_gb: float


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU's own memory in GB, as it was measured; None where it cannot be read."""

    name: str
    total_gb: float | None = None
    free_gb: float | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine's memory in GB. `is_unified`: GPU and CPU share the one memory, so `gpus` have none of their own.

    `measured` is False for a machine that is only supposed, `gpus_known` where no one can tell what GPUs it has.
    """

    name: str
    architecture: str
    memory_gb: float | None = None
    memory_free_gb: float | None = None
    gpus: tuple[Gpu, ...] = ()
    is_unified: bool = False
    measured: bool = True
    gpus_known: bool = True
    notes: tuple[str, ...] = ()


class Fit(StrEnum):
    """The answer: by the highest figures, only by the lowest, or not even by those."""

    FITS = "fits"
    TIGHT = "tight"
    NOT = "does not fit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was chosen, and whether it fits. `gpu_of` tells on which GPU each NIM was placed, where it matters.

    `available_gb` is what the answer was held against: free memory where it was measured, else all of it.
    """

    machine: Machine
    needs: tuple[Need, ...]
    stack: tuple[SystemNeed, ...]
    low_gb: float
    high_gb: float
    available_gb: float | None
    fit: Fit
    gpu_of: Mapping[Service, int]
    notes: tuple[str, ...]


SPARK = Machine(
    name="DGX Spark (128 GB, unified)",
    architecture="aarch64",
    memory_gb=128.0,
    gpus=(Gpu(name="GB10"),),
    is_unified=True,
    measured=False,
)


def one_card(gb: float) -> Machine:
    """A supposed x86-64 host with one card of `gb` GB."""
    gpu = Gpu(name=f"{gb:g} GB card", total_gb=gb, free_gb=gb)
    return Machine(name=f"One {gb:g} GB card, x86-64", architecture="x86_64", gpus=(gpu,), measured=False)


def _read() -> Mapping[str, Any]:
    text = Path(__file__).with_name("memory_figures.json").read_text("utf-8")
    figures: dict[str, Any] = json.loads(text)
    return MappingProxyType(figures)


_FIGURES = _read()
_SOURCES = {name: Source(**each) for name, each in _FIGURES["sources"].items()}
MAISI_PEAKS: Mapping[Size, tuple[float, float]] = MappingProxyType(
    {tuple(each["size"]): (each["low_gb"], each["high_gb"]) for each in _FIGURES["maisi_sizes"]}
)
PRESETS = tuple(
    Preset(
        id=each["id"],
        label=each["label"],
        services=tuple(map(Service, each["parts"])),
        guide_gb=each["guide_gb"],
    )
    for each in _FIGURES["presets"]
)
STACK = tuple(
    SystemNeed(label=each["label"], gb=each["gb"], sources=tuple(_SOURCES[name] for name in each["sources"]))
    for each in _FIGURES["stack"]
)


def need(service: Service, *, maisi_size: Size) -> Need:
    """The figures of one NIM; those of MAISI depend on the size of the volume that it generates.

    Raises:
        KeyError: no figure is published for that MAISI size.
    """
    part = _FIGURES["parts"][service.value]
    peaks = MAISI_PEAKS[maisi_size] if service is Service.MAISI else (part["low_gb"], part["high_gb"])
    label = part["label"]
    if service is Service.MAISI:
        label = f"{label}, {' × '.join(map(str, maisi_size))}"
    return Need(
        service=service,
        label=label,
        low_gb=peaks[0],
        high_gb=peaks[1],
        guide_gb=part["guide_gb"],
        sources=tuple(_SOURCES[name] for name in part["sources"]),
        note=part["note"],
        x86_only=part.get("x86_only", False),
        validated_card_gb=part.get("validated_card_gb"),
    )


def plan(services: Sequence[Service], machine: Machine, *, maisi_size: Size = (256, 256, 256)) -> Plan:
    """Whether the NIMs fit together on the machine, at their peaks at once.

    On unified memory the stack's own needs count too. On cards of their own each NIM must find room on one card
    whole: a sum over several cards is no room.

    Raises:
        KeyError: no figure is published for that MAISI size.
    """
    needs = tuple(need(service, maisi_size=maisi_size) for service in ROUTED if service in set(services))
    shared = sum(each.gb for each in STACK) if machine.is_unified else 0.0
    low = sum(each.low_gb for each in needs) + shared
    high = sum(each.high_gb for each in needs) + shared
    rooms = _rooms(machine)
    available = None if rooms is None else sum(rooms)
    gpu_of: Mapping[Service, int] = {}
    if not needs:
        fit = Fit.FITS
    elif rooms is None:
        fit = Fit.UNKNOWN
    elif (placed := _place([each.high_gb for each in needs], rooms, shared)) is not None:
        fit, gpu_of = Fit.FITS, _by_service(needs, placed)
    elif (placed := _place([each.low_gb for each in needs], rooms, shared)) is not None:
        fit, gpu_of = Fit.TIGHT, _by_service(needs, placed)
    else:
        fit = Fit.NOT
    return Plan(
        machine=machine,
        needs=needs,
        stack=STACK if machine.is_unified else (),
        low_gb=low,
        high_gb=high,
        available_gb=available,
        fit=fit,
        gpu_of=gpu_of,
        notes=_notes(needs, machine),
    )


def _by_service(needs: Sequence[Need], placed: Sequence[int]) -> Mapping[Service, int]:
    return {each.service: at for each, at in zip(needs, placed, strict=True)}


def _rooms(machine: Machine) -> tuple[float, ...] | None:
    """GB to be had: one room of unified memory, or one a GPU; None where nothing is known."""
    if machine.is_unified:
        room = machine.memory_gb if machine.memory_free_gb is None else machine.memory_free_gb
        return None if room is None else (room,)
    if not machine.gpus_known:
        return None
    rooms = [gpu.total_gb if gpu.free_gb is None else gpu.free_gb for gpu in machine.gpus]
    if any(room is None for room in rooms):
        return None
    return tuple(room for room in rooms if room is not None)


def _place(sizes: Sequence[float], rooms: Sequence[float], shared: float) -> tuple[int, ...] | None:
    """A room for every size so that none overflows, the first found; None where there is none.

    Every assignment is tried: four NIMs on eight GPUs are 4,096.
    """
    for chosen in itertools.product(range(min(len(rooms), 8)), repeat=len(sizes)):
        used = [shared] + [0.0] * (len(rooms) - 1)
        for size, at in zip(sizes, chosen, strict=True):
            used[at] += size
        if all(taken <= room for taken, room in zip(used, rooms, strict=True)):
            return chosen
    return None


def _notes(needs: Sequence[Need], machine: Machine) -> tuple[str, ...]:
    notes = list(machine.notes)
    bound = [each for each in needs if each.x86_only]
    if bound and machine.architecture.lower() in ARM:
        names = " and ".join(each.service.display_name for each in bound)
        notes.append(
            f"{names}: NVIDIA lists x86-64 hosts with Ampere, Ada or Hopper only, neither Arm nor Blackwell. "
            "Run them on another host and point their URLs there; the memory shown is what they would take."
        )
    largest = max([gpu.total_gb for gpu in machine.gpus if gpu.total_gb is not None], default=None)
    for each in bound:
        # A card is sold as 48 GB and reports a little less or more.
        if each.validated_card_gb and largest is not None and largest < 0.9 * each.validated_card_gb:
            notes.append(
                f"{each.service.display_name}: the smallest card that NVIDIA validated has "
                f"{each.validated_card_gb:g} GB."
            )
    return tuple(notes)
