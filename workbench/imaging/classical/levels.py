"""Which vertebra is where: reckoned from the lungs, then moved to the discs that the spine itself shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.imaging.classical.frame import Frame
from workbench.imaging.classical.landmarks import Landmarks, lung_span

LUMBAR_MM, CERVICAL_MM = 35.0, 17.0
"""Height of a vertebra with its disc in an adult of average build."""

_NEAR_MM = 11.0
_SEES_DISCS_MM = 3.5
"""Slices further apart than this blur discs into vertebrae: levels stay as reckoned."""


def levels(frame: Frame, marks: Landmarks) -> list[tuple[str, float, float]]:
    """Vertebrae as (name, lowest, highest coarse slice); T12 ends where the lungs reach lowest. Empty without lungs."""
    if not marks.lungs or not marks.spine.seen.any():
        return []
    spans = [lung_span(frame, lung) for lung in marks.lungs.values()]
    base, apex = min(low for low, _ in spans), max(high for _, high in spans)
    step = float(frame.mm[2])
    thoracic = float(np.clip((apex - base) * step / 11.6, 19.0, 28.0)) / step
    found, top = [], base
    for number in range(12, 0, -1):
        found.append((f"T{number}", top, top + thoracic))
        top += thoracic
    for number in range(7, 0, -1):
        found.append((f"C{number}", top, top + CERVICAL_MM / step))
        top += CERVICAL_MM / step
    bottom = base
    for number in range(1, 6):
        found.append((f"L{number}", bottom - LUMBAR_MM / step, bottom))
        bottom -= LUMBAR_MM / step
    here = [each for each in found if each[2] > 0 and each[1] < marks.body.shape[2]]
    return _to_discs(frame, marks, here) if step <= _SEES_DISCS_MM else here


def _to_discs(frame: Frame, marks: Landmarks, table: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Every boundary moved to the darkest slice of the column near it: a disc is softer than a vertebra.

    The middle of the chest comes first; from there up and down each one starts from where its neighbour was found.
    """
    profile = _along_spine(frame, marks)
    reach = frame.voxels(_NEAR_MM, 2)
    edges = sorted({round(each, 3) for _, *both in table for each in both})
    middle = next(
        (
            number
            for number, edge in enumerate(edges)
            if any(n == "T7" and edge == round(low, 3) for n, low, _ in table)
        ),
        len(edges) // 2,
    )
    moved: dict[float, float] = {}
    for order in (range(middle, len(edges)), range(middle - 1, -1, -1)):
        step = 1 if order.step > 0 else -1
        for number in order:
            edge = edges[number]
            before = edges[number - step] if 0 <= number - step < len(edges) else edge
            start = edge + (moved.get(before, before) - before)
            near = min(reach, round(0.42 * abs(edge - before))) if edge != before else reach
            moved[edge] = _darkest(profile, start, near)
    return [(name, moved[round(low, 3)], moved[round(high, 3)]) for name, low, high in table]


def _darkest(profile: NDArray[np.float64], start: float, reach: int) -> float:
    """The darkest place near `start`; `start` itself where the column is even there or not in the picture."""
    at = round(start)
    low, high = max(at - reach, 0), min(at + reach + 1, len(profile))
    if high - low < 3 or not np.isfinite(profile[low:high]).all():
        return start
    dark = low + int(profile[low:high].argmin())
    told = np.ptp(profile[low:high]) > 22.0 and low < dark < high - 1
    return dark + 0.5 if told else start


def _along_spine(frame: Frame, marks: Landmarks) -> NDArray[np.float64]:
    """Mean HU of the vertebral bodies on each slice, in a disc of 9 mm around the line of the spine."""
    x, y, z = marks.body.shape
    profile = np.full(z, np.nan)
    for k in np.flatnonzero(marks.spine.seen):
        left = (np.arange(x) - marks.spine.x[k])[:, None] * frame.mm[0]
        back = (np.arange(y) - marks.spine.y[k] + 6.0 / frame.mm[1])[None, :] * frame.mm[1]
        profile[k] = frame.hu[:, :, k][np.hypot(left, back) < 9.0].mean()
    return profile
