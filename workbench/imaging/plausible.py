"""Checks that speak up when a result cannot be as it looks: sides, head and feet, front and back, sizes.

They compare positions and volumes with what anatomy and cited studies lead one to expect. They never name a disease:
a remark says what was seen and what a person may want to look at.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from workbench.domain.segmentation import Measurements, OrganVolume

_RIGHT, _ANTERIOR, _SUPERIOR = 0, 1, 2

_SPINE = (
    *(f"vertebrae C{number}" for number in range(1, 8)),
    *(f"vertebrae T{number}" for number in range(1, 13)),
    *(f"vertebrae L{number}" for number in range(1, 7)),
    "vertebrae S1",
)
"""From the head down."""

_HEAD_TO_FEET = (
    ("brain", "skull"),
    ("thyroid gland", "left clavicula", "right clavicula"),
    ("heart", "left lung upper lobe", "right lung upper lobe", "vertebrae T5"),
    ("liver", "spleen", "stomach", "vertebrae T12"),
    ("vertebrae L4",),
    ("bladder", "left femur", "right femur", "prostate", "rectum"),
)
"""Levels of the body: everything in one lies above everything in the next two and more below."""

_FRONT = ("sternum", "heart", "liver", "stomach", "bladder")
_BACK = ("spinal cord", "sacrum", "left autochthon", "right autochthon", *_SPINE)

_MARGIN_MM = 5.0
"""Centroids closer than this are no evidence: cut organs and twisted spines move them a few millimetres."""


@dataclass(frozen=True, kw_only=True)
class ReferenceRange:
    """Volumes in mL found in adults by one published study. `what` says which statistic the bounds are."""

    structures: tuple[str, ...]
    low_ml: float
    high_ml: float
    what: str
    population: str
    authors: str
    cite: str
    year: int
    title: str
    journal: str
    doi: str | None

    @property
    def span(self) -> str:
        """`824.5–1700 mL, Kim 2021`."""
        return f"{self.low_ml:g}–{self.high_ml:g} mL, {self.cite}"


@cache
def reference_ranges() -> Mapping[str, tuple[ReferenceRange, ...]]:
    """Cited adult ranges by name of structure; a structure without a study that could be cited has none."""
    text = (resources.files("workbench.imaging") / "reference_ranges.json").read_text("utf-8")
    ranges: dict[str, tuple[ReferenceRange, ...]] = {}
    for each in json.loads(text):
        found = ReferenceRange(**{**each, "structures": tuple(each["structures"])})
        for name in found.structures:
            ranges[name] = (*ranges.get(name, ()), found)
    return ranges


def check(measurements: Measurements) -> Measurements:
    """The same measurements with remarks: on a structure in its `flags`, on the whole in `warnings`.

    A structure cut by the edge of the scan is only compared with the upper bounds of its ranges.
    """
    found = {organ.name: organ for organ in measurements.organs}
    flags: dict[str, list[str]] = {name: [] for name in found}
    warnings = [
        *_sides(found, flags),
        *_order(found, flags),
        *_front_and_back(found),
    ]
    for name, organ in found.items():
        flags[name].extend(_outside(organ))
    return replace(
        measurements,
        organs=tuple(replace(organ, flags=tuple(flags[organ.name])) for organ in measurements.organs),
        warnings=(*measurements.warnings, *warnings),
    )


def _sides(found: Mapping[str, OrganVolume], flags: Mapping[str, list[str]]) -> list[str]:
    pairs = [(name, name.replace("left", "right", 1)) for name in found if found[name].side == "left"]
    pairs = [(left, right) for left, right in pairs if right in found]
    wrong = [(left, right) for left, right in pairs if _beyond(found[left], found[right], _RIGHT)]
    for left, right in wrong:
        flags[left].append(f"lies on the patient's right of the {right}")
        flags[right].append(f"lies on the patient's left of the {left}")
    mirrored = "liver" in found and "spleen" in found and _beyond(found["spleen"], found["liver"], _RIGHT)
    if mirrored:
        flags["liver"].append("lies on the patient's left of the spleen")
        flags["spleen"].append("lies on the patient's right of the liver")
    if not wrong and not mirrored:
        return []
    seen = [f"{len(wrong)} of {len(pairs)} left-right pairs lie crosswise"] if wrong else []
    seen += ["the liver lies on the patient's left of the spleen"] if mirrored else []
    return [
        f"Left and right may be swapped: {' and '.join(seen)}. Look at the orientation of the file before trusting "
        "sides; mirrored anatomy looks the same."
    ]


def _order(found: Mapping[str, OrganVolume], flags: Mapping[str, list[str]]) -> list[str]:
    spine = [name for name in _SPINE if name in found]
    neighbours = list(itertools.pairwise(spine))
    levels = [[name for name in level if name in found] for level in _HEAD_TO_FEET]
    apart = [
        (upper, lower)
        for above, names in enumerate(levels)
        for upper in names
        for below in levels[above + 2 :]
        for lower in below
    ]
    pairs = [*neighbours, *apart]
    wrong = [(upper, lower) for upper, lower in pairs if _beyond(found[lower], found[upper], _SUPERIOR)]
    if wrong and 2 * len(wrong) > len(pairs):
        return [
            f"Head and feet may be reversed: in {len(wrong)} of {len(pairs)} comparisons the structure that belongs "
            "above lies below. Look at the orientation of the file."
        ]
    for upper, lower in wrong:
        flags[upper].append(f"lies below the {lower}")
        flags[lower].append(f"lies above the {upper}")
    return (
        [f"Out of order from head to feet: {_listed(wrong)}. Look at these structures in the picture."] if wrong else []
    )


def _listed(pairs: list[tuple[str, str]]) -> str:
    told = "; ".join(f"{upper} below {lower}" for upper, lower in pairs[:3])
    return f"{told}; and {len(pairs) - 3} more" if len(pairs) > 3 else told


def _front_and_back(found: Mapping[str, OrganVolume]) -> list[str]:
    pairs = [(front, back) for front in _FRONT for back in _BACK if front in found and back in found]
    wrong = [(front, back) for front, back in pairs if _beyond(found[back], found[front], _ANTERIOR)]
    if 2 * len(wrong) <= len(pairs):
        return []
    return [
        f"Front and back may be reversed: in {len(wrong)} of {len(pairs)} comparisons the structure that belongs in "
        "front lies behind. Look at the orientation of the file."
    ]


def _beyond(one: OrganVolume, other: OrganVolume, axis: int) -> bool:
    """Whether the centroid of `one` lies clearly further right, anterior or superior than that of `other`."""
    return one.centroid_ras_mm[axis] > other.centroid_ras_mm[axis] + _MARGIN_MM


def _outside(organ: OrganVolume) -> list[str]:
    """Remark where no cited study holds the volume; the study that comes closest is named."""
    ranges = reference_ranges().get(organ.name, ())
    distances = [(_distance(organ, each), each) for each in ranges]
    if not distances or any(distance <= 0 for distance, _ in distances):
        return []
    _, nearest = min(distances, key=lambda pair: pair[0])
    return [f"outside the cited adult range ({nearest.span})"]


def _distance(organ: OrganVolume, span: ReferenceRange) -> float:
    """How far in mL the volume lies outside; 0 or less inside. A cut organ cannot be too small."""
    short = 0.0 if organ.touches_edge else span.low_ml - organ.volume_ml
    return max(short, organ.volume_ml - span.high_ml)
