"""The aorta: followed slice by slice beside the spine, over its arch where it is seen, and down to the heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.imaging.classical.frame import Frame, Mask, box_of
from workbench.imaging.classical.landmarks import Landmarks

LIT_HU = 130.0
"""Blood with contrast, also in a false lumen that fills late."""

_WIDEST_MM = 20.0


def lit_blood(frame: Frame, marks: Landmarks, bone: Mask) -> Mask:
    """What is as bright as blood with contrast and not bone."""
    return np.asarray((frame.smooth > LIT_HU) & marks.body & ~bone)


def follow_aorta(
    frame: Frame, marks: Landmarks, lit: Mask, left: NDArray[np.float64], back: NDArray[np.float64]
) -> Mask | None:
    """Discs as wide as the lit vessel at the left front of the spine; None where less than half of it is lit."""
    tube = np.zeros_like(lit)
    seen = np.flatnonzero(marks.spine.seen)
    place: tuple[float, float] | None = None
    found = 0
    for k in seen:
        x, y = left[:, 0, k][:, None], back[0, :, k][None]
        depth = _depth(frame, lit[:, :, k])
        area = (x > -14) & (x < 46) & (y > -80) & (y < -12)
        start = place if place is not None else (14.0, -42.0)
        score = np.where(area, np.minimum(depth, 13.0) - 0.35 * np.hypot(x - start[0], y - start[1]), -np.inf)
        at = np.unravel_index(int(score.argmax()), score.shape)
        radius = float(depth[at])
        if radius < 5.0 or radius > _WIDEST_MM + 6:
            continue
        place = float(x[at[0], 0]), float(y[0, at[1]])
        found += 1
        tube[:, :, k] = np.hypot(x - place[0], y - place[1]) < min(radius, _WIDEST_MM) + 3.0
    return tube if found > 0.5 * len(seen) else None


def arch_and_ascending(frame: Frame, marks: Landmarks, lit: Mask, descending: Mask, left: NDArray[np.float64]) -> Mask:
    """The lit arch above the division of the trachea that joins the descending part, and the vessel from its front."""
    added = np.zeros_like(lit)
    windpipe = box_of(marks.trachea)
    if windpipe is None:
        return added
    low = windpipe[2].start + frame.voxels(6.0, 2)
    middle = ndimage.center_of_mass(marks.trachea[:, :, low]) if marks.trachea[:, :, low].any() else None
    if middle is None:
        return added
    slab = frame.opened(lit, 6.0) & (np.abs(left) < 60.0)
    slab[:, :, :low] = False
    slab[:, :, low + frame.voxels(70.0, 2) :] = False
    seed = slab & descending
    arch = ndimage.binary_propagation(seed, mask=slab)
    added |= arch
    front = np.argwhere(arch)
    if front.size == 0:
        return added
    # The ascending part begins at the foremost lit place right of the arch.
    front = front[front[:, 2] <= low + frame.voxels(24.0, 2)]
    front = front[front[:, 1] < middle[1]]
    if len(front) == 0:
        return added
    bottom = int(front[:, 2].min())
    here = front[front[:, 2] == bottom]
    place = float(np.median(here[:, 0])), float(np.median(here[:, 1]))
    x, y = np.arange(lit.shape[0])[:, None], np.arange(lit.shape[1])[None, :]
    for k in range(bottom, max(bottom - frame.voxels(75.0, 2), 0), -1):
        depth = _depth(frame, lit[:, :, k])
        away = np.hypot((x - place[0]) * frame.mm[0], (y - place[1]) * frame.mm[1])
        score = np.where(away < 12.0, np.minimum(depth, 15.0) - 0.6 * away, -np.inf)
        at = np.unravel_index(int(score.argmax()), score.shape)
        if depth[at] < 7.0:
            break
        place = float(at[0]), float(at[1])
        radius = min(float(depth[at]), 17.0) + 2.0
        added[:, :, k] |= np.hypot((x - place[0]) * frame.mm[0], (y - place[1]) * frame.mm[1]) < radius
    return np.asarray(added & lit)


def _depth(frame: Frame, lit: Mask) -> NDArray[np.float64]:
    """How deep each place of a slice lies inside what is lit, mm."""
    return np.asarray(ndimage.distance_transform_edt(lit, sampling=frame.mm[:2]))
