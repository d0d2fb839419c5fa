"""A part of the phantom on any grid: a body a little different for each seed, organs larger or smaller, lesions.

Labels are exact: a voxel belongs to a structure when its centre does, after organs were resized on the grid itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import LABEL_BY_NAME
from workbench.domain.progress import Progress
from workbench.imaging.phantom.body import structures
from workbench.imaging.phantom.canvas import TABLE_POSITION_MM, Canvas
from workbench.imaging.phantom.head import CROWN_MM, around, head
from workbench.imaging.phantom.structure import Structure

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

_SPAN_MM = {"pelvis": (40.0, 262.0), "abdomen": (232.0, 490.0), "chest": (406.0, 692.0), "head": (745.0, CROWN_MM)}
"""Where the regions lie, mm above the lowest point of the body."""

_MIDDLE_Y_MM = 12.0
_STRETCH = 0.05
_FAT_HU = -95
_BODY_HU = -300
"""Above this a voxel without label lies in the body and may be taken by an organ that grows."""

_VESSEL = LABEL_BY_NAME["hepatic vessel"]
_LIVER = LABEL_BY_NAME["liver"]
_LOBES = tuple(LABEL_BY_NAME[f"{name} lobe"] for name in ("right lung upper", "left lung lower", "right lung lower"))
_HOSTS: Mapping[int, tuple[tuple[int, ...], int]] = {
    LABEL_BY_NAME["lung tumor"]: (_LOBES, 35),
    LABEL_BY_NAME["pancreatic tumor"]: ((LABEL_BY_NAME["pancreas"],), 55),
    LABEL_BY_NAME["hepatic tumor"]: ((_LIVER,), 62),
    LABEL_BY_NAME["colon cancer primaries"]: ((LABEL_BY_NAME["colon"],), 72),
    LABEL_BY_NAME["bone lesion"]: (
        tuple(LABEL_BY_NAME[name] for name in ("vertebrae l2", "vertebrae t8", "sacrum", "left hip", "skull")),
        45,
    ),
    LABEL_BY_NAME["left kidney cyst"]: ((LABEL_BY_NAME["left kidney"],), 6),
    LABEL_BY_NAME["right kidney cyst"]: ((LABEL_BY_NAME["right kidney"],), 6),
}
"""For each lesion: the structures in which it may lie, the first of them in view, and its HU."""

_LESION_MM = (4.0, 22.0)
"""Radius of a lesion of size 0 and of size 1."""

_ORGAN_SCALE = (0.8, 1.12)
"""How much longer and wider an organ of size 0 and of size 1 is than the phantom's own."""

_S1, _SACRUM, _S1_MM = LABEL_BY_NAME["vertebrae s1"], LABEL_BY_NAME["sacrum"], 205.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """Voxels in HU and the labels asked for, both (i, j, k) towards left, back and head, i fastest."""

    voxels_hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    affine_ras_mm: NDArray[np.float64]


def build_region(
    regions: Sequence[str],
    labels: Iterable[int],
    *,
    shape: Shape,
    spacing_mm: Spacing,
    sizes: Mapping[int, float],
    hu_range: tuple[int, int],
    seed: int,
    progress: Progress,
) -> Region:
    """Draw what lies in the regions on a grid of this shape and spacing.

    Args:
        regions: names among head, chest, abdomen and pelvis, at least one.
        labels: the structures whose labels are kept; lesions and cysts are drawn only where they are among them.
        shape: voxels along i, j, k.
        spacing_mm: along i, j, k.
        sizes: of organs and lesions by label, 0 to 1, or -1 to leave one out.
        hu_range: voxels are clipped to it.
        seed: the same seed draws the same volume; another one another body and other noise.
        progress: told how far it is; may raise `Cancelled`.
    """
    random = np.random.default_rng(seed)
    stretch = 1.0 + random.uniform(-_STRETCH, _STRETCH, 3)
    wanted = sorted(set(labels))
    table = (*structures(), *head())
    # The body is drawn at its own size on a grid that is stretched the other way.
    body_spacing = np.array(spacing_mm) / stretch
    extent = np.array(shape) * body_spacing
    low = np.array([-extent[0] / 2, _MIDDLE_Y_MM - extent[1] / 2, _lowest_mm(regions, wanted, table, extent[2])])
    canvas = Canvas((body_spacing[0], body_spacing[1], body_spacing[2]), low, shape)
    canvas.draw_surroundings(progress, around)
    canvas.draw_body(progress, table)
    for label, size in sizes.items():
        if label not in _HOSTS:
            _resize(canvas, label, size)
    if _S1 in wanted:
        upper = canvas.centres[2] > _S1_MM
        canvas.labels[:, :, upper] = np.where(canvas.labels[:, :, upper] == _SACRUM, _S1, canvas.labels[:, :, upper])
    for label in wanted:
        if label in _HOSTS and sizes.get(label, 0.5) >= 0:
            progress.stage("Drawing lesions")
            _put_lesion(canvas, label, sizes.get(label, 0.5), np.array(spacing_mm), random)
    canvas.add_noise(int(random.integers(2**31)), progress)
    np.clip(canvas.hu, *hu_range, out=canvas.hu)
    keep = np.zeros(256, dtype=np.uint8)
    keep[wanted] = wanted
    return Region(
        voxels_hu=canvas.hu, labels=np.asfortranarray(keep[canvas.labels]), affine_ras_mm=_affine(canvas, stretch)
    )


