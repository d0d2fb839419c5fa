"""Where a voxel stands in a picture: planes, directions, windows. Pure array code, no resampling.

Pictures follow the radiological convention: the patient's right is on the left of axial and coronal pictures,
sagittal ones look from the left side, anterior on the left. An oblique grid is shown along its own axes, each named
after the patient axis closest to it.

Positions are DICOM patient coordinates, as a PACS shows them: x grows to the patient's left, y to the back,
z to the head, in mm (DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid

PLANES = ("axial", "coronal", "sagittal")

ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A display window: centre and width in HU."""

    center: float
    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.center) and math.isfinite(self.width) and self.width >= 1):
            raise InvalidRequest(
                "A window needs a centre and a width of at least 1 HU.",
                hint="Soft tissue is 50 / 400, lung -600 / 1500.",
            )


WINDOWS: Mapping[str, Window] = MappingProxyType(
    {
        "soft tissue": Window(center=50, width=400),
        "lung": Window(center=-600, width=1500),
        "bone": Window(center=400, width=1800),
        "liver": Window(center=90, width=150),
        "mediastinum": Window(center=50, width=350),
        "angio": Window(center=300, width=600),
        "brain": Window(center=40, width=80),
        "stroke": Window(center=40, width=40),
    }
)
"""Usual windows, centre and width in HU: Radiopaedia, “Windowing (CT)” (soft tissue, lung, bone, mediastinum, brain,
stroke); liver and CT angiography as vendors' workstations preset them."""


@dataclass(frozen=True, kw_only=True)
class _Plane:
    """A plane in terms of the canonical axes 0, 1, 2, which run to the patient's left, back and head (LPS)."""

    slice_axis: int
    column_axis: int
    row_axis: int
    rows_reversed: bool
    letters: tuple[str, str, str, str]
    axis_letter: str


_VIEW = {
    "axial": _Plane(
        slice_axis=2, column_axis=0, row_axis=1, rows_reversed=False, letters=("R", "L", "A", "P"), axis_letter="z"
    ),
    "coronal": _Plane(
        slice_axis=1, column_axis=0, row_axis=2, rows_reversed=True, letters=("R", "L", "S", "I"), axis_letter="y"
    ),
    "sagittal": _Plane(
        slice_axis=0, column_axis=1, row_axis=2, rows_reversed=True, letters=("A", "P", "S", "I"), axis_letter="x"
    ),
}

_TOWARDS_LPS = (-1, -1, 1)
"""RAS to LPS: right and anterior turn round, superior stays."""


def _plane(name: str) -> _Plane:
    if name not in _VIEW:
        raise InvalidRequest(f"There is no plane “{name[:20]}”.", hint="Planes are axial, coronal and sagittal.")
    return _VIEW[name]


def canonical(array: NDArray[ScalarT], grid: Grid) -> NDArray[ScalarT]:
    """A view of `array` (i, j, k) whose axes run to the patient's left, back and head: (x, y, z). Copies nothing."""
    order = [axis for axis, _ in grid.axis_of_patient]
    steps = [sign * lps for (_, sign), lps in zip(grid.axis_of_patient, _TOWARDS_LPS, strict=True)]
    return array.transpose(order)[tuple(slice(None, None, step) for step in steps)]


def slice_count(grid: Grid, plane: str) -> int:
    """How many slices the volume has in this plane."""
    return grid.shape[grid.axis_of_patient[_plane(plane).slice_axis][0]]


def slice_of(array: NDArray[ScalarT], grid: Grid, plane: str, number: int) -> NDArray[ScalarT]:
    """The picture of one slice as a view of shape (rows, columns), row 0 on top.

    `number` counts from 1: axial 1 is the most inferior, coronal 1 the most anterior, sagittal 1 the most right.

    Raises:
        InvalidRequest: no such plane, or the number lies outside the volume.
    """
    view = _plane(plane)
    count = slice_count(grid, plane)
    if not 1 <= number <= count:
        raise InvalidRequest(
            f"This volume has {count} {plane} slices; slice {number} was asked for.", hint=f"Choose 1 to {count}."
        )
    index: list[slice | int] = [slice(None)] * 3
    index[view.slice_axis] = number - 1
    rows_by_columns = canonical(array, grid)[tuple(index)].T
    return rows_by_columns[::-1] if view.rows_reversed else rows_by_columns


def pixel_mm(grid: Grid, plane: str) -> tuple[float, float]:
    """Distance between pixel centres of a picture along its columns and rows, (x, y), in mm."""
    view = _plane(plane)
    x, y = (grid.spacing_mm[grid.axis_of_patient[axis][0]] for axis in (view.column_axis, view.row_axis))
    return x, y


