"""What MAISI can be asked for: sizes, spacing, regions, anatomies, sizes of organs, and where each figure stands.

Facts come from `maisi_values.json` beside this file, each with its source; a label is the id of the same structure in
VISTA-3D (MONAI bundle `maisi_ct_generative`, label dictionary).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from workbench.domain.organs import spoken

Size = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the body. `also` are other names for it; `core` are anatomies that any CT of it shows.

    `between_mm` is a small adult's length from head to feet.
    """

    name: str
    also: tuple[str, ...]
    between_mm: float
    core: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A structure by its name in MAISI's dictionary; `regions` are those in which at least a part of it lies.

    The first of them holds most of it.
    """

    name: str
    label: int
    regions: tuple[str, ...]
    is_tumour: bool
    is_controllable: bool

    @property
    def is_common(self) -> bool:
        """Whether every adult has it: no tumour, no cyst, not bound to one sex."""
        return not self.is_tumour and "cyst" not in self.name and self.name != "prostate"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A size and spacing recommended for regions by the bundle."""

    body_region: tuple[str, ...]
    output_size: Size
    spacing_mm: Spacing

    @property
    def label(self) -> str:
        """`Chest and abdomen, 512 x 512 x 128`."""
        *first, last = self.body_region
        words = f"{', '.join(first)} and {last}" if first else last
        return f"{words.capitalize()}, {' x '.join(map(str, self.output_size))}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a request. Spacing in mm along each axis, field of view in mm along x and y."""

    samples: tuple[int, int]
    x_y: tuple[int, ...]
    z: tuple[int, ...]
    spacing_low: float
    spacing_high_x_y: float
    spacing_high_z: float
    spacing_page_high: float
    view_least: float
    view_advised: float
    view_advised_head: float
    controllable_most: int
    tumours_most: int
    slab_end_mm: float
    intensity_hu: tuple[int, int]


def _read() -> Mapping[str, Any]:
    text = (resources.files("workbench.domain") / "maisi_values.json").read_text("utf-8")
    values: dict[str, Any] = json.loads(text)
    return MappingProxyType(values)


_VALUES = _read()
SOURCES: Mapping[str, Mapping[str, str]] = MappingProxyType(_VALUES["sources"])
"""Title and address of each source; the address is empty where there is none."""

LIMITS = Limits(
    samples=(_VALUES["samples"]["low"], _VALUES["samples"]["high"]),
    x_y=tuple(_VALUES["sizes"]["x_y"]),
    z=tuple(_VALUES["sizes"]["z"]),
    spacing_low=_VALUES["spacing_mm"]["low"],
    spacing_high_x_y=_VALUES["spacing_mm"]["high_x_y"],
    spacing_high_z=_VALUES["spacing_mm"]["high_z"],
    spacing_page_high=_VALUES["spacing_mm"]["page_high"],
    view_least=_VALUES["field_of_view_mm"]["least_x_y"],
    view_advised=_VALUES["field_of_view_mm"]["advised_x_y"],
    view_advised_head=_VALUES["field_of_view_mm"]["advised_head"],
    controllable_most=_VALUES["controllable"]["most"],
    tumours_most=_VALUES["controllable"]["most_tumours"],
    slab_end_mm=_VALUES["slab"]["end_mm"],
    intensity_hu=tuple(_VALUES["intensity_hu"]),
)
REGIONS: tuple[Region, ...] = tuple(
    Region(name=each["name"], also=tuple(each["also"]), between_mm=each["between_mm"], core=tuple(each["core"]))
    for each in _VALUES["regions"]
)
"""From the head down."""

REGION_BY_NAME: Mapping[str, Region] = MappingProxyType(
    {name: region for region in REGIONS for name in (region.name, *region.also)}
)
CONTROLLABLE: tuple[str, ...] = (*_VALUES["controllable"]["organs"], *_VALUES["controllable"]["tumours"])
"""Anatomies whose size can be set, tumours last."""

ANATOMIES: Mapping[str, Anatomy] = MappingProxyType(
    {
        each["name"]: Anatomy(
            name=each["name"],
            label=each["label"],
            regions=tuple(each["regions"]),
            is_tumour=each["name"] in _VALUES["tumours"],
            is_controllable=each["name"] in CONTROLLABLE,
        )
        for each in _VALUES["anatomy"]
    }
)
"""Every anatomy that may be asked for, by name."""

PRESETS: tuple[Preset, ...] = tuple(
    Preset(
        body_region=tuple(each["body_region"]),
        output_size=tuple(each["output_size"]),
        spacing_mm=tuple(each["spacing_mm"]),
    )
    for each in _VALUES["presets"]
)
TIMES_S: tuple[tuple[Size, float], ...] = tuple(
    (tuple(each["size"]), float(each["s"])) for each in _VALUES["times"]["seconds"]
)
"""Seconds for one sample of a size on `TIMES_GPU`, as the bundle tells them."""

