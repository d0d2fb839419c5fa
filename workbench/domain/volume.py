"""CT volumes and the grids they lie on.

Axes are i, j, k for arrays and R, A, S (right, anterior, superior positive, mm) for the patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import UnsupportedVolume
from workbench.domain.provenance import Result

HU_FLOOR = -1024
"""Air in the usual 12-bit CT range; padding and everything below it is set to this."""

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The lattice of a volume: its shape (i, j, k) and the affine from voxel index to RAS mm, voxel centres."""

    shape: tuple[int, int, int]
    affine_ras_mm: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine_ras_mm, dtype=np.float64)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise UnsupportedVolume(f"A volume has three dimensions; this one has the shape {self.shape}.")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise UnsupportedVolume(
                "The file's geometry is unusable: its affine matrix is singular or holds values that are not numbers.",
                hint="Export the volume again from the scanner or the archive with its position and spacing.",
            )
        affine.flags.writeable = False
        object.__setattr__(self, "affine_ras_mm", affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along i, j, k in mm."""
        si, sj, sk = np.linalg.norm(self.affine_ras_mm[:3, :3], axis=0).tolist()
        return si, sj, sk

    @cached_property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm^3, right for oblique and sheared grids too."""
        return float(abs(np.linalg.det(self.affine_ras_mm[:3, :3])))

    @cached_property
    def axis_of_patient(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """For each of R, A, S: the array axis closest to it, and +1 or -1 where the index runs along or against it.

        The assignment of axes is the permutation with the largest sum of direction cosines.
        """
        cosines = self.affine_ras_mm[:3, :3] / np.array(self.spacing_mm)
        orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
        best = max(orders, key=lambda order: sum(abs(cosines[ras, axis]) for ras, axis in enumerate(order)))
        r, a, s = ((axis, 1 if cosines[ras, axis] > 0 else -1) for ras, axis in enumerate(best))
        return r, a, s

    @cached_property
    def orientation(self) -> str:
        """Letters of the directions in which i, j, k grow, such as LPS (nibabel's axis codes)."""
        letters = ["", "", ""]
        for ras, (axis, sign) in enumerate(self.axis_of_patient):
            letters[axis] = _LETTERS[ras][sign > 0]
        return "".join(letters)

    @cached_property
    def obliquity_deg(self) -> float:
        """Largest angle in degrees between an array axis and the patient axis closest to it."""
        cosines = self.affine_ras_mm[:3, :3] / np.array(self.spacing_mm)
        smallest = min(abs(float(cosines[ras, axis])) for ras, (axis, _) in enumerate(self.axis_of_patient))
        return float(np.degrees(np.arccos(min(smallest, 1.0))))

    def ras_mm(self, ijk: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patient coordinates in mm of voxel indices, shape (..., 3)."""
        return np.asarray(ijk @ self.affine_ras_mm[:3, :3].T + self.affine_ras_mm[:3, 3])

    def same_as(self, other: Grid, *, tolerance_voxels: float = 1e-2) -> bool:
        """Whether every corner voxel lies at the same place, within a fraction of a voxel."""
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(self.shape) - 1)
        apart_mm = np.abs(self.ras_mm(corners) - other.ras_mm(corners)).max()
        return bool(apart_mm <= tolerance_voxels * min(self.spacing_mm))

    def describe(self) -> str:
        """Shape, spacing, orientation and origin in one line, for messages."""
        size = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{each:.3f}" for each in self.spacing_mm)
        origin = ", ".join(f"{each:.1f}" for each in self.affine_ras_mm[:3, 3])
        return f"{size} voxels of {spacing} mm, {self.orientation}, first voxel at ({origin}) mm RAS"


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume(Result):
    """A CT in Hounsfield units, int16, indexed (i, j, k); read-only, often memory-mapped from a file."""

    voxels_hu: NDArray[np.int16]
    affine_ras_mm: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.voxels_hu.ndim != 3:
            raise UnsupportedVolume(f"A volume has three dimensions; this one has {self.voxels_hu.ndim}.")
        view = self.voxels_hu.view()
        view.flags.writeable = False
        object.__setattr__(self, "voxels_hu", view)
        object.__setattr__(self, "affine_ras_mm", self.grid.affine_ras_mm)

    @cached_property
    def grid(self) -> Grid:
        """The lattice of the voxels."""
        i, j, k = self.voxels_hu.shape
        return Grid(shape=(i, j, k), affine_ras_mm=self.affine_ras_mm)


@dataclass(frozen=True, kw_only=True)
class CtReport:
    """What is known of a CT before anything runs. Holds no patient data.

    Sizes are (i, j, k); `field_of_view_mm` is size times spacing; `notes` tell what reading changed
    (resampling, with its numbers), `warnings` what a person should know before trusting results.
    """

    file_format: str
    description: str
    modality: str
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    hu_range: tuple[int, int]
    field_of_view_mm: tuple[float, float, float]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case and published."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.__dict__.items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> CtReport:
        """Read back what `to_json` wrote."""
        kept: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in stored.items()}
        return cls(**kept)


@dataclass(frozen=True, kw_only=True)
class Series:
    """One image series in an upload, as offered for choice.

    `number` counts from 1 within the upload; `likeliest` marks the one preselected; `why_not` is the reason in
    plain words when it cannot be used. `spacing_mm` is (column, row, slice) step, None where it cannot be known.
    """

    number: int
    description: str
    modality: str
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    slices: int
    likeliest: bool = False
    why_not: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be opened as a CT volume."""
        return self.why_not is None
