"""Pictures set the way a radiologist looks at them: which flips do it, and square pixels. Pure array code.

Directions are unit vectors in DICOM patient coordinates: x to the patient's left, y to the back, z to the head
(PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.domain.picture import LONGEST_PX

_LEFT, _BACK, _FEET = np.eye(3) * (1, 1, -1)
_WANTED = {
    "axial": (_LEFT, _BACK, "the patient's right is on the picture's left and anterior is up"),
    "coronal": (_LEFT, _FEET, "the patient's right is on the picture's left and superior is up"),
    "sagittal": (_BACK, _FEET, "anterior is on the picture's left and superior is up"),
}
"""By plane: where columns and rows are to count to, and the sentence for it."""
_PLANE_ACROSS = ("sagittal", "coronal", "axial")
"""The plane that lies across x, y, z."""
_NEAREST = np.cos(np.radians(45))
_LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
"""Patient Orientation, PS3.3 C.7.6.1.1.1; of several letters the first is the main direction."""
_SQUARE_WITHIN = 0.01


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What sets a picture right: rows and columns exchanged first, then flips. `words` say what it is for."""

    exchanged: bool
    left_right: bool
    up_down: bool
    plane: str
    words: str

    @property
    def is_none(self) -> bool:
        """Whether the picture already lies right."""
        return not (self.exchanged or self.left_right or self.up_down)

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, turned."""
        turned = np.swapaxes(pixels, 0, 1) if self.exchanged else pixels
        turned = turned[:, ::-1] if self.left_right else turned
        return np.ascontiguousarray(turned[::-1] if self.up_down else turned)


def turn_for(along_row: NDArray[np.float64], along_column: NDArray[np.float64]) -> Turn | None:
    """What turns a picture whose columns and rows count to these directions; None for one oblique by over 45 degrees.

    An oblique picture is turned as the plane nearest to it, by quarter turns and flips alone.
    """
    across = np.cross(along_row, along_column)
    length = float(np.linalg.norm(across))
    axis = int(np.argmax(np.abs(across)))
    if length < 0.5 or abs(across[axis]) / length < _NEAREST:
        return None
    to_right, to_bottom, words = _WANTED[_PLANE_ACROSS[axis]]
    exchanged = abs(along_row @ to_right) < abs(along_column @ to_right)
    right, down = (along_column, along_row) if exchanged else (along_row, along_column)
    return Turn(
        exchanged=bool(exchanged),
        left_right=bool(right @ to_right < 0),
        up_down=bool(down @ to_bottom < 0),
        plane=_PLANE_ACROSS[axis],
        words=words,
    )


def directions_of(letters: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The directions that Patient Orientation names, such as L and F; None where it names none."""
    if len(letters) != 2 or not all(each[:1] in _LETTERS for each in letters):
        return None
    along_row, along_column = (np.array(_LETTERS[each[0]], dtype=np.float64) for each in letters)
    return along_row, along_column


def squared(pixels: NDArray[np.uint8], row_step: float, column_step: float) -> tuple[NDArray[np.uint8], float]:
    """The picture with square pixels, interpolated linearly, and the distance between them.

    Nothing becomes longer than the longer side, or than what is sent of it.

    Args:
        pixels: grey or RGB.
        row_step: distance from row to row, in any unit.
        column_step: distance from column to column, in the same unit.
    """
    if abs(row_step / column_step - 1) <= _SQUARE_WITHIN:
        return pixels, min(row_step, column_step)
    rows, columns = pixels.shape[:2]
    high, wide = rows * row_step, columns * column_step
    step = max(min(row_step, column_step), max(high, wide) / max(rows, columns, LONGEST_PX))
    size = max(1, round(wide / step)), max(1, round(high / step))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR)), step