def voxel_index(grid: Grid, plane: str, number: int, x: int, y: int) -> tuple[int, int, int]:
    """The array index (i, j, k) of pixel column `x`, row `y` (from 0, top left) of slice `number` (from 1).

    Raises:
        InvalidRequest: outside the volume.
    """
    view = _plane(plane)
    sizes = [grid.shape[axis] for axis, _ in grid.axis_of_patient]
    place = [0, 0, 0]
    place[view.slice_axis] = number - 1
    place[view.column_axis] = x
    place[view.row_axis] = sizes[view.row_axis] - 1 - y if view.rows_reversed else y
    if not all(0 <= at < size for at, size in zip(place, sizes, strict=True)):
        raise InvalidRequest("That pixel lies outside the volume.")
    index = [0, 0, 0]
    for ras, (axis, sign) in enumerate(grid.axis_of_patient):
        runs_with_array = sign == _TOWARDS_LPS[ras]
        index[axis] = place[ras] if runs_with_array else sizes[ras] - 1 - place[ras]
    return index[0], index[1], index[2]


def position_mm(grid: Grid, plane: str, number: int) -> float:
    """DICOM patient coordinate in mm of the centre of a slice along the patient axis of its plane."""
    view = _plane(plane)
    axis, sign = grid.axis_of_patient[view.slice_axis]
    lps = _TOWARDS_LPS[view.slice_axis]
    centre = (np.array(grid.shape, dtype=np.float64) - 1) / 2
    centre[axis] = number - 1 if sign == lps else grid.shape[axis] - number
    return lps * float(grid.ras_mm(centre)[view.slice_axis])


def position_text(grid: Grid, plane: str, number: int) -> str:
    """`z −212.5 mm`, as the picture and the status line show it."""
    return f"{_plane(plane).axis_letter} {position_mm(grid, plane, number):.1f} mm".replace("-", "\N{MINUS SIGN}")


def letters(plane: str) -> dict[str, str]:
    """The patient directions at the left, right, top and bottom of a picture."""
    return dict(zip(("left", "right", "top", "bottom"), _plane(plane).letters, strict=True))


def view_geometry(grid: Grid) -> dict[str, Any]:
    """The part of a case's view manifest that follows from its grid alone.

    Per plane: `slices`, `columns`, `rows`, `pixel_mm` [x, y], `first_mm` and `step_mm` (DICOM patient coordinate of
    slice 1, and its change from slice to slice), `letters`, `axis_letter`. `oblique_deg` is the largest angle between
    an array axis and the patient axis it is named after; `raw_bytes` the size of the volume as int16.
    """
    return {
        "planes": {plane: _plane_geometry(grid, plane) for plane in PLANES},
        "oblique_deg": round(grid.obliquity_deg, 2),
        "raw_bytes": 2 * math.prod(grid.shape),
    }


def _plane_geometry(grid: Grid, plane: str) -> dict[str, Any]:
    view = _VIEW[plane]
    columns, rows = (grid.shape[grid.axis_of_patient[axis][0]] for axis in (view.column_axis, view.row_axis))
    first = position_mm(grid, plane, 1)
    return {
        "slices": slice_count(grid, plane),
        "columns": columns,
        "rows": rows,
        "pixel_mm": list(pixel_mm(grid, plane)),
        "first_mm": first,
        "step_mm": position_mm(grid, plane, 2) - first,
        "letters": letters(plane),
        "axis_letter": view.axis_letter,
    }


def apply_window(values_hu: NDArray[np.int16], window: Window) -> NDArray[np.uint8]:
    """Grey values 0..255 of HU, same shape: the linear function of DICOM PS3.3 C.11.2.1.2.1, rounded half up."""
    grey: NDArray[np.uint8] = _grey_of_hu(window.center, window.width)[np.ascontiguousarray(values_hu).view(np.uint16)]
    return grey


@lru_cache(maxsize=32)
def _grey_of_hu(center: float, width: float) -> NDArray[np.uint8]:
    """Grey by HU for every int16, in the order of its bit pattern read as uint16."""
    hu = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float64)
    if width <= 1:
        return np.where(hu <= center - 0.5, 0, 255).astype(np.uint8)
    share = (hu - (center - 0.5)) / (width - 1) + 0.5
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


def read_voxel(
    voxels_hu: NDArray[np.int16],
    labels: NDArray[np.uint8] | None,
    grid: Grid,
    *,
    plane: str,
    number: int,
    x: int,
    y: int,
) -> dict[str, Any]:
    """What lies under a pixel: `hu`, `label` (0 where there is no structure or no mask), `ras_mm` [R, A, S].

    Raises:
        InvalidRequest: outside the volume.
    """
    index = voxel_index(grid, plane, number, x, y)
    place = grid.ras_mm(np.array(index, dtype=np.float64))
    return {
        "hu": int(voxels_hu[index]),
        "label": 0 if labels is None else int(labels[index]),
        "ras_mm": [round(float(each), 2) for each in place],
    }
