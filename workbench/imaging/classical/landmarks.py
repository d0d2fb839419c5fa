"""What a CT shows without doubt: the body, the lungs and airway, the bones, and the line of the spine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.imaging.classical.frame import Frame, Mask, box_of, pieces

LUNG_HU = -400
TISSUE_HU = -300
BONE_HU = 190
_LEAST_LUNG_ML, _MOST_GAS_ML = 20.0, 700.0
_BLOOD_HU = 200
_ANGIO_HU = 320
_LUNG_HEIGHT_MM = 240.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Spine:
    """The line through the vertebral bodies: coarse indices (left, back) a slice; NaN where no bone is seen."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Slices with a spine."""
        return np.isfinite(self.x)


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """Masks on the coarse grid.

    `lungs` maps `right` and `left` to masks, only those that are there; `blood` is bright with contrast.
    """

    body: Mask
    trachea: Mask
    bronchi: Mask
    lungs: dict[str, Mask]
    bone: Mask
    blood: Mask
    spine: Spine


def find_landmarks(frame: Frame) -> Landmarks:
    """Find what the other structures are placed by."""
    body = find_body(frame)
    trachea = _trachea(frame, body)
    bronchi = _bronchi(frame, body, trachea)
    lungs = _lungs(frame, body, trachea | bronchi)
    blood = _blood(frame, body)
    bone = _bone(frame, body, blood)
    return Landmarks(
        body=body,
        trachea=trachea,
        bronchi=bronchi,
        lungs=lungs,
        bone=bone,
        blood=blood,
        spine=_spine(frame, body, bone, lungs),
    )


