"""Masks of any CT from thresholds and shapes: what stands in where no VISTA-3D answers.

`frame` turns a CT to one orientation and a coarse grid, `landmarks` finds body, lungs, airway, bone and spine,
`skeleton` and `organs` name what can be named from them. Nothing here has learnt from pictures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import EVERYTHING, LABEL_BY_NAME, PARTS, expand
from workbench.domain.progress import Progress, Silent
from workbench.domain.segmentation import Point
from workbench.domain.volume import Grid
from workbench.imaging.classical.frame import Frame, Mask
from workbench.imaging.classical.landmarks import LUNG_HU, find_body, find_landmarks
from workbench.imaging.classical.organs import Trunk, place_organs
from workbench.imaging.classical.skeleton import back_muscles, name_bones, name_lobes
from workbench.imaging.classical.soft import place_soft

_BONES = frozenset(PARTS[21])
_LOBES = frozenset(PARTS[20])
_HARD_HU = 150
_GROW_MM = 45.0


def segment_classically(
    voxels_hu: NDArray[np.int16],
    affine_ras_mm: NDArray[np.float64],
    labels: tuple[int, ...] | None,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """A label map on the grid of the CT, (i, j, k), Fortran-ordered; ids of the VISTA-3D dictionary, 0 elsewhere.

    `labels` chooses structures (superclasses are expanded), None means everything. A structure that cannot be
    placed is left out. The same CT stored in another axis order gives the same masks.
    """
    progress = progress or Silent()
    wanted = set(EVERYTHING if labels is None else expand(labels))
    frame = _frame(voxels_hu, affine_ras_mm)
    progress.stage("Finding the body, lungs and bones", None)
    marks = find_landmarks(frame)
    progress.stage("Placing organs", None)
    masks: dict[int, Mask] = {}
    organs = place_organs(frame, marks)
    placed = np.zeros_like(marks.body)
    for mask in organs.values():
        placed |= mask
    masks.update(back_muscles(frame, marks, placed | marks.bone))
    masks.update(organs)
    if marks.spine.seen.any():
        trunk = Trunk(frame, marks)
        masks.update(place_soft(frame, marks, placed, trunk.left, trunk.back))
    masks.update(name_bones(frame, marks, placed))
    masks.update(name_lobes(frame, marks.lungs))
    masks[LABEL_BY_NAME["airway"]] = marks.bronchi
    masks[LABEL_BY_NAME["trachea"]] = marks.trachea
    result: NDArray[np.uint8] = np.zeros(voxels_hu.shape, dtype=np.uint8, order="F")
    body = frame.upsampled(marks.body, smooth_mm=0.5)
    if body is None:
        return result
    chosen = {label: mask for label, mask in masks.items() if label in wanted}
    for number, (label, mask) in enumerate(chosen.items()):
        progress.stage("Drawing masks", number / len(chosen))
        _draw(frame, result, label, mask, body)
    return result


def grow_points(
    voxels_hu: NDArray[np.int16],
    affine_ras_mm: NDArray[np.float64],
    points: Mapping[int, tuple[Point, ...]],
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """For each label the tissue around its clicks (voxel indices i, j, k): connected, alike in HU, within 45 mm."""
    progress = progress or Silent()
    frame = _frame(voxels_hu, affine_ras_mm)
    progress.stage("Growing around the points", None)
    body = find_body(frame)
    result: NDArray[np.uint8] = np.zeros(voxels_hu.shape, dtype=np.uint8, order="F")
    fine_body = frame.upsampled(body, smooth_mm=0.5)
    if fine_body is None:
        return result
    for label, clicks in points.items():
        mask = np.zeros_like(body)
        for click in clicks:
            mask |= _around(frame, body, _coarse(frame, click))
        _draw(frame, result, label, mask, fine_body, follow=False)
    return result


def _frame(voxels_hu: NDArray[np.int16], affine_ras_mm: NDArray[np.float64]) -> Frame:
    i, j, k = voxels_hu.shape
    return Frame(voxels_hu, Grid(shape=(i, j, k), affine_ras_mm=affine_ras_mm))


def _coarse(frame: Frame, click: Point) -> tuple[int, int, int]:
    """The coarse voxel that holds a voxel of the CT, found by turning the indices as the arrays are turned."""
    (r, a, s) = frame.grid.axis_of_patient
    turned = []
    for (axis, sign), step, towards in zip((r, a, s), frame.block, (-1, -1, 1), strict=True):
        index = click[axis] if sign * towards > 0 else frame.voxels_hu.shape[axis] - 1 - click[axis]
        turned.append(index // step)
    return turned[0], turned[1], turned[2]


def _around(frame: Frame, body: Mask, seed: tuple[int, int, int]) -> Mask:
    start = np.zeros_like(body)
    start[seed] = True
    near = frame.grown(start, 5.0) & body
    if not near.any():
        return start & body
    values = frame.smooth[near]
    centre, spread = float(np.median(values)), float(np.clip(1.5 * values.std(), 18.0, 60.0))
    alike = (np.abs(frame.smooth - centre) < spread) & body & frame.grown(start, _GROW_MM)
    core = frame.opened(alike, 3.0)
    if not core[seed]:
        core = alike | (near & start)
    grown = ndimage.binary_propagation(start & core, mask=core)
    return np.asarray(grown)


def _draw(
    frame: Frame,
    result: NDArray[np.uint8],
    label: int,
    mask: Mask,
    body: tuple[tuple[slice, slice, slice], Mask],
    *,
    follow: bool = True,
) -> None:
    """Bring one mask to the CT's own grid. Lung and bone follow the CT's own voxels within the coarse mask."""
    bone, lung = follow and label in _BONES, follow and label in _LOBES
    fine = frame.upsampled(frame.grown(mask, 2.5) if bone else mask)
    if fine is None:
        return
    box, inside = fine
    inside &= _crop(body, box)
    hu = frame.turned(frame.voxels_hu)[box]
    if bone:
        inside &= hu > _HARD_HU
    elif lung:
        inside &= (hu < LUNG_HU + 300) | ndimage.binary_erosion(inside, iterations=2)
    target = frame.turned(result)[box]
    target[inside] = label


def _crop(body: tuple[tuple[slice, slice, slice], Mask], box: tuple[slice, slice, slice]) -> Mask:
    """The body within another box; nothing outside its own."""
    whole, mask = body
    crop = np.zeros([each.stop - each.start for each in box], dtype=np.bool_)
    shared = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(whole, box, strict=True)]
    if any(each.stop <= each.start for each in shared):
        return crop
    into = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(shared, box, strict=True))
    start = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(shared, whole, strict=True))
    crop[into] = mask[start]
    return crop
