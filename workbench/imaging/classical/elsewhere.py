"""Regions without lungs or spine to go by: a leg, a head. Only what their bones show is named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.classical.frame import Frame, Mask, largest, pieces

_SHAFT_MM2 = 430.0
"""Least cross-section of a femur's shaft with its marrow: 24 mm across; a humerus is about 20 mm across."""

_CORTEX_HU = 600.0
"""A long bone is mostly hard shell; a spine is mostly marrow."""

_BRAIN_HU = (5.0, 75.0)


def name_legs(frame: Frame, body: Mask, bone: Mask) -> dict[int, Mask]:
    """Femurs by side, and of the hips what lies beside their upper ends; empty where no long bone is found.

    With one thigh in the picture its side is where more of the body lies: a left thigh has the body on its right.
    """
    whole = _with_marrow(frame, bone, body)
    shafts = _shafts(frame, whole)
    if not shafts:
        return {}
    sides = _sides_of_legs(frame, body, shafts)
    named: dict[int, Mask] = {}
    rest = whole.copy()
    for side, shaft in sides.items():
        named[LABEL_BY_NAME[f"{side} femur"]] = shaft
        rest &= ~shaft
    x = np.arange(body.shape[0])[:, None, None] * frame.mm[0]
    for side, shaft in sides.items():
        axis = float(ndimage.center_of_mass(shaft)[0]) * float(frame.mm[0])
        inward = (axis - x) if side == "left" else (x - axis)
        hip = rest & (inward > 0) & (inward < 112.0)
        hip[:, :, : round(float(ndimage.center_of_mass(shaft)[2]))] = False
        labelled, sizes = pieces(hip)
        hip = np.isin(labelled, np.flatnonzero(sizes * frame.millilitres > 4.0))
        if hip.any():
            named[LABEL_BY_NAME[f"{side} hip"]] = hip
    return named


def _with_marrow(frame: Frame, bone: Mask, body: Mask) -> Mask:
    whole = frame.closed(bone, 3.0) & body
    for k in range(whole.shape[2]):
        whole[:, :, k] = ndimage.binary_fill_holes(whole[:, :, k])
    return whole


def _shafts(frame: Frame, whole: Mask) -> list[Mask]:
    """Long bones that run along the body, with the ends that belong to them, parted from what touches them."""
    area = float(frame.mm[0] * frame.mm[1])
    for radius_mm in (0.0, 3.0, 5.0, 7.0):
        cores, sizes = pieces(frame.shrunk(whole, radius_mm) if radius_mm else whole)
        found = []
        for piece in np.argsort(sizes)[::-1][:6]:
            if sizes[piece] * frame.millilitres > 15.0 and _is_long(np.argwhere(cores == piece) * frame.mm):
                found.append(int(piece))
        if not found:
            continue
        nearest = ndimage.distance_transform_edt(
            cores == 0, sampling=frame.mm, return_distances=False, return_indices=True
        )
        owner = np.where(whole, cores[tuple(nearest)], 0)
        shafts = [owner == piece for piece in found]
        thick = [each for each in shafts if np.median(each.sum(axis=(0, 1))[each.any(axis=(0, 1))]) * area > _SHAFT_MM2]
        return [each for each in thick if np.quantile(frame.hu[each], 0.8) > _CORTEX_HU]
    return []


def _is_long(places: NDArray[np.float64]) -> bool:
    """Longer than 90 mm along the body, and four times as long as wide; a bent leg may lie aslant."""
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(places.T)))
    return bool(np.ptp(places[:, 2]) > 90.0 and spread[2] > 4.0 * spread[1])


def _sides_of_legs(frame: Frame, body: Mask, shafts: list[Mask]) -> dict[str, Mask]:
    places = [float(ndimage.center_of_mass(each)[0]) for each in shafts]
    if len(shafts) > 1:
        order = np.argsort(places)
        return {"right": shafts[int(order[0])], "left": shafts[int(order[-1])]}
    along = body.sum(axis=(1, 2))
    place = round(places[0])
    right, left = float(along[:place].sum()), float(along[place:].sum())
    if right > 1.5 * left:
        return {"left": shafts[0]}
    return {"right": shafts[0]} if left > 1.5 * right else {}


def name_head(frame: Frame, body: Mask, bone: Mask) -> dict[int, Mask]:
    """The brain, where bone encloses much soft tissue on several slices, and the skull around it."""
    closed = frame.closed(bone, 6.0) & body
    inside = np.zeros_like(body)
    for k in range(body.shape[2]):
        inside[:, :, k] = ndimage.binary_fill_holes(closed[:, :, k]) & ~closed[:, :, k]
    soft = inside & (frame.smooth > _BRAIN_HU[0]) & (frame.smooth < _BRAIN_HU[1])
    brain = largest(frame.opened(soft, 6.0))
    if brain.sum() * frame.millilitres < 250.0:
        return {}
    brain = frame.closed(brain, 10.0) & inside
    around = frame.grown(brain, 35.0)
    around[:, :, : int(np.flatnonzero(brain.any(axis=(0, 1)))[0])] = False
    return {LABEL_BY_NAME["brain"]: brain, LABEL_BY_NAME["skull"]: largest(bone & around)}
