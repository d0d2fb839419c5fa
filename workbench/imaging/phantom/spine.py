"""Vertebrae, ribs, cartilages and the spinal cord of the phantom."""

from __future__ import annotations

import math
from itertools import pairwise

from workbench.imaging.phantom.shapes import Bend, Blob, Loft, RingArc, turned
from workbench.imaging.phantom.structure import SPONGY, Layers, Structure, even, one

VERTEBRA_Z = {
    "L5": 250.0,
    "L4": 286.0,
    "L3": 322.0,
    "L2": 357.0,
    "L1": 391.0,
    "T12": 423.0,
    "T11": 451.0,
    "T10": 478.0,
    "T9": 504.0,
    "T8": 529.0,
    "T7": 553.0,
    "T6": 576.0,
    "T5": 598.0,
    "T4": 620.0,
    "T3": 641.0,
    "T2": 661.7,
    "T1": 680.0,
    "C7": 698.0,
    "C6": 715.0,
    "C5": 731.0,
    "C4": 747.0,
    "C3": 763.0,
}
"""Height of the centre of each vertebral body."""


_SPINE = (
    (80, 100),
    (120, 96),
    (160, 92),
    (200, 78),
    (230, 62),
    (250, 52),
    (322, 44),
    (391, 47),
    (478, 58),
    (576, 65),
    (640, 60),
    (680, 50),
    (715, 38),
    (763, 32),
    (800, 30),
)
"""Pairs (z, y) of the line through the vertebral bodies."""


def spine_y(z: float) -> float:
    """Where the vertebral bodies lie from front to back at a height."""
    for (low, at_low), (high, at_high) in pairwise(_SPINE):
        if z <= high:
            return at_low + (at_high - at_low) * (z - low) / (high - low)
    return _SPINE[-1][1]


def _lean(z: float) -> float:
    """Slope of that line, dz/dy of the end plates."""
    return -(spine_y(z + 12) - spine_y(z - 12)) / 24.0


def vertebra_size(name: str) -> tuple[float, float, float]:
    """Semi-axes of a vertebral body: half width, half depth, half height."""
    place = list(VERTEBRA_Z).index(name)
    if name.startswith("C"):
        return 12.5, 8.2, 6.3
    along = place / 16.0
    return 25.0 - 9.5 * along, 17.0 - 5.5 * along, 14.6 - 6.7 * along


def vertebra(name: str) -> Structure:
    z, (wide, deep, high) = VERTEBRA_Z[name], vertebra_size(name)
    y, lean = spine_y(z), _lean(z)
    body = Blob(
        centre=(0, y, z),
        semi=(high, deep, wide),
        turn=turned(("y", -90)),
        p=5.0,
        q=2.3,
        shears=(Bend(0, 1, lean * deep / high, 1.0), Bend(0, 2, 0.14), Bend(0, 1, 0.12), Bend(1, 2, -0.12)),
    )
    canal = 10.2 if name[0] != "L" else 11.5
    middle = y + deep + canal - 0.6
    arch = RingArc(
        centre=(0, middle, z - 1),
        ring=(canal + 3.4, canal + 2.6),
        thick=0.22,
        height=high * 0.62,
        angles=(-28, 208),
        rise=(0.0, 0.0, 0.0),
        rise_sine=-4.0,
    )
    length = {"C": 7.0, "T": 9.5, "L": 12.0}[name[0]]
    back = middle + (canal + 2.6) * 1.24 + length + 0.3
    sag = {"C": -0.35, "T": -0.75, "L": -0.15}[name[0]]
    spinous = Blob(
        centre=(0, back, z - 5),
        semi=(length, 3.4, high * 0.62),
        turn=turned(("z", 90)),
        p=4.0,
        shears=(Bend(2, 0, sag, 1.0),),
    )
    reach = {"C": 5.0, "T": 11.0, "L": 14.0}[name[0]]
    out = (canal + 3.4) * 1.22 + reach + 0.4
    sides = tuple(
        Blob(
            centre=(side * out, middle + 2, z),
            semi=(reach, 4.0, 4.6),
            turn=turned(("z", 0 if side > 0 else 180)),
            p=3.0,
        )
        for side in (1, -1)
    )
    return one(f"vertebrae {name}", SPONGY, body, arch, spinous, *sides)


_RIB_RING = (
    (99, 74),
    (125, 84),
    (132, 86),
    (135.5, 87),
    (136, 86.5),
    (138.5, 87.5),
    (140, 88),
    (141, 88),
    (141, 88),
    (142, 88),
    (143, 89),
    (142, 89),
)


_RIB_DROP = (9, 24, 30, 34, 37, 40, 42, 43, 43, 42, 34, 24)


_RIB_END = (140, 142, 143, 142, 140, 138, 134, 124, 116, 106, 82, 58)


_RIB_Y = (14.0, 5.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 0.0)


def _rib(number: int, side: int) -> RingArc:
    """A rib runs forward from beside its vertebra and sinks on the way; angles from the left towards the back."""
    ring, drop = _RIB_RING[number - 1], _RIB_DROP[number - 1]
    size = 1.0 if side > 0 else 1.012
    z = VERTEBRA_Z[f"T{number}"] - drop + 2.0
    start, stop = (21.0 if number > 1 else 30.0), float(_RIB_END[number - 1])
    angles = (90 - stop, 90 - start) if side > 0 else (90 + start, 90 + stop)
    return RingArc(
        centre=(0, _RIB_Y[number - 1], z),
        ring=(ring[0] * size, ring[1] * size),
        thick=3.9 / ring[0],
        height=6.4 if number > 1 else 4.6,
        angles=angles,
        rise_sine=float(drop),
    )


def ribs() -> list[Structure]:
    layers: Layers = ((0.5, 240), (1.0, 720))
    return [
        one(f"{name} rib {number}", layers, _rib(number, side))
        for name, side in (("left", 1), ("right", -1))
        for number in range(1, 13)
    ]


def cartilage() -> Structure:
    arcs = []
    for number in range(1, 8):
        for side in (1, -1):
            ring, drop, end = _RIB_RING[number - 1], _RIB_DROP[number - 1], _RIB_END[number - 1]
            size = 1.0 if side > 0 else 1.012
            start, stop = end + 1.0, 168.0 - (3.0 if number == 1 else 0.0)
            angles = (90 - stop, 90 - start) if side > 0 else (90 + start, 90 + stop)
            z = VERTEBRA_Z[f"T{number}"] - drop + 2.0
            arcs.append(
                RingArc(
                    centre=(0, _RIB_Y[number - 1], z),
                    ring=(ring[0] * size, ring[1] * size),
                    thick=3.6 / ring[0],
                    height=5.2,
                    angles=angles,
                    rise_sine=float(drop),
                )
            )
    return one("costal cartilages", ((0.5, 95), (1.0, 150)), *arcs)


def cord() -> Structure:
    rows = tuple(
        (
            z,
            0.7 * math.sin(z / 37.0),
            spine_y(z) + vertebra_size(name)[1] + (10.2 if name[0] != "L" else 11.5) - 0.6,
            6.4,
            4.6,
        )
        for name, z in VERTEBRA_Z.items()
        if name not in ("L5", "L4", "L3", "L2")
    )
    return one("spinal cord", even(38), Loft(axis=2, stations=rows, caps=(10, 2)))
