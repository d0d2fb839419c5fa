"""Names for bone, lobes and muscle by position. Levels are reckoned from the lungs, not counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.classical.elsewhere import name_head, name_legs
from workbench.imaging.classical.frame import Frame, Mask, box_of, pieces
from workbench.imaging.classical.landmarks import Landmarks, lung_span
from workbench.imaging.classical.levels import levels


def name_lobes(frame: Frame, lungs: Mapping[str, Mask]) -> dict[int, Mask]:
    """Lobes by position: below a plane from high at the back to low in front, and for the right middle lobe a level."""
    named: dict[int, Mask] = {}
    for side, lung in lungs.items():
        low, high = lung_span(frame, lung)
        box = box_of(lung)
        if box is None:
            continue
        front, back = box[1].start, box[1].stop - 1
        up = (np.arange(lung.shape[2]) - low) / max(high - low, 1.0)
        rear = (np.arange(lung.shape[1]) - front) / max(back - front, 1)
        lower = (up[None, :] < 0.08 + 0.68 * rear[:, None])[None]
        named[LABEL_BY_NAME[f"{side} lung lower lobe"]] = lung & lower
        if side == "right":
            middle = ~lower & (up < 0.45)[None, None, :]
            named[LABEL_BY_NAME["right lung middle lobe"]] = lung & middle
            named[LABEL_BY_NAME["right lung upper lobe"]] = lung & ~lower & ~middle
        else:
            named[LABEL_BY_NAME["left lung upper lobe"]] = lung & ~lower
    return named


def _coordinates(marks: Landmarks, frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances in mm from the line of the spine, towards the left and the back, (x, 1, z) and (1, y, z)."""
    x, y, _ = marks.body.shape
    left = (np.arange(x)[:, None] - marks.spine.x[None, :]) * frame.mm[0]
    back = (np.arange(y)[:, None] - marks.spine.y[None, :]) * frame.mm[1]
    return left[:, None, :], back[None, :, :]


def name_bones(frame: Frame, marks: Landmarks, organs: Mask) -> dict[int, Mask]:
    """Bone by place: spine, ribs, sternum, and below the lumbar spine sacrum and hips; femurs of two legs.

    What is `organs` is not bone, however bright.
    """
    named: dict[int, Mask] = {}
    if not marks.bone.any():
        return named
    table = levels(frame, marks)
    if not table:
        return name_head(frame, marks.body, marks.bone) or name_legs(frame, marks.body, marks.bone)
    left, back = _coordinates(marks, frame)
    near = np.nan_to_num((np.abs(left) < 34.0) & (back > -48.0)).astype(np.bool_)
    bone = marks.bone & ~organs
    column = frame.closed(bone & near, 4.0) & near & marks.body
    bottom = min(low for name, low, _ in table if name.startswith("L")) if any(n == "L5" for n, _, _ in table) else None
    for name, low, high in table:
        part = np.zeros_like(column)
        start, stop = max(0, round(low)), max(0, round(high))
        part[:, :, start:stop] = column[:, :, start:stop]
        named[LABEL_BY_NAME[f"vertebrae {name.lower()}"]] = part
    rest = bone & ~near
    if bottom is not None and bottom > 0:
        below = np.zeros_like(column)
        below[:, :, : round(bottom)] = True
        named[LABEL_BY_NAME["sacrum"]] = column & below
        for side, sign in (("left", 1), ("right", -1)):
            beside = np.nan_to_num(sign * left > 0).astype(np.bool_)
            named[LABEL_BY_NAME[f"{side} hip"]] = rest & below & beside
        rest &= ~below
    return named | _cage(frame, marks, rest, table)


def _cage(frame: Frame, marks: Landmarks, rest: Mask, table: list[tuple[str, float, float]]) -> dict[int, Mask]:
    named: dict[int, Mask] = {}
    left, back = _coordinates(marks, frame)
    chest = np.zeros_like(rest)
    for lung in marks.lungs.values():
        chest |= lung
    box = box_of(chest)
    if box is None:
        return named
    front = np.nan_to_num((np.abs(left) < 30.0) & (back < -95.0)).astype(np.bool_)
    breast = rest & front
    breast[:, :, : box[2].start] = False
    named[LABEL_BY_NAME["sternum"]] = breast
    inner = frame.grown(chest | _hollow(chest), 22.0)
    labelled, sizes = pieces(rest & ~front & inner)
    thoracic = {name: (low, high) for name, low, high in table if name.startswith("T")}
    for piece, where in enumerate(ndimage.find_objects(labelled), start=1):
        if where is None or sizes[piece] * frame.millilitres < 0.8:
            continue
        mask = labelled[where] == piece
        x, y, z = (axis + cut.start for axis, cut in zip(np.nonzero(mask), where, strict=True))
        rearmost = z[y >= np.quantile(y, 0.9)].mean()
        if not marks.spine.seen[z].any():
            continue
        side = "left" if np.nanmean(x - marks.spine.x[z]) > 0 else "right"
        for name, (low, high) in thoracic.items():
            if low <= rearmost < high:
                label = LABEL_BY_NAME[f"{side} rib {name[1:]}"]
                whole = named.setdefault(label, np.zeros_like(rest))
                whole[where] |= mask
    return named


def _hollow(chest: Mask) -> Mask:
    """What lies between the lungs, slice by slice."""
    reach = np.maximum.accumulate(chest, axis=0) & np.maximum.accumulate(chest[::-1], axis=0)[::-1]
    return np.asarray(reach)


def back_muscles(frame: Frame, marks: Landmarks, taken: Mask) -> dict[int, Mask]:
    """The erector muscles behind the transverse processes, and the spinal cord in its canal; seen lungs are needed."""
    if not marks.lungs or not marks.spine.seen.any():
        return {}
    left, back = _coordinates(marks, frame)
    soft = (frame.smooth > 10) & (frame.smooth < 140) & marks.body & ~taken
    named: dict[int, Mask] = {}
    above = np.ones(marks.body.shape[2])
    for name, low, _ in levels(frame, marks):
        if name == "L5":
            above[: max(0, round(low - 45.0 / float(frame.mm[2])))] = 0.0
    for side, sign in (("left", 1), ("right", -1)):
        window = above[None, None] * np.nan_to_num(
            (sign * left > 6.0) & (sign * left < 58.0) & (back > 8.0) & (back < 54.0)
        )
        named[LABEL_BY_NAME[f"{side} autochthon"]] = frame.opened(soft & window.astype(np.bool_), 5.0)
    return named