def _lowest_mm(regions: Sequence[str], wanted: Sequence[int], table: Sequence[Structure], long_mm: float) -> float:
    """Height of the first slice: around what is wanted of the regions where that fits, else around the regions."""
    low = min(_SPAN_MM[name][0] for name in regions)
    high = max(_SPAN_MM[name][1] for name in regions)
    boxes = [solid.box for each in table if each.label in set(wanted) for solid in each.solids]
    ends = [(max(float(box[0][2]), low), min(float(box[1][2]), high)) for box in boxes]
    shown = [each for each in ends if each[0] < each[1]]
    if shown and max(top for _, top in shown) - min(bottom for bottom, _ in shown) <= long_mm:
        low, high = min(bottom for bottom, _ in shown), max(top for _, top in shown)
    middle = (low + high) / 2
    return min(max(middle - long_mm / 2, 0.0), max(CROWN_MM + 10.0 - long_mm, 0.0))


def _affine(canvas: Canvas, stretch: NDArray[np.float64]) -> NDArray[np.float64]:
    """From voxel index to RAS mm; the body's own axes run left, back and head."""
    spacing = canvas.spacing * stretch
    first = (canvas.low_mm + canvas.spacing / 2) * stretch
    affine = np.diag([*(spacing * (-1, -1, 1)), 1.0])
    affine[:3, 3] = (-first[0], -first[1], first[2] + TABLE_POSITION_MM)
    return affine


def _window(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice] | None:
    """The box around a mask with a margin in voxels, None for an empty one."""
    spans = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if there.size == 0:
            return None
        spans.append(slice(max(int(there[0]) - margin, 0), min(int(there[-1]) + 1 + margin, mask.shape[axis])))
    return spans[0], spans[1], spans[2]


def _resize(canvas: Canvas, label: int, size: float) -> None:
    """Scale an organ about its middle, or take it out where `size` is negative; fat takes the room it leaves."""
    own = canvas.labels == label
    held = own | (canvas.labels == _VESSEL) if label == _LIVER else own
    window = _window(held, max(canvas.shape) // 12)
    if window is None:
        return
    hu, labels, was = canvas.hu[window], canvas.labels[window], held[window]
    if size < 0:
        labels[was], hu[was] = 0, _FAT_HU
        return
    scale = _ORGAN_SCALE[0] + (_ORGAN_SCALE[1] - _ORGAN_SCALE[0]) * size
    middle = np.array(ndimage.center_of_mass(was))
    offset = middle - middle / scale
    moved_hu, moved = (
        ndimage.affine_transform(source, np.full(3, 1 / scale), offset, order=0, mode="constant", cval=0)
        for source in (hu, np.where(was, labels, np.uint8(0)))
    )
    free = was | ((labels == 0) & (hu > _BODY_HU))
    labels[was], hu[was] = 0, _FAT_HU
    new = (moved > 0) & free
    labels[new], hu[new] = moved[new], moved_hu[new]


def _put_lesion(
    canvas: Canvas, label: int, size: float, spacing_mm: NDArray[np.float64], random: np.random.Generator
) -> None:
    """A ball in the first of its hosts that is in view, as large as asked where that fits, at a place drawn by lot."""
    hosts, hu = _HOSTS[label]
    host = next((each for each in hosts if (canvas.labels == each).any()), None)
    window = _window(canvas.labels == host, 1) if host is not None else None
    if window is None:
        return
    crop = canvas.labels[window]
    deep_mm = ndimage.distance_transform_edt(crop == host, sampling=spacing_mm)
    asked = _LESION_MM[0] + (_LESION_MM[1] - _LESION_MM[0]) * size
    radius = min(asked, float(deep_mm.max()))
    places = np.argwhere(deep_mm >= radius - 1e-6)
    middle = places[random.integers(len(places))] * spacing_mm
    i, j, k = (np.arange(count) * step for count, step in zip(crop.shape, spacing_mm, strict=True))
    ball = (
        (i[:, None, None] - middle[0]) ** 2 + (j[None, :, None] - middle[1]) ** 2 + (k[None, None, :] - middle[2]) ** 2
    ) <= radius**2
    inside = ball & (crop == host)
    crop[inside] = label
    canvas.hu[window][inside] = hu
