"""What surrounds the structures: skin, fat, muscle wall, arms, thighs and the table. None of it carries a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float32]

_AIR, _SKIN, _FAT, _MUSCLE, _INNER, _SEPTUM = -1000, 25, -104, 52, -98, -55
_FAT_SHARE = 0.72

# z, half width, half depth, middle from front to back, fat (mm)
_TRUNK = np.array(
    [
        (0, 186, 104, 6, 11),
        (60, 186, 112, 6, 15),
        (120, 186, 118, 6, 16),
        (200, 176, 118, 8, 17),
        (262, 164, 117, 9, 17),
        (318, 156, 117, 9, 15),
        (390, 158, 118, 9, 13),
        (460, 162, 118, 9, 11),
        (540, 165, 119, 8, 10),
        (600, 169, 120, 8, 10),
        (636, 178, 116, 9, 10),
        (660, 182, 108, 10, 9),
        (680, 172, 98, 13, 8),
        (697, 118, 92, 14, 7),
        (712, 78, 82, 14, 6),
        (735, 64, 74, 14, 5),
        (780, 61, 72, 12, 5),
    ],
    dtype=np.float64,
)
# z, half width, half depth, middle of the space inside the muscles and ribs (mm)
_CAVITY = np.array(
    [
        (60, 24, 20, 30),
        (95, 46, 50, 18),
        (130, 58, 82, 10),
        (175, 78, 82, 4),
        (225, 100, 84, -2),
        (262, 126, 87, -3),
        (318, 139, 86, -3),
        (390, 141, 86, -3),
        (460, 139, 87, -1),
        (540, 137, 86, 0),
        (600, 131, 84, 2),
        (630, 120, 81, 5),
        (650, 103, 72, 9),
        (665, 84, 62, 9),
        (686, 62, 46, 10),
        (702, 42, 34, 8),
        (725, 36, 26, 4),
        (780, 36, 24, 2),
    ],
    dtype=np.float64,
)
_ARM = np.array([(640, 140, 10, 30), (668, 152, 8, 42), (700, 160, 6, 44), (774, 166, 6, 42)], dtype=np.float64)
_THIGH = np.array([(0, 96, 6, 88), (40, 97, 6, 89), (80, 96, 6, 80)], dtype=np.float64)
_CROTCH_MM = 62.0
_TABLE_MM = 131.0

_trunk = PchipInterpolator(_TRUNK[:, 0], _TRUNK[:, 1:], axis=0)
_arm = PchipInterpolator(_ARM[:, 0], _ARM[:, 1:], axis=0)
_cavity = PchipInterpolator(_CAVITY[:, 0], _CAVITY[:, 1:], axis=0)
_thigh = PchipInterpolator(_THIGH[:, 0], _THIGH[:, 1:], axis=0)


def _rounded(x: Array, y: Array, wide: float, deep: float, middle: float, power: float = 2.3) -> Array:
    """Depth in mm below a superellipse: positive inside, exact along the axes."""
    across, along = np.abs(x / np.float32(wide)) ** power, np.abs((y - np.float32(middle)) / np.float32(deep)) ** power
    return np.asarray((1 - (across + along) ** np.float32(1 / power)) * np.float32(deep))


def depth_mm(x: Array, y: Array, z: float) -> Array:
    """Depth below the skin in mm on one slice, negative outside; x of shape (n, 1), y of shape (1, m)."""
    wide, deep, middle, _ = _trunk(z)
    depth = _rounded(x, y, wide, deep, middle)
    if z < _CROTCH_MM + 20:
        place, thigh_middle, round_ = _thigh(z)
        thighs = np.maximum(*(round_ - np.hypot(x - side * place, y - thigh_middle) for side in (1, -1)))
        share = min(max((z - _CROTCH_MM) / 20.0, 0.0), 1.0)
        depth = depth * share + thighs * (1 - share)
    if z > _ARM[0, 0]:
        place, arm_middle, round_ = _arm(min(z, _ARM[-1, 0]))
        arms = np.maximum(*(round_ - np.hypot(x - side * place, y - arm_middle) for side in (1, -1)))
        depth = np.maximum(depth, arms)
    return np.asarray(depth, dtype=np.float32)


def _septa(x: Array, y: Array, z: float, under_fascia: Array) -> NDArray[np.bool_]:
    """Thin sheets of fat between muscles: layers of the wall, and compartments around the femur."""
    layers = (np.abs(under_fascia - 5.5) < 0.9) if z < 470 else (np.abs(under_fascia - 11.0) < 0.9)
    if z < 200:
        around = np.abs(x) - np.float32(118.0)
        radius, angle = np.hypot(around, y - np.float32(8.0)), np.arctan2(y - np.float32(8.0), around)
        spoke = np.abs(np.sin(2.5 * angle + 0.5 + z / 90.0)) * radius < 2.2
        sleeve = np.abs(radius - np.float32(42.0 + z / 20.0)) < 1.1
        layers = (spoke & (radius > 24.0)) | (sleeve & (under_fascia > 6.0))
    return np.asarray(layers)


def surroundings(x: Array, y: Array, z: float) -> NDArray[np.int16]:
    """Hounsfield units of one axial slice without any structure; x of shape (n, 1), y of shape (1, m), z in mm."""
    depth = depth_mm(x, y, z)
    fat = _FAT_SHARE * _trunk(z)[3]
    bounds = np.array([0.0, 2.0, 2.0 + fat], dtype=np.float32)
    table = np.array([_AIR, _SKIN, _FAT, _MUSCLE], dtype=np.int16)
    slice_hu = table[np.searchsorted(bounds, depth, side="right")]
    muscle = slice_hu == _MUSCLE
    slice_hu[muscle & _septa(x, y, z, depth - np.float32(2.0 + fat))] = _SEPTUM
    if z > _CAVITY[0, 0]:
        # Ribs are ellipses, the belly is squarer.
        power = float(np.interp(z, (330, 430), (2.3, 2.0)))
        wide, deep, middle = _cavity(z)
        slice_hu[(_rounded(x, y, wide, deep, middle, power) > 0) & muscle] = _INNER
    couch = _TABLE_MM - (x / 210.0) ** 2 * 14.0
    below = y - couch
    table_here = (below > 0) & (below < 22) & (np.abs(x) < 196) & (slice_hu == _AIR)
    shell = table_here & ((below < 2.2) | (below > 19.8))
    slice_hu[table_here] = -930
    slice_hu[shell] = -120
    return np.asarray(slice_hu)
