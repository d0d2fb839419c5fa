"""Whether letters are likely to stand in the pixels of a picture, told by their look alone: nothing is read.

A line of text is a chain of small, bright, thin marks of one height on one baseline, each a letter's gap from the
next. Anatomy makes such marks by the thousand, and hardly ever five of them in such a chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

LIKELY = "Text is likely burned into this picture (bright letters at its edge): it may name the patient."

FEWEST_LETTERS = 5
_LONGEST_PX = 1600
"""Letters that are legible after scaling down to what is sent are large enough to be found at this size."""
_STROKES_PX = (7, 15)
"""Windows of the top-hat, each wider than the strokes that it lets through: text of 5 to 20, and of 15 to 40 pixels."""
_CONTRASTS = (45, 110)
"""Grey levels by which a letter is brighter than what lies around it: faint ones, and bright ones whose soft edges
would run together at the lower."""
_SHORTEST_PX = 128
"""In a picture smaller than that a line of letters has no room, and small anatomy looks like one."""
_LOWEST_PX, _HIGHEST_PX = 5, 40
_WIDEST = 2.2
_EMPTIEST, _FULLEST = 0.12, 0.9
"""Share of its box that a letter fills; an upright stroke such as I fills all of it."""
_GAP = 1.3
"""Widest gap between letters, in heights: a space and more."""
_OFF_BASELINE = 0.15
_OF_A_HEIGHT = 1.6
_OF_A_CONTRAST = 1.67
_EDGE = 0.2
"""Share of the height, above and below, in which annotations stand."""
_SIDE = 0.15
"""Share of the width in which one begins on the left, or ends on the right."""


def likely_text(pixels: NDArray[np.uint8]) -> str | None:
    """A sentence where a line of five or more bright letters stands near the edge of a picture, else None.

    Grey (rows, columns) or RGB (rows, columns, 3). Single letters, such as the L of a radiograph, are not told; nor
    is text of fewer letters, dark, slanted or handwritten text.
    """
    brightest = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    image = Image.fromarray(np.ascontiguousarray(brightest))
    image.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32)
    if min(grey.shape) < _SHORTEST_PX:
        return None
    for stroke in _STROKES_PX:
        standing_out = grey - ndimage.grey_opening(grey, size=(stroke, stroke))
        if any(_has_line(_marks(standing_out, contrast), grey.shape) for contrast in _CONTRASTS):
            return LIKELY
    return None


@dataclass(frozen=True, eq=False)
class _Marks:
    """Boxes of marks that could be letters, from left to right, and how far each stands out from what is round it."""

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    contrast: NDArray[np.float32]


def _marks(standing_out: NDArray[np.float32], contrast: int) -> _Marks:
    labels, count = ndimage.label(standing_out > contrast, structure=np.ones((3, 3)))
    boxes = np.array(
        [(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)], dtype=np.int64
    ).reshape(-1, 4)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    peak = np.asarray(ndimage.maximum(standing_out, labels, np.arange(1, count + 1)), dtype=np.float32)
    high, wide = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    fill = areas / np.maximum(high * wide, 1)
    could_be = (high >= _LOWEST_PX) & (high <= _HIGHEST_PX) & (wide <= _WIDEST * high) & (fill > _EMPTIEST)
    could_be &= (wide < _LOWEST_PX) | (fill <= _FULLEST)
    kept = np.flatnonzero(could_be)
    kept = kept[np.argsort(boxes[kept, 2], kind="stable")]
    top, bottom, left, right = boxes[kept].T
    return _Marks(top, bottom, left, right, peak[kept])


def _has_line(marks: _Marks, shape: tuple[int, ...]) -> bool:
    """Whether a chain of letters near the edge is long enough; chains are built from the right, longest first."""
    count = marks.left.size
    length = np.ones(count, dtype=np.int64)
    end = marks.right.copy()
    for one in range(count - 1, -1, -1):
        following = _following(marks, one)
        if following.size:
            best = following[np.argmax(length[following])]
            length[one], end[one] = length[best] + 1, end[best]
            if length[one] >= FEWEST_LETTERS and _is_near_edge(marks, one, int(end[one]), shape):
                return True
    return False


def _following(marks: _Marks, one: int) -> NDArray[np.int64]:
    """Marks that could be the letter after this one."""
    high = marks.bottom[one] - marks.top[one]
    first, last = np.searchsorted(marks.left, (marks.right[one] - 1, marks.right[one] + _GAP * high))
    near = np.arange(first, last)
    near = near[near != one]
    heights = marks.bottom[near] - marks.top[near]
    alike = np.abs(marks.bottom[near] - marks.bottom[one]) <= max(1.0, _OFF_BASELINE * high)
    alike &= (heights <= _OF_A_HEIGHT * high) & (high <= _OF_A_HEIGHT * heights)
    brighter = marks.contrast[near] / marks.contrast[one]
    alike &= (brighter <= _OF_A_CONTRAST) & (brighter >= 1 / _OF_A_CONTRAST)
    return np.asarray(near[alike])


def _is_near_edge(marks: _Marks, first: int, end: int, shape: tuple[int, ...]) -> bool:
    rows, columns = shape
    middle = (marks.top[first] + marks.bottom[first]) / 2 / rows
    beside = marks.left[first] < _SIDE * columns or end > (1 - _SIDE) * columns
    return bool(min(middle, 1 - middle) < _EDGE or beside)