TIMES_GPU: str = _VALUES["times"]["gpu"]
_SPACING_BY_SIZE: Mapping[Size, Spacing] = MappingProxyType(
    {tuple(each["output_size"]): tuple(each["spacing_mm"]) for each in _VALUES["spacing_by_size"]}
)
_BY_SPOKEN = {spoken(name): name for name in ANATOMIES}


def anatomy_name(text: str) -> str | None:
    """The dictionary's spelling of `left_kidney`, `Left Kidney` or `left kidney`; None for one it does not hold."""
    return _BY_SPOKEN.get(spoken(text))


def nearest_anatomies(text: str, among: Iterable[str] | None = None, count: int = 3) -> tuple[str, ...]:
    """Names that look most like `text`: those that share a word with it first, then the closest spellings."""
    asked = spoken(text)
    known = {spoken(name): name for name in (ANATOMIES if among is None else among)}
    words = set(asked.split())
    sharing = sorted(
        (name for name in known if words & set(name.split())),
        key=lambda name: -difflib.SequenceMatcher(None, asked, name).ratio(),
    )
    close = difflib.get_close_matches(asked, list(known), n=count, cutoff=0.5)
    return tuple(dict.fromkeys(known[name] for name in [*close[:1], *sharing, *close]))[:count]


def span(names: Iterable[str]) -> tuple[Region, ...]:
    """The regions from the uppermost to the lowest of those named, the ones between included; unknown ones left out."""
    asked = {REGION_BY_NAME[name].name for name in names if name in REGION_BY_NAME}
    at = [index for index, region in enumerate(REGIONS) if region.name in asked]
    return REGIONS[min(at) : max(at) + 1] if at else ()


def regions_of(names: Iterable[str]) -> tuple[str, ...]:
    """The fewest regions, each holding the most of what is left, that hold all the anatomies."""
    left, chosen = set(names), set[str]()
    while left:
        best = max(REGIONS, key=lambda region: _held(region.name, left)).name
        chosen.add(best)
        left = {name for name in left if best not in ANATOMIES[name].regions}
    return tuple(region.name for region in REGIONS if region.name in chosen)


def _held(region: str, names: Iterable[str]) -> tuple[int, int]:
    """How many of the anatomies lie in a region, and how many of them mostly."""
    where = [ANATOMIES[name].regions for name in names]
    return sum(region in each for each in where), sum(region == each[0] for each in where)


def least_slab_mm(names: Iterable[str]) -> float:
    """The shortest volume from head to feet, in mm, that can hold the regions: 0 for a single one.

    A region between two others must fit whole, the first and the last with `LIMITS.slab_end_mm`.
    """
    held = span(names)
    return sum(region.between_mm for region in held[1:-1]) + 2 * LIMITS.slab_end_mm if len(held) > 1 else 0.0


def recommended_spacing(size: Size, regions: Iterable[str]) -> Spacing:
    """Spacing in mm for a size that gives none: the bundle's pair for it, else one whose field of view is advised."""
    asked = list(regions)
    names = {REGION_BY_NAME[name].name for name in asked if name in REGION_BY_NAME}
    for preset in PRESETS:
        if preset.output_size == size and set(preset.body_region) == names:
            return preset.spacing_mm
    if size in _SPACING_BY_SIZE and size[2] * _SPACING_BY_SIZE[size][2] >= least_slab_mm(asked):
        return _SPACING_BY_SIZE[size]
    view = LIMITS.view_advised_head if names == {"head"} else LIMITS.view_advised
    across = _within(view / max(size[0], 1), LIMITS.spacing_high_x_y)
    along = _within(max(across, least_slab_mm(asked) / max(size[2], 1)), LIMITS.spacing_high_z)
    return across, across, along


def core_anatomies(regions: Iterable[str]) -> tuple[str, ...]:
    """Anatomies that any CT of the regions shows, those of the uppermost region first."""
    asked = {REGION_BY_NAME[name].name for name in regions if name in REGION_BY_NAME}
    return tuple(dict.fromkeys(name for region in REGIONS if region.name in asked for name in region.core))


def common_anatomies(regions: Iterable[str]) -> tuple[str, ...]:
    """`core_anatomies`, then every other anatomy that an adult has mostly there."""
    asked = list(regions)
    names = {REGION_BY_NAME[name].name for name in asked if name in REGION_BY_NAME}
    others = (each.name for each in ANATOMIES.values() if each.is_common and each.regions[0] in names)
    return tuple(dict.fromkeys((*core_anatomies(asked), *others)))


def _within(spacing: float, high: float) -> float:
    # Rounded up, so that the field of view does not fall below what it was computed from.
    return min(max(-(-spacing * 1000 // 1) / 1000, LIMITS.spacing_low), high)