def find_body(frame: Frame) -> Mask:
    """Everything inside the skin, lungs and gas included; the table is left out. Two legs are both body.

    Air outside is what touches the sides of the picture and is emptier than lung, so that lungs cut by a small
    field of view stay inside.
    """
    labelled, sizes = pieces(frame.hu < TISSUE_HU)
    sides = [labelled[0], labelled[-1], labelled[:, 0], labelled[:, -1]]
    touching = np.unique(np.concatenate([side.ravel() for side in sides]))
    touching = touching[touching > 0]
    corners = {
        int(piece) for piece in np.unique(labelled[:: labelled.shape[0] - 1 or 1, :: labelled.shape[1] - 1 or 1])
    }
    medians = {int(each): np.median(frame.hu[labelled == each][:: max(1, sizes[each] // 9999)]) for each in touching}
    # A lung seldom reaches a corner of the picture: there air may be a little less empty, as under a table.
    empty = [piece for piece, hu in medians.items() if hu < (-915 if piece in corners else -955)]
    outside = np.isin(labelled, empty)
    solid, volumes = pieces(frame.opened(~outside, 5.0))
    if volumes.max() == 0:
        return np.zeros_like(outside)
    body = frame.grown(np.isin(solid, np.flatnonzero(volumes > 0.25 * volumes.max())), 6.0) & ~outside
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return np.asarray(body & ~outside)


def _trachea(frame: Frame, body: Mask) -> Mask:
    """Followed slice by slice from the top: one round hole near the middle of the body, until it divides."""
    trachea = np.zeros_like(body)
    area_mm2 = float(frame.mm[0] * frame.mm[1])
    air = (frame.hu < -600) & body
    before: Mask | None = None
    for k in range(body.shape[2] - 1, -1, -1):
        holes, count = ndimage.label(air[:, :, k])
        if count == 0 or not body[:, :, k].any():
            if before is not None:
                break
            continue
        middle = np.array(ndimage.center_of_mass(body[:, :, k]))
        sizes = np.bincount(holes.ravel())
        best, nearest = 0, np.inf
        for hole in range(1, count + 1):
            here = holes == hole
            if not 40.0 <= sizes[hole] * area_mm2 <= 900.0 or (before is not None and not (here & before).any()):
                continue
            centre = np.array(ndimage.center_of_mass(here))
            away = float(np.hypot(*((centre - middle) * frame.mm[:2])))
            if abs(centre[0] - middle[0]) * frame.mm[0] < 35 and away < min(nearest, 60.0):
                best, nearest = hole, away
        if best == 0:
            if before is not None:
                break
            continue
        before = holes == best
        trachea[:, :, k] = before
    tall = trachea.any(axis=(0, 1)).sum() * frame.mm[2]
    return trachea if tall >= 25.0 else np.zeros_like(body)


def _bronchi(frame: Frame, body: Mask, trachea: Mask) -> Mask:
    """Emptiest air that continues the trachea, over the 50 mm below where it divides."""
    nothing = np.zeros_like(body)
    box = box_of(trachea)
    if box is None or box[2].start == 0:
        return nothing
    low = max(0, box[2].start - frame.voxels(50.0, 2))
    near = nothing.copy()
    near[:, :, low : box[2].start + 1] = True
    middle = np.array(ndimage.center_of_mass(trachea))
    x = np.arange(body.shape[0])
    near[np.abs(x - middle[0]) * frame.mm[0] > 55.0] = False
    airway = ndimage.binary_propagation(trachea & near, mask=(frame.hu < -900) & near & body)
    airway &= ~trachea
    return np.asarray(airway) if airway.sum() * frame.millilitres < 60.0 else nothing


def _lungs(frame: Frame, body: Mask, airway: Mask) -> dict[str, Mask]:
    air = (frame.hu < LUNG_HU) & body & ~frame.grown(airway, 1.5)
    labelled, sizes = pieces(frame.opened(air, 2.0))
    found = []
    for piece in np.argsort(sizes)[::-1][:4]:
        mask = labelled == piece
        if piece == 0 or sizes[piece] * frame.millilitres < _LEAST_LUNG_ML:
            break
        core = frame.shrunk(mask, 5.0)
        # Gas in the bowel is empty; lung holds tissue, and one with emphysema is larger than a pocket of gas.
        least = -978 if sizes[piece] * frame.millilitres > _MOST_GAS_ML else -950
        if core.any() and least < np.median(frame.hu[core]) < -550:
            found.append(mask)
    if not found:
        return {}
    found = _apart(frame, found)
    middle = _between(frame, body, found)
    sides: dict[str, Mask] = {}
    for mask in found:
        side = "left" if ndimage.center_of_mass(mask)[0] > middle else "right"
        sides[side] = sides[side] | mask if side in sides else mask
    whole = {side: _filled(frame, mask) & body & ~airway for side, mask in sides.items()}
    if len(whole) == 2:
        whole["left"] &= ~sides["right"]
        whole["right"] &= ~whole["left"]
    return whole


def _between(frame: Frame, body: Mask, found: list[Mask]) -> float:
    """Coarse index towards the left that parts left from right."""
    places = [float(ndimage.center_of_mass(mask)[0]) for mask in found[:2]]
    if len(found) > 1 and abs(places[0] - places[1]) * frame.mm[0] > 60 and found[1].sum() > 0.15 * found[0].sum():
        return sum(places) / 2
    # One lung alone: the skin is on its own side.
    outside = (~body).sum(axis=(1, 2))
    place = round(places[0])
    right, left = float(outside[:place].sum()), float(outside[place:].sum())
    if right > 2 * left:
        return float(body.shape[0])
    if left > 2 * right:
        return -1.0
    return float(np.median(np.nonzero(body)[0]))


def _apart(frame: Frame, found: list[Mask]) -> list[Mask]:
    """Two lungs that touch in front are told apart by wearing them down until they part."""
    if len(found) > 1 and found[1].sum() > 0.2 * found[0].sum():
        return found
    for radius_mm in (4.0, 7.0, 10.0):
        labelled, sizes = pieces(frame.shrunk(found[0], radius_mm))
        order = np.argsort(sizes)[::-1]
        if len(order) > 1 and sizes[order[1]] > 0.2 * sizes[order[0]]:
            cores = np.where(labelled == order[0], 1, np.where(labelled == order[1], 2, 0))
            nearest = ndimage.distance_transform_edt(
                cores == 0, sampling=frame.mm, return_distances=False, return_indices=True
            )
            owner = cores[tuple(nearest)]
            return [found[0] & (owner == 1), found[0] & (owner == 2), *found[1:]]
    return found


def _filled(frame: Frame, lung: Mask) -> Mask:
    closed = frame.closed(lung, 7.0)
    for k in range(closed.shape[2]):
        closed[:, :, k] = ndimage.binary_fill_holes(closed[:, :, k])
    # A close must not swallow the mediastinum or the ribs: what it added stays unless it is large and solid.
    added = closed & ~lung & (frame.smooth > -150)
    return np.asarray(closed & ~frame.opened(added, 5.0))


def _blood(frame: Frame, body: Mask) -> Mask:
    """Contrast in large vessels and the heart: bright, even, and wider than a shell of bone is thick."""
    bright = (frame.smooth > _BLOOD_HU) & body
    if not bright.any():
        return bright
    size = [2 * frame.voxels(4.0, axis) + 1 for axis in range(3)]
    mean = ndimage.uniform_filter(frame.hu, size)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(frame.hu**2, size) - mean**2, 0))
    deep = frame.shrunk(bright, 5.0)
    # In an angiography blood mixes and is uneven; then it is brighter than the marrow of a vertebra.
    core = (deep & (spread < 38) & (mean > _BLOOD_HU + 15)) | (deep & (frame.smooth > _ANGIO_HU) & (spread < 130))
    labelled, sizes = pieces(core)
    core = np.isin(labelled, np.flatnonzero(sizes * frame.millilitres > 1.0))
    return np.asarray(frame.grown(core, 8.0) & bright)


def _bone(frame: Frame, body: Mask, blood: Mask) -> Mask:
    hard = (frame.hu > BONE_HU) & body & ~blood
    labelled, sizes = pieces(hard)
    keep = np.flatnonzero(sizes * frame.millilitres >= 0.7)
    if keep.size == 0:
        return np.zeros_like(hard)
    # Contrast in vessels and the heart is even; bone has a hard shell.
    peaks = ndimage.maximum(frame.hu, labelled, index=keep)
    return np.asarray(np.isin(labelled, keep[np.asarray(peaks) > 330]))


def _spine(frame: Frame, body: Mask, bone: Mask, lungs: dict[str, Mask]) -> Spine:
    """The most bone in a window of a vertebra's size, in the middle third and the back half of the body."""
    slices = body.shape[2]
    x, y = np.full(slices, np.nan), np.full(slices, np.nan)
    window = [frame.voxels(44.0, 0), frame.voxels(40.0, 1), frame.voxels(24.0, 2)]
    density = ndimage.uniform_filter(bone.astype(np.float32), window, mode="constant")
    for k in range(slices):
        box = box_of(body[:, :, k : k + 1])
        if box is None:
            continue
        wide, deep = box[0].stop - box[0].start, box[1].stop - box[1].start
        left, top = box[0].start + int(wide * 0.34), box[1].start + int(deep * 0.38)
        right = box[0].start + int(wide * 0.66)
        if len(lungs) == 1:
            # Half a chest: the spine is on the inner side of its lung.
            side, place = next((side, round(ndimage.center_of_mass(lung)[0])) for side, lung in lungs.items())
            left, right = (place, box[0].stop) if side == "right" else (box[0].start, place)
        area = density[left:right, top : box[1].stop, k]
        if area.size == 0 or area.max() < 0.12:
            continue
        # Where two places are full of bone the spine is the one behind: what lies before it is contrast or sternum.
        spots, count = ndimage.label(area > max(0.12, 0.55 * float(area.max())))
        rear = 1 + int(np.argmax([place[1] for place in ndimage.center_of_mass(spots > 0, spots, range(1, count + 1))]))
        at = np.unravel_index(int(np.where(spots == rear, area, 0).argmax()), area.shape)
        x[k], y[k] = left + at[0], top + at[1]
    return Spine(x=_steady(x, frame), y=_steady(y, frame))


def _steady(line: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """A line along the slices without jumps: a running median over 60 mm, then a mean."""
    seen = np.flatnonzero(np.isfinite(line))
    if seen.size * frame.mm[2] < 15.0:
        return np.full_like(line, np.nan)
    whole = np.interp(np.arange(len(line)), seen, line[seen])
    span = min(frame.voxels(60.0, 2) | 1, len(line) | 1)
    whole = ndimage.uniform_filter1d(ndimage.median_filter(whole, span, mode="nearest"), span, mode="nearest")
    whole[: seen[0]] = np.nan
    whole[seen[-1] + 1 :] = np.nan
    return np.asarray(whole)


def lung_span(frame: Frame, lung: Mask) -> tuple[float, float]:
    """Coarse slices of the lowest and highest point of a whole lung; what the scan cuts off is reckoned with.

    A cut lung is taken to be 240 mm tall.
    """
    along = np.flatnonzero(lung.any(axis=(0, 1)))
    low, high = float(along[0]), float(along[-1])
    tall = _LUNG_HEIGHT_MM / float(frame.mm[2])
    cut_above, cut_below = high >= lung.shape[2] - 1, low <= 0
    if cut_above and not cut_below:
        high = max(high, low + tall)
    elif cut_below and not cut_above:
        low = min(low, high - tall)
    return low, high
