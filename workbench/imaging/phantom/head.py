"""A head for the phantom's neck: skull, brain and the two uppermost vertebrae, for volumes that show more than a trunk.

Coordinates as in `body`; the trunk's neck ends where the head begins. The trunk itself stays as it is without it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.imaging.phantom.outline import surroundings
from workbench.imaging.phantom.shapes import Array, Blob, Loft, RingArc
from workbench.imaging.phantom.structure import SPONGY, Structure, even, one

CROWN_MM = 980.0
"""Height of the top of the head."""

_NECK_MM = 774.0
_AIR, _SKIN, _FAT, _MUSCLE = -1000, 25, -104, 52
_SKULL = Blob(centre=(0, 4, 892), semi=(66, 86, 79), p=2.2)
# Inside the shell: a skull is about 7 mm thick.
_BRAIN = Blob(centre=(0, 4, 892), semi=(59.5, 79.5, 72), p=2.2)
_SCALP = (0.0, 4.0, 890.0, 73.0, 93.0, 88.0)
_FACE = (0.0, -38.0, 822.0, 58.0, 62.0, 56.0)
_COLUMN = (0.0, 14.0, 61.0, 72.0)


@lru_cache(maxsize=1)
def head() -> tuple[Structure, ...]:
    """Structures above the trunk; the brain lies inside the skull and is drawn after it."""
    axis = Blob(centre=(0, 31, 780), semi=(12.5, 8.2, 6.6), p=4.0)
    dens = Loft(axis=2, stations=((786, 0, 28, 5, 5), (800, 0, 27, 4.5, 4.5)), caps=(0, 4))
    arch = RingArc(centre=(0, 48, 779), ring=(13.6, 12.8), thick=0.22, height=4.5, angles=(-28, 208))
    atlas = RingArc(centre=(0, 40, 797), ring=(23, 19), thick=0.22, height=5.0)
    cord = Loft(axis=2, stations=((770, 0, 46, 5.6, 4.8), (815, 0, 41, 5.6, 4.8)), caps=(0, 3))
    return (
        one("vertebrae C2", SPONGY, axis, dens, arch),
        one("vertebrae C1", SPONGY, atlas),
        one("skull", ((0.87, 800), (0.95, 420), (1.0, 900)), _SKULL),
        one("brain", ((0.55, 34), (0.93, 30), (1.0, 42)), _BRAIN),
        one("spinal cord", even(38), cord),
    )


def around(x: Array, y: Array, z: float) -> NDArray[np.int16]:
    """HU of one axial slice without any structure, of trunk or head; air below the trunk. As `outline.surroundings`."""
    if z < 0:
        return np.full(np.broadcast_shapes(x.shape, y.shape), _AIR, dtype=np.int16)
    if z < _NECK_MM:
        return surroundings(x, y, z)
    depth = np.maximum(_below(x, y, z, _SCALP), _below(x, y, z, _FACE))
    if z < 850.0:
        across, along = (x - _COLUMN[0]) / _COLUMN[2], (y - _COLUMN[1]) / _COLUMN[3]
        depth = np.maximum(depth, (1 - np.hypot(across, along)) * _COLUMN[2])
    table = np.array([_AIR, _SKIN, _FAT, _MUSCLE], dtype=np.int16)
    return np.asarray(table[np.searchsorted([0.0, 2.0, 5.0], depth, side="right")])


def _below(x: Array, y: Array, z: float, ellipsoid: tuple[float, ...]) -> Array:
    """Depth in mm under an ellipsoid (centre, then semi-axes), exact along its axes; negative outside."""
    cx, cy, cz, wide, deep, high = ellipsoid
    level = np.sqrt(((x - cx) / wide) ** 2 + ((y - cy) / deep) ** 2 + ((z - cz) / high) ** 2)
    return np.asarray((1 - level) * min(wide, deep, high), dtype=np.float32)
