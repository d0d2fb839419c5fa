"""What a person should know of a CT before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.domain.volume import HU_FLOOR, CtReport, Grid
from workbench.imaging.read.canvas import Canvas

_NO_AIR_ABOVE_HU = -500
_NO_TISSUE_BELOW_HU = 0
_MOST_PLAUSIBLE_HU = 31_000
"""Extended CT scales end near 30,710 HU; beyond lie burned-in text and errors."""
_THICK_MM = 5.0
_UNEVEN_RATIO = 5.0
_SMALL_MM = 100.0
_GIANT_MM = 2500.0
_TISSUE_HU = -300
_CROPPED_SHARE = 0.10
"""Share of the volume's side that shows tissue: a table or an arm takes a few per cent, a crop most of it."""
_SKEWED_DEG = 0.5
_ENDS = (("left", "right"), ("posterior", "anterior"))
"""The low and the high end of R and of A."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is known of a volume beside its voxels."""

    file_format: str
    description: str
    modality: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def build_report(source: Source, canvas: Canvas, grid: Grid) -> CtReport:
    """The report of a volume just read; `canvas` tells what was met before values were floored and clipped."""
    voxels_hu = canvas.voxels
    lowest, highest = canvas.hu_range
    notes = list(source.notes)
    if canvas.lowest < HU_FLOOR:
        floor = _hu(HU_FLOOR)
        notes.append(f"Padding and values below {floor} HU (down to {_hu(canvas.lowest)}) were set to {floor} HU.")
    return CtReport(
        file_format=source.file_format,
        description=source.description,
        modality=source.modality,
        size=grid.shape,
        spacing_mm=grid.spacing_mm,
        orientation=grid.orientation,
        hu_range=(lowest, highest),
        field_of_view_mm=_extent_mm(grid),
        notes=tuple(notes),
        warnings=(
            *source.warnings,
            *_value_warnings(canvas, lowest, highest),
            *_shape_warnings(grid),
            *_crop_warnings(voxels_hu, grid),
        ),
    )


def _hu(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def _extent_mm(grid: Grid) -> tuple[float, float, float]:
    i, j, k = (count * step for count, step in zip(grid.shape, grid.spacing_mm, strict=True))
    return i, j, k


def _value_warnings(canvas: Canvas, lowest: int, highest: int) -> list[str]:
    said = []
    spread = f"The values run from {_hu(lowest)} to {_hu(highest)}"
    if lowest == highest:
        said.append(f"Every voxel has the same value, {_hu(lowest)}: the volume is empty.")
    elif lowest > _NO_AIR_ABOVE_HU:
        said.append(
            f"{spread}, without any air. Unless this was cropped deep inside the body, they are not Hounsfield units."
        )
    elif highest < _NO_TISSUE_BELOW_HU:
        said.append(f"{spread}, without any tissue: they may not be Hounsfield units.")
    elif highest > _MOST_PLAUSIBLE_HU:
        said.append(f"{spread}: the highest are beyond any CT scale, such as text burned into the picture.")
    if canvas.clipped:
        said.append(
            f"{canvas.clipped:,} voxels lay above {_hu(np.iinfo(np.int16).max)} HU (up to {_hu(canvas.highest)}) and "
            "were cut there: the values may not be Hounsfield units."
        )
    if canvas.not_numbers:
        said.append(
            f"{canvas.not_numbers:,} voxels held no number (NaN or infinity), as some programs write outside the scan "
            f"field; they were set to {_hu(HU_FLOOR)} HU."
        )
    return said


def _shape_warnings(grid: Grid) -> list[str]:
    said = []
    axis, _ = grid.axis_of_patient[2]
    steps = grid.spacing_mm
    thickest = max(steps)
    if thickest > _THICK_MM + 1e-3:
        said.append(
            f"The slices are {thickest:.1f} mm apart, more than {_THICK_MM:g} mm: small structures fall between them "
            "and volumes are coarse."
        )
    if thickest > _UNEVEN_RATIO * min(steps):
        said.append(f"The voxels are {thickest / min(steps):.1f} times longer than wide; masks will look stepped.")
    extent = _extent_mm(grid)
    if min(extent) < _SMALL_MM:
        shown = " x ".join(f"{each:.0f}" for each in extent)
        what = (
            f"covers only {extent[axis]:.0f} mm from head to foot" if extent[axis] == min(extent) else "is very narrow"
        )
        said.append(f"The scan {what} ({shown} mm): most organs will be cut or missing.")
    if max(extent) > _GIANT_MM:
        said.append(f"The scan would be {max(extent) / 1000:.1f} m long: its spacing is probably not in millimetres.")
    if (skew := _skew_deg(grid)) > _SKEWED_DEG:
        said.append(f"The axes of the volume are {skew:.1f}° off a right angle (sheared); it is shown as if they were.")
    return said


def _skew_deg(grid: Grid) -> float:
    directions = grid.affine_ras_mm[:3, :3] / np.array(grid.spacing_mm)
    cosines = np.abs(directions.T @ directions - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(cosines, 1.0))))


def _crop_warnings(voxels_hu: NDArray[np.int16], grid: Grid) -> list[str]:
    """Whether tissue reaches the sides of the volume; head and foot ends are cut in every CT."""
    reached = []
    for (axis, sign), names in zip(grid.axis_of_patient[:2], _ENDS, strict=True):
        for end, name in zip((0, -1) if sign > 0 else (-1, 0), names, strict=True):
            face = _face(voxels_hu, axis, end)
            if np.count_nonzero(face > _TISSUE_HU) > _CROPPED_SHARE * face.size:
                reached.append(name)
    if not reached:
        return []
    edges = "edge" if len(reached) == 1 else "edges"
    return [
        f"Tissue reaches the {_and(reached)} {edges} of the picture: the scan is cropped, and organs there are cut."
    ]


def _face(voxels_hu: NDArray[np.int16], axis: int, end: int) -> NDArray[np.int16]:
    # Every fourth slice is enough, and keeps a memory-mapped volume from being read as a whole once more.
    thinned = voxels_hu[:, :, ::4] if voxels_hu.shape[2] > 16 and axis != 2 else voxels_hu
    face: NDArray[np.int16] = np.moveaxis(thinned, axis, 0)[end]
    return face


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
