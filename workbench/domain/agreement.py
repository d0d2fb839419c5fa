"""How far two label maps agree, and whether organs have the Hounsfield values that are usual for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from workbench.domain.organs import ORGANS


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One structure in two label maps on one grid.

    `dice` is 2|A and B| / (|A| + |B|) over voxels (Dice 1945), 1 for the same voxels, 0 for none in common. The
    difference is second minus first; in per cent of the first, None where the first has none.
    """

    label: int
    dice: float
    first_ml: float
    second_ml: float

    @property
    def name(self) -> str:
        """`left kidney`."""
        return ORGANS[self.label].name if self.label in ORGANS else f"label {self.label}"

    @property
    def difference_ml(self) -> float:
        """How much larger the second is, in mL."""
        return self.second_ml - self.first_ml

    @property
    def difference_percent(self) -> float | None:
        """How much larger the second is, in per cent of the first."""
        return 100.0 * self.difference_ml / self.first_ml if self.first_ml else None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored and published."""
        return {
            **asdict(self),
            "name": self.name.replace(" ", "_"),
            "difference_ml": self.difference_ml,
            "difference_percent": self.difference_percent,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            label=stored["label"],
            dice=stored["dice"],
            first_ml=stored["first_ml"],
            second_ml=stored["second_ml"],
        )


@dataclass(frozen=True, kw_only=True)
class HuCheck:
    """The median HU over the voxels of one structure, or of several that belong together, against a cited band.

    `labels` are those of the structure that occur; `cite` names the source of the band, `source_url` its address.
    """

    name: str
    labels: tuple[int, ...]
    median_hu: float
    low_hu: float
    high_hu: float
    voxel_count: int
    cite: str
    source_url: str

    @property
    def is_within(self) -> bool:
        """Whether the median lies in the band, its ends included."""
        return self.low_hu <= self.median_hu <= self.high_hu

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored and published."""
        return {**asdict(self), "labels": list(self.labels), "is_within": self.is_within}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        kept = {name: value for name, value in stored.items() if name != "is_within"}
        return cls(**{**kept, "labels": tuple(stored["labels"])})
