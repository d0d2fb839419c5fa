"""Where slices lie, and how a crooked stack becomes a straight, even one.

All positions are in DICOM's patient coordinates (LPS, mm). The normal is the cross product of the row and column
directions; slices are ordered along it, as PS3.3 C.7.6.2.1.1 and ITK do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.domain.volume import HU_FLOOR
from workbench.imaging.read.shapes import FEWEST_SLICES

Vector = NDArray[np.float64]

SAME_PLACE_MM = 0.01
"""Slices closer than this lie at one position: the smallest step of a clinical CT is some 0.1 mm."""
_CROOKED_MM = 0.1
"""Positions this far from a straight even grid are left alone: headers round to 0.1 mm."""
_CROOKED_OF_STEP = 0.1
_LARGEST_GAP_MM = 15.0
_LARGEST_GAP_STEPS = 3.0
"""A gap larger than both is not bridged: interpolation over it would invent anatomy."""


class NotAStack(Exception):
    """Why the slices do not make a volume; never leaves the reader."""


class OnePosition(NotAStack):
    """Several slices lie at one position."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """How slices, in the order given, make a straight even grid.

    `order` sorts them along the normal. `depths_mm` are the sorted positions along the normal, from 0;
    `shifts_mm` (n, 2) how far each lies aside of the first along its rows and columns. `size`, `spacing_mm`
    and `affine_ras_mm` describe the grid made. `is_even` says that every slice is one slice of it, untouched.
    """

    order: NDArray[np.intp]
    depths_mm: Vector
    shifts_mm: NDArray[np.float64]
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine_ras_mm: NDArray[np.float64]
    is_even: bool
    notes: tuple[str, ...]


def lay_out(
    positions: NDArray[np.float64], row: Vector, column: Vector, step_mm: tuple[float, float], size: tuple[int, int]
) -> Layout:
    """Plan the grid of slices at `positions` (n, 3) with `size` = (columns, rows) pixels `step_mm` apart.

    Raises:
        NotAStack: too few slices, several at one position, or a gap too large to bridge.
    """
    normal = np.cross(row, column)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    depths = along[order] - along[order[0]]
    steps = np.diff(depths)
    _refuse_no_stack(steps, len(positions))
    shifts = (positions[order] - positions[order[0]]) @ np.stack([row, column], axis=1)
    is_straight = bool(np.abs(shifts).max() <= _CROOKED_MM)
    mean_step = float(depths[-1] / (len(depths) - 1))
    apart = np.abs(depths - mean_step * np.arange(len(depths))).max()
    has_even_steps = bool(apart <= _tolerance(mean_step))
    step = mean_step if has_even_steps else _dominant(steps)[0]
    _refuse_gaps(steps, step)
    count = len(depths) if has_even_steps else round(float(depths[-1]) / step) + 1
    if is_straight:
        shifts = np.zeros_like(shifts)
    low = shifts.min(axis=0)
    more = np.ceil((shifts.max(axis=0) - low) / step_mm - 1e-6).astype(int)
    spacing = (step_mm[0], step_mm[1], step)
    affine_lps = np.eye(4)
    affine_lps[:3, :3] = np.stack([row, column, normal], axis=1) * spacing
    affine_lps[:3, 3] = positions[order[0]] + np.stack([row, column], axis=1) @ low
    notes = []
    if not is_straight:
        notes.append(_tilt_note(depths, shifts, step_mm))
    if not has_even_steps:
        notes.append(_step_note(steps, step, along[order], count))
    return Layout(
        order=order,
        depths_mm=depths,
        shifts_mm=shifts - low,
        size=(size[0] + int(more[0]), size[1] + int(more[1]), count),
        spacing_mm=spacing,
        affine_ras_mm=np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_lps,
        is_even=is_straight and has_even_steps,
        notes=tuple(notes),
    )


def regrid(layout: Layout, slice_hu: Callable[[int], NDArray[np.int16]], out: NDArray[np.int16]) -> None:
    """Interpolate the sorted slices linearly onto `layout`'s grid, outside is -1024 HU.

    `slice_hu(n)` gives the n-th sorted slice, indexed (i, j); `out` is indexed (i, j, k).
    """
    straightened = _Straightened(layout, slice_hu)
    step = layout.spacing_mm[2]
    near = _tolerance(step)
    is_straight = not layout.shifts_mm.any()
    for k in range(layout.size[2]):
        depth = min(k * step, float(layout.depths_mm[-1]))
        above = int(np.searchsorted(layout.depths_mm, depth))
        nearest = min((max(above - 1, 0), above), key=lambda n: abs(layout.depths_mm[n] - depth))
        if abs(layout.depths_mm[nearest] - depth) <= near:
            if is_straight:
                out[:, :, k] = slice_hu(nearest)
                continue
            plane = straightened[nearest]
        else:
            below_mm, above_mm = layout.depths_mm[above - 1], layout.depths_mm[above]
            share = np.float32((depth - below_mm) / (above_mm - below_mm))
            plane = straightened[above - 1] * (1 - share) + straightened[above] * share
        out[:, :, k] = np.rint(plane)


class _Straightened:
    """The slices moved aside to where they lie in the patient; the last two are kept."""

    def __init__(self, layout: Layout, slice_hu: Callable[[int], NDArray[np.int16]]) -> None:
        self._layout = layout
        self._slice_hu = slice_hu
        self._kept: dict[int, NDArray[np.float32]] = {}

    def __getitem__(self, n: int) -> NDArray[np.float32]:
        if n not in self._kept:
            self._kept = {key: plane for key, plane in self._kept.items() if key >= n - 1}
            self._kept[n] = self._moved(n)
        return self._kept[n]

    def _moved(self, n: int) -> NDArray[np.float32]:
        plane = self._slice_hu(n).astype(np.float32)
        for axis in (0, 1):
            pixels = float(self._layout.shifts_mm[n, axis]) / self._layout.spacing_mm[axis]
            plane = _shifted(plane, pixels, axis, self._layout.size[axis])
        return plane


def _shifted(plane: NDArray[np.float32], pixels: float, axis: int, length: int) -> NDArray[np.float32]:
    """`plane` moved by `pixels` (>= 0) towards higher indices along `axis`, on `length` pixels."""
    whole = int(np.floor(pixels + 1e-6))
    share = np.float32(max(pixels - whole, 0.0))
    if share < 1e-5:
        return _placed(plane, whole, axis, length)
    return _placed(plane, whole, axis, length) * (1 - share) + _placed(plane, whole + 1, axis, length) * share


def _placed(plane: NDArray[np.float32], start: int, axis: int, length: int) -> NDArray[np.float32]:
    if start == 0 and plane.shape[axis] == length:
        return plane
    shape = list(plane.shape)
    shape[axis] = length
    canvas = np.full(shape, HU_FLOOR, dtype=np.float32)
    fits = min(plane.shape[axis], length - start)
    into, source = [slice(None)] * 2, [slice(None)] * 2
    into[axis], source[axis] = slice(start, start + fits), slice(0, fits)
    canvas[tuple(into)] = plane[tuple(source)]
    return canvas


def _tolerance(step: float) -> float:
    return min(_CROOKED_MM, _CROOKED_OF_STEP * step)


def _refuse_no_stack(steps: Vector, count: int) -> None:
    close = int(np.count_nonzero(steps < SAME_PLACE_MM))
    if count > 1 and close == len(steps):
        raise OnePosition(f"all {count} images lie at one table position, as in a monitoring series: not a volume")
    if count < FEWEST_SLICES:
        have = "1 slice" if count == 1 else f"{count} slices"
        raise NotAStack(f"it has {have}; a volume needs at least {FEWEST_SLICES}, so that the step can be checked")
    if close:
        raise OnePosition(
            f"several of its {count} images lie at one position, and nothing in the headers tells which belong together"
        )


def _refuse_gaps(steps: Vector, step: float) -> None:
    widest = float(steps.max())
    if widest > max(_LARGEST_GAP_MM, _LARGEST_GAP_STEPS * step):
        raise NotAStack(
            f"its slices are {step:.2f} mm apart, with a gap of {widest:.1f} mm between two of them, which is too wide "
            "to be filled"
        )


def _clusters(steps: Vector) -> list[tuple[float, int]]:
    """Mean and count of each group of like steps, the most frequent first, the smaller one of equals."""
    groups: list[list[float]] = []
    for each in sorted(float(step) for step in steps):
        if groups and each - groups[-1][0] <= max(0.02, 0.02 * groups[-1][0]):
            groups[-1].append(each)
        else:
            groups.append([each])
    found = [(float(np.mean(group)), len(group)) for group in groups]
    return sorted(found, key=lambda group: (-group[1], group[0]))


def _dominant(steps: Vector) -> tuple[float, int]:
    return _clusters(steps)[0]


def _tilt_note(depths: Vector, shifts: NDArray[np.float64], step_mm: tuple[float, float]) -> str:
    slopes = (shifts.T @ depths) / (depths @ depths)
    rest = float(np.abs(shifts - np.outer(depths, slopes)).max())
    degrees = float(np.degrees(np.arctan(np.linalg.norm(slopes))))
    if rest > max(step_mm):
        most = float(np.linalg.norm(shifts, axis=1).max())
        return (
            f"The slices were shifted against each other by up to {most:.1f} mm; they were moved to where they lie in "
            "the patient (linear interpolation)."
        )
    return (
        f"The gantry was tilted by {degrees:.1f}°: the slices were moved onto a straight grid "
        "(shear correction, linear interpolation; outside the scan is −1,024 HU)."
    )


def _step_note(steps: Vector, step: float, positions: Vector, count: int) -> str:
    found = ", ".join(f"{mean:.2f} mm ({number}×)" for mean, number in _clusters(steps)[:6])
    gaps = [(float(start), round(float(gap) / step)) for start, gap in zip(positions, steps, strict=False)]
    near = 0.05 * step
    whole = all(abs(float(gap) - round(float(gap) / step) * step) <= near for gap in steps)
    if not whole:
        return (
            f"The slices were not evenly spaced (steps: {found}): they were interpolated linearly to an even step of "
            f"{step:.2f} mm, {len(steps) + 1} slices to {count}."
        )
    places = [start + n * step for start, number in gaps for n in range(1, number)]
    listed = _listed(places)
    number = f"{len(places)} slice was" if len(places) == 1 else f"{len(places)} slices were"
    return f"{number} missing (steps: {found}) and interpolated linearly, at {listed} mm along the stack."


def _listed(places: Sequence[float], most: int = 6) -> str:
    text = ", ".join(f"{each:.2f}".replace("-", "−") for each in places[:most])
    return text + (f" and {len(places) - most} more" if len(places) > most else "")
