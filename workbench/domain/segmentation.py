"""Masks, what was asked of them, and what was measured in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.organs import ORGANS
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Provenance, Result
from workbench.domain.volume import Grid, Volume

Point = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationRequest:
    """What VISTA-3D is asked for.

    `labels` are VISTA-3D ids as the person chose them (superclasses not yet expanded), None for everything.
    `points` are clicks as voxel indices (i, j, k) of the volume's grid, by label. `image_file` gives the path of
    the volume as a clean gzipped NIfTI on that grid, written when first asked for. `truth` is the exact mask that
    a phantom came with, on the same grid.
    """

    volume: Volume
    labels: tuple[int, ...] | None = None
    points: Mapping[int, tuple[Point, ...]] = field(default_factory=dict)
    image_file: Callable[[], Path]
    truth: NDArray[np.uint8] | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation(Result):
    """A label map on the volume's grid, uint8, indexed (i, j, k); values are VISTA-3D ids, 0 is background.

    `asked` holds the ids evaluated (superclasses expanded), None for everything; `not_found` those of them that
    hold no voxel. `warnings` are for the person.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    asked: tuple[int, ...] | None
    not_found: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise ValueError(f"labels {self.labels.shape} do not lie on the grid {self.grid.shape}")
        view = self.labels.view()
        view.flags.writeable = False
        object.__setattr__(self, "labels", view)


@dataclass(frozen=True, kw_only=True)
class OrganVolume:
    """One measured structure.

    Whole voxels are counted. HU statistics are over those voxels; `std_hu` is the population standard deviation.
    `centroid_ras_mm` and `extent_mm` (right-left, anterior-posterior, superior-inferior) are of voxel centres and
    voxel bounds in mm. `touches_edge` means cut by the scan: the volume is a lower bound. `largest_slice` is the
    1-based display slice per plane in which its area is largest. `flags` are remarks of the plausibility checks.
    """

    label: int
    volume_ml: float
    voxel_count: int
    mean_hu: float
    std_hu: float
    min_hu: int
    max_hu: int
    centroid_ras_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    touches_edge: bool
    largest_slice: Mapping[str, int]
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`left kidney`; a label outside the dictionary reads `label 200`."""
        organ = ORGANS.get(self.label)
        return organ.name if organ else f"label {self.label}"

    @property
    def snake(self) -> str:
        """`left_kidney`."""
        return self.name.replace(" ", "_")

    @property
    def side(self) -> str | None:
        """`left`, `right` or None."""
        organ = ORGANS.get(self.label)
        return organ.side if organ else None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case."""
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in self.__dict__.items()},
            "largest_slice": dict(self.largest_slice),
            "name": self.snake,
            "side": self.side,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> OrganVolume:
        """Read back what `to_json` wrote."""
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name not in ("name", "side", "largest_slice")
        }
        return cls(**kept, largest_slice=dict(stored["largest_slice"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements(Result):
    """Every structure found, largest first, and remarks on the whole (sides swapped, head-feet reversed)."""

    organs: tuple[OrganVolume, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case."""
        return {
            "organs": [each.to_json() for each in self.organs],
            "warnings": list(self.warnings),
            "provenance": self.provenance.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Measurements:
        """Read back what `to_json` wrote."""
        return cls(
            organs=tuple(OrganVolume.from_json(each) for each in stored["organs"]),
            warnings=tuple(stored["warnings"]),
            provenance=Provenance.from_json(stored["provenance"]),
        )
