"""Soft structures placed by the spine: the cord, psoas, and in the pelvis bladder and gluteal muscle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.classical.frame import Frame, Mask, largest
from workbench.imaging.classical.landmarks import Landmarks
from workbench.imaging.classical.levels import levels

_MUSCLE_HU = (25.0, 95.0)
_URINE_HU = (-10.0, 28.0)


def place_soft(
    frame: Frame, marks: Landmarks, taken: Mask, left: NDArray[np.float64], back: NDArray[np.float64]
) -> dict[int, Mask]:
    """What can be placed where levels are known; `left` and `back` are distances from the spine in mm."""
    table = {name: (low, high) for name, low, high in levels(frame, marks)}
    if not table:
        return {}
    free = marks.body & ~taken & ~marks.bone
    named: dict[int, Mask] = {}
    cord = _cord(frame, marks, free, left, back)
    if "L2" in table:
        cord[:, :, : max(0, round(table["L2"][1]))] = False
    if cord.sum() * frame.millilitres > 2.0:
        named[LABEL_BY_NAME["spinal cord"]] = cord
    if "L5" in table:
        named |= _pelvis(frame, marks, free, (left, back), table)
    return {label: mask for label, mask in named.items() if mask.any()}


def _between(mask: Mask, low: float, high: float) -> Mask:
    kept = np.zeros_like(mask)
    span = slice(max(0, round(low)), max(0, round(high)))
    kept[:, :, span] = mask[:, :, span]
    return kept


def _cord(frame: Frame, marks: Landmarks, free: Mask, left: NDArray[np.float64], back: NDArray[np.float64]) -> Mask:
    """The middle of the canal: what the arches of the spine ring in, slice by slice and between them."""
    near = (np.abs(left) < 26.0) & (back > -20.0) & (back < 60.0) & marks.spine.seen[None, None]
    ring = frame.closed(marks.bone & near, 5.0)
    hole = np.zeros_like(ring)
    for k in np.flatnonzero(marks.spine.seen):
        filled = ndimage.binary_fill_holes(ring[:, :, k])
        inner = filled & free[:, :, k] & (np.abs(left[:, 0, k])[:, None] < 12.0) & (back[0, :, k] > 4.0)[None]
        hole[:, :, k] = inner
    # Between two arches the canal is open to the back: there the neighbours tell where it is.
    hole = ndimage.binary_closing(hole, structure=np.ones((1, 1, 2 * frame.voxels(10.0, 2) + 1)))
    cord = hole & free & (frame.hu > -20) & (frame.hu < 130) & marks.spine.seen[None, None]
    result = np.zeros_like(cord)
    x, y = np.arange(cord.shape[0])[:, None], np.arange(cord.shape[1])[None]
    for k in np.flatnonzero(cord.any(axis=(0, 1))):
        if cord[:, :, k].sum() * frame.mm[0] * frame.mm[1] < 40.0:
            continue
        at = ndimage.center_of_mass(cord[:, :, k])
        away = np.hypot((x - at[0]) * frame.mm[0] / 6.6, (y - at[1]) * frame.mm[1] / 5.0)
        result[:, :, k] = (away < 1) & ~marks.bone[:, :, k]
    return np.asarray(result)


def _pelvis(
    frame: Frame,
    marks: Landmarks,
    free: Mask,
    place: tuple[NDArray[np.float64], NDArray[np.float64]],
    table: dict[str, tuple[float, float]],
) -> dict[int, Mask]:
    left, back = place
    named: dict[int, Mask] = {}
    smooth = frame.smooth
    muscle = free & (smooth > _MUSCLE_HU[0]) & (smooth < _MUSCLE_HU[1])
    bottom = table["L5"][0]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        beside = (sign * left > 16.0) & (sign * left < 74.0) & (back > -30.0) & (back < 14.0)
        psoas = frame.opened(_between(muscle & beside, bottom, table["L2"][1] if "L2" in table else np.inf), 6.0)
        psoas = largest(psoas)
        if psoas.sum() * frame.millilitres > 20.0:
            named[LABEL_BY_NAME[f"{side} iliopsoas"]] = psoas
    drop = 140.0 / float(frame.mm[2])
    urine = free & (smooth > _URINE_HU[0]) & (smooth < _URINE_HU[1]) & (np.abs(left) < 60.0) & (back < -45.0)
    bladder = largest(frame.opened(_between(urine, bottom - 1.4 * drop, bottom - 0.4 * drop), 8.0))
    if 20.0 < bladder.sum() * frame.millilitres < 900.0:
        named[LABEL_BY_NAME["bladder"]] = frame.grown(bladder, 2.5) & free
    return named
