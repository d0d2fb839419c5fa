"""Two label maps in one picture: what both say, what only one says, what they name differently."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid
from workbench.imaging.slices import slice_count, slice_of
from workbench.imaging.stacks import MOST_SLICES, pack

BOTH, ONLY_FIRST, ONLY_SECOND, OTHERWISE = 1, 2, 3, 4
"""Values of an overlay; 0 is where neither has a structure."""


@dataclass(frozen=True)
class Said:
    """What a value of an overlay means, its colour, and one that people with colour-vision deficiencies tell apart."""

    value: int
    name: str
    colour: str
    safe_colour: str


SAID = (
    Said(BOTH, "both", "#e7ebf0", "#f0f0f0"),
    Said(ONLY_FIRST, "only MAISI", "#4aa8ff", "#56b4e9"),
    Said(ONLY_SECOND, "only VISTA-3D", "#ff5c8a", "#d55e00"),
    Said(OTHERWISE, "named differently", "#b6e34b", "#f0e442"),
)
"""The safe colours are of the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/)."""


def overlay(first: NDArray[np.uint8], second: NDArray[np.uint8], labels: Iterable[int]) -> NDArray[np.uint8]:
    """What two label maps of one shape say of some structures, as `BOTH` to `OTHERWISE`; others count as nothing."""
    kept = np.zeros(256, dtype=np.uint8)
    wanted = list(labels)
    kept[wanted] = wanted
    one, other = kept[first], kept[second]
    told = np.zeros(one.shape, dtype=np.uint8)
    told[(one > 0) & (one == other)] = BOTH
    told[(one > 0) & (other == 0)] = ONLY_FIRST
    told[(one == 0) & (other > 0)] = ONLY_SECOND
    told[(one > 0) & (other > 0) & (one != other)] = OTHERWISE
    return told


def overlay_stack(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    grid: Grid,
    plane: str,
    start: int,
    n: int,
    *,
    labels: Iterable[int],
) -> bytes:
    """Slices of the overlay as one body, in the form of a stack of labels (`stacks`); made slice by slice.

    Raises:
        InvalidRequest: unknown plane, or a start outside the volume.
    """
    if n < 1:
        raise InvalidRequest("A stack needs at least one slice.")
    wanted = tuple(labels)
    last = min(start + min(n, MOST_SLICES) - 1, slice_count(grid, plane))
    return pack(
        [
            zlib.compress(
                overlay(slice_of(first, grid, plane, number), slice_of(second, grid, plane, number), wanted).tobytes(),
                level=1,
            )
            for number in range(start, max(last, start) + 1)
        ]
    )
