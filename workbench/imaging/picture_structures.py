"""Which structures a slice shows, told from the mask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.domain.organs import NOT_EVALUATED, ORGANS
from workbench.domain.picture import Shown
from workbench.domain.segmentation import Measurements
from workbench.domain.volume import Grid
from workbench.imaging.colours import colour_of
from workbench.imaging.slices import pixel_mm, slice_count, slice_of

_ENOUGH = 128
"""Samples along a side of a slice that are enough to choose one: an organ worth choosing it for covers many."""
_FRAME = ("bone", "muscle")
_SOFT = np.array([label in ORGANS and ORGANS[label].group not in _FRAME for label in range(256)])


def structures_on(
    labels: NDArray[np.uint8],
    grid: Grid,
    plane: str,
    slice_number: int,
    measurements: Measurements | None = None,
    *,
    colours: Mapping[int, str] | None = None,
    safe_colours: bool = False,
) -> tuple[Shown, ...]:
    """Every structure of the mask on a slice, largest first; of two as large, the one of the smaller label.

    Shares and places are of the slice itself, without the frame that a mark adds. `measurements` give the whole
    volume of each structure; `colours` (by label, `#rrggbb`) stand in for the usual ones.

    Raises:
        InvalidRequest: no such plane or slice.
    """
    picture = np.ascontiguousarray(slice_of(labels, grid, plane, slice_number))
    counts = np.bincount(picture.ravel(), minlength=256)
    found = [int(label) for label in np.flatnonzero(counts) if label not in (0, NOT_EVALUATED)]
    found.sort(key=lambda label: (-int(counts[label]), label))
    x_mm, y_mm = pixel_mm(grid, plane)
    measured = {each.label: each for each in measurements.organs} if measurements is not None else {}
    shown = []
    for label in found:
        whole = measured.get(label)
        colour = (colours or {}).get(label) or colour_of(label, safe=safe_colours)
        shown.append(
            Shown(
                label=label,
                name=name_of(label),
                area_mm2=float(counts[label]) * x_mm * y_mm,
                share=float(counts[label]) / picture.size,
                center_xy=_centre(picture == label),
                volume_ml=whole.volume_ml if whole else None,
                touches_edge=whole.touches_edge if whole else False,
                colour=colour,
            )
        )
    return tuple(shown)


def default_slice(labels: NDArray[np.uint8] | None, grid: Grid, plane: str) -> int:
    """The slice, from 1, on which most structures lie, of those the one they cover most; the middle without a mask.

    Bones and muscles count only where there is nothing else: ribs would make every first look one at the shoulders.

    Raises:
        InvalidRequest: no such plane.
    """
    count = slice_count(grid, plane)
    middle = (count + 1) // 2
    if labels is None:
        return middle
    best = (0, 0, 0)
    chosen = middle
    for number in range(1, count + 1):
        picture = slice_of(labels, grid, plane, number)
        rows, columns = (max(1, size // _ENOUGH) for size in picture.shape)
        counts = np.bincount(np.ascontiguousarray(picture[::rows, ::columns]).ravel(), minlength=256)
        counts[[0, NOT_EVALUATED]] = 0
        worth = int(np.count_nonzero(counts[_SOFT])), int(np.count_nonzero(counts)), int(counts.sum())
        if worth > best:
            best, chosen = worth, number
    return chosen


def name_of(label: int) -> str:
    """`left kidney`; a label outside the dictionary reads `label 200`."""
    organ = ORGANS.get(label)
    return organ.name if organ else f"label {label}"


def _centre(where: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = where.sum(axis=1), where.sum(axis=0)
    total = rows.sum()
    x = float((columns * (np.arange(columns.size) + 0.5)).sum() / total / columns.size)
    y = float((rows * (np.arange(rows.size) + 0.5)).sum() / total / rows.size)
    return x, y
