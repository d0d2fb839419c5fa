"""One way to look at any CT: towards left, back and head, on a coarse grid of about 3 mm, and back again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.volume import Grid

WORKING_MM = 3.0
"""Edge of a voxel of the working grid: fine enough for organs, coarse enough for seconds."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Frame:
    """A CT turned so that its axes run left, back, head, without copying it, and its coarse average.

    Masks below live on the coarse grid, indexed (left, back, head); `mm` is its spacing.
    """

    voxels_hu: NDArray[np.int16]
    grid: Grid

    @cached_property
    def _turn(self) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
        (r, r_sign), (a, a_sign), (s, s_sign) = self.grid.axis_of_patient
        # RAS runs right, front, head; here left and back are counted upwards.
        steps = tuple(slice(None, None, sign) for sign in (-r_sign, -a_sign, s_sign))
        return (r, a, s), (steps[0], steps[1], steps[2])

    def turned(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of an (i, j, k) array with axes left, back, head."""
        order, steps = self._turn
        return array.transpose(order)[steps]

    @cached_property
    def fine_mm(self) -> tuple[float, float, float]:
        """Spacing of the CT along left, back, head."""
        order, _ = self._turn
        spacing = self.grid.spacing_mm
        return spacing[order[0]], spacing[order[1]], spacing[order[2]]

    @cached_property
    def block(self) -> tuple[int, int, int]:
        """How many voxels of the CT one coarse voxel averages, along each axis."""
        x, y, z = (max(1, round(WORKING_MM / each)) for each in self.fine_mm)
        return x, y, z

    @cached_property
    def mm(self) -> NDArray[np.float64]:
        """Spacing of the coarse grid."""
        return np.asarray(np.array(self.fine_mm) * np.array(self.block))

    @cached_property
    def hu(self) -> NDArray[np.float32]:
        """The CT averaged over blocks; the last block of an axis may be smaller."""
        fine = self.turned(self.voxels_hu)
        starts = [np.arange(0, count, step) for count, step in zip(fine.shape, self.block, strict=True)]
        counts = [np.diff([*start, count]) for start, count in zip(starts, fine.shape, strict=True)]
        coarse = np.empty([len(start) for start in starts], dtype=np.float32)
        for k, start in enumerate(starts[2]):
            slab = fine[:, :, start : start + counts[2][k]].sum(axis=2, dtype=np.int32)
            rows = np.add.reduceat(np.add.reduceat(slab, starts[0], axis=0), starts[1], axis=1)
            coarse[:, :, k] = rows / (counts[0][:, None] * counts[1][None, :] * counts[2][k])
        return coarse

    @cached_property
    def smooth(self) -> NDArray[np.float32]:
        """The coarse CT with noise taken off (Gaussian, sigma 2.5 mm)."""
        return np.asarray(ndimage.gaussian_filter(self.hu, 2.5 / self.mm))

    @cached_property
    def millilitres(self) -> float:
        """Volume of one coarse voxel."""
        return float(np.prod(self.mm)) / 1000.0

    def voxels(self, mm: float, axis: int) -> int:
        """A length in coarse voxels, at least 1."""
        return max(1, round(mm / float(self.mm[axis])))

    def opened(self, mask: Mask, radius_mm: float) -> Mask:
        """What a ball of that radius fits into."""
        return self.grown(self.shrunk(mask, radius_mm), radius_mm)

    def closed(self, mask: Mask, radius_mm: float) -> Mask:
        """Gaps filled that a ball of that radius does not fit into."""
        return self.shrunk(self.grown(mask, radius_mm), radius_mm)

    def shrunk(self, mask: Mask, radius_mm: float) -> Mask:
        """Voxels further than the radius from the outside. The edge of the picture is not an outside."""
        return self._near(mask, radius_mm, inward=True)

    def grown(self, mask: Mask, radius_mm: float) -> Mask:
        """Voxels within the radius of the mask."""
        return self._near(mask, radius_mm, inward=False)

    def _near(self, mask: Mask, radius_mm: float, *, inward: bool) -> Mask:
        box = box_of(mask, margin=[int(radius_mm / step) + 2 for step in self.mm])
        result = np.zeros_like(mask)
        if box is None:
            return result
        crop = mask[box]
        if crop.all():
            result[box] = True
            return result
        distance = ndimage.distance_transform_edt(crop if inward else ~crop, sampling=self.mm)
        result[box] = distance > radius_mm if inward else distance <= radius_mm
        return result

    def upsampled(self, mask: Mask, smooth_mm: float = 2.0) -> tuple[tuple[slice, slice, slice], Mask] | None:
        """The mask on the CT's own grid with smooth edges, in the box that holds it; None for an empty mask."""
        box = box_of(mask, margin=[2, 2, 2])
        if box is None:
            return None
        field = ndimage.gaussian_filter(mask[box].astype(np.float32), smooth_mm / self.mm, mode="nearest")
        shape = self.turned(self.voxels_hu).shape
        fine, weights = [], []
        for axis in range(3):
            step = self.block[axis]
            start, stop = box[axis].start * step, min(box[axis].stop * step, shape[axis])
            fine.append(slice(start, stop))
            weights.append(_linear((np.arange(start, stop) + 0.5) / step - 0.5 - box[axis].start, field.shape[axis]))
        inside = np.empty([each.stop - each.start for each in fine], dtype=np.bool_)
        across = np.einsum("abc,kc->abk", field, weights[2], optimize=True)
        for k in range(inside.shape[2]):
            inside[:, :, k] = weights[0] @ across[:, :, k] @ weights[1].T > 0.5
        return (fine[0], fine[1], fine[2]), inside


def _linear(place: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """Weights (places, count) of linear interpolation, clamped at the ends."""
    clamped = np.clip(place, 0, count - 1)
    low = np.minimum(clamped.astype(np.intp), max(count - 2, 0))
    share = clamped - low
    weights = np.zeros((len(place), count), dtype=np.float32)
    rows = np.arange(len(place))
    weights[rows, low] = 1 - share
    weights[rows, np.minimum(low + 1, count - 1)] += share
    return weights


def box_of(mask: Mask, margin: list[int] | None = None) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds a mask, widened by a margin in voxels within the picture."""
    spans = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if along.size == 0:
            return None
        extra = margin[axis] if margin else 0
        spans.append(slice(max(int(along[0]) - extra, 0), min(int(along[-1]) + 1 + extra, mask.shape[axis])))
    return spans[0], spans[1], spans[2]


def pieces(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Connected pieces of a mask (labels from 1) and their sizes in voxels (index 0 is the background, 0)."""
    labelled, _ = ndimage.label(mask)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return labelled, sizes


def largest(mask: Mask) -> Mask:
    """The largest connected piece; empty for an empty mask."""
    labelled, sizes = pieces(mask)
    if sizes.max() == 0:
        return np.zeros_like(mask)
    return np.asarray(labelled == sizes.argmax())
