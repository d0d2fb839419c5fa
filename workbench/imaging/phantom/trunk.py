"""Organs of the phantom that fill the room others leave: lungs, liver, spleen, small bowel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.imaging.phantom.fields import Field, Table
from workbench.imaging.phantom.fitting import NODE_MM, ROOM_LOW_MM, Room, fill, fitted, nodes, occupied, within
from workbench.imaging.phantom.shapes import Loft, RingArc, Solid, turned
from workbench.imaging.phantom.structure import Layers, Structure, even, one

_SEED = 8531
_DOMES = {"right": (496.0, -72.0, 66.0), "left": (486.0, 74.0, 64.0)}
"""Top of the dome of the diaphragm, its place from side to side, and its half width outwards, mm."""

_DROP_MM = 105.0
_AIR_HU: Layers = ((1.0, -858),)

# z, half width and half depth of the inside of the ribs, and its middle from front to back (mm)
_CAGE = np.array(
    [
        (330, 126, 77, -2),
        (400, 131, 80, -1),
        (480, 133.5, 82, -1),
        (560, 132, 82, 0),
        (600, 127, 80, 2),
        (630, 116, 77, 6),
        (650, 96, 67, 11),
        (665, 62, 46, 17),
        (676, 46, 30, 20),
        (684, 10, 6, 22),
    ],
    dtype=np.float64,
)


def fit_trunk(others: list[Structure]) -> list[Structure]:
    """The structures that fit between `others`, which they do not touch."""
    room = occupied(solid for each in others for solid in each.solids)
    lungs = [structure for side in ("right", "left") for structure in _lung(side, room)]
    for each in lungs:
        for solid in each.solids:
            fill(room, solid)
    spleen = _spleen(room)
    fill(room, spleen)
    pancreas = _pancreas(room)
    fill(room, pancreas)
    liver = _liver(room)
    fill(room, liver)
    return [
        *lungs,
        one("spleen", even(122), spleen),
        one("pancreas", even(98), pancreas),
        one("liver", even(112), liver, holds=("hepatic vessel",)),
        one("hepatic vessel", even(158), *_hepatic_vessels()),
        one("small bowel", ((0.5, 24), (1.0, 84)), *_loops(room)),
    ]


def inner_cage(z: Table) -> tuple[Table, Table, Table]:
    """Half width, half depth and middle from front to back of the space inside the ribs, mm."""
    wide, deep, middle = (np.interp(z, _CAGE[:, 0], column) for column in _CAGE[:, 1:].T)
    return wide, deep, middle


def _rho(side: str, x: Table, y: Table) -> Table:
    """Distance from the top of a dome, 1 at its rim. Towards the midline the diaphragm stays high."""
    _, middle, wide = _DOMES[side]
    sign = -1.0 if side == "right" else 1.0
    outward = sign * (x - middle)
    across = np.where(outward > 0, outward / wide, outward / 300.0)
    return np.asarray(np.hypot(across, (y + 6.0) / 90.0))


def diaphragm_mm(x: Table, y: Table) -> Table:
    """Height of the diaphragm; x of shape (n, 1), y of shape (1, m)."""
    right, left = (_DOMES[side][0] - _DROP_MM * _rho(side, x, y) ** 2.2 for side in ("right", "left"))
    share = np.clip(0.5 + x / 40.0, 0, 1)
    return np.asarray(right * (1 - share) + left * share)


def _lung(side: str, room: Room) -> list[Structure]:
    """From the mediastinum to the ribs, down to the diaphragm; planes through it are the fissures."""
    sign = -1.0 if side == "right" else 1.0
    y, z = nodes(1)[:, None], nodes(2)[None, :]
    wide, deep, middle = inner_cage(z)
    square = 1 - ((y - middle) / deep) ** 2
    outer = wide * np.sqrt(np.clip(square, 0, None))
    top, dome_x, dome_wide = _DOMES[side]
    rim = np.clip((top + 1.0 - z) / _DROP_MM, 0, None) ** (1 / 2.2)
    reach = rim**2 - ((y + 6.0) / 90.0) ** 2
    inner = np.where((z < top) & (reach > 0), abs(dome_x) + dome_wide * np.sqrt(np.clip(reach, 0, None)), 15.0)
    floor = 452.0 - 48.0 * (y + 85.0) / 170.0
    outer = np.where((square > 0) & (z > floor), outer, -500.0)
    low, high = (inner, outer) if sign > 0 else (-outer, -inner)
    lung = fitted(0, low, high, room, round_mm=5.0, smooth=0.6)

    def lobe(name: str, *cuts: tuple[float, float, float]) -> Structure:
        return one(f"{side} lung {name} lobe", _AIR_HU, replace(lung, cuts=cuts))

    # Oblique fissure: high behind, low in front. z < at + slope * y is the lower lobe.
    slope, at = (0.95, 523.0) if side == "right" else (1.05, 530.0)
    below, above = (-slope, 1.0, at), (slope, -1.0, -at)
    if side == "left":
        return [lobe("upper", above), lobe("lower", below)]
    level, dip = 547.0, -0.12
    return [
        lobe("upper", above, (dip, -1.0, -level)),
        lobe("middle", above, (-dip, 1.0, level)),
        lobe("lower", below),
    ]


def _liver(room: Room) -> Field:
    """Under the right dome and across the midline, on the kidney, gallbladder, stomach and bowel."""
    x, y = nodes(0)[:, None], nodes(1)[None, :]
    high = diaphragm_mm(x, y) - 5.0
    low = 316.0 + 0.0028 * (x + 126.0) ** 2 + 0.14 * (x + 126.0) + 0.10 * (y + 80.0)
    low = low + 0.035 * np.clip(x - 5.0, 0, None) ** 2
    edge = (x / 128.5) ** 2 + ((y + 3.0) / 79.0) ** 2
    there = (edge < 1) & (x < 66.0 - 0.004 * (y + 75.0) ** 2) & (y < 54.0 - 0.0022 * (x + 95.0) ** 2)
    return fitted(2, np.where(there, low, 0.0), np.where(there, high, -500.0), room, round_mm=15.0, smooth=1.6)


def _spleen(room: Room) -> Field:
    """Behind the stomach and above the kidney, along the ribs."""
    x, y = nodes(0)[:, None], nodes(1)[None, :]
    across = (0.86 * (x - 94.0) + 0.5 * (y - 24.0)) / 35.0
    along = (-0.5 * (x - 94.0) + 0.86 * (y - 24.0)) / 53.0
    rho = across**2 + along**2
    tall = 68.0 * np.sqrt(np.clip(1 - rho, 0, None))
    middle = 435.0 - 0.25 * (x - 94.0) + 0.2 * (y - 24.0)
    edge = (x / 129.0) ** 2 + ((y + 3.0) / 79.0) ** 2
    there = (rho < 1) & (edge < 1)
    high = np.minimum(middle + tall, diaphragm_mm(x, y) - 5.0)
    return fitted(2, np.where(there, middle - tall, 0.0), np.where(there, high, -500.0), room, round_mm=9.0, smooth=1.2)


def _pancreas(room: Room) -> Field:
    """From the bend of the duodenum over the spine to the spleen, thinner towards its tail."""
    x, z = nodes(0)[:, None], nodes(2)[None, :]
    along = (x - 25.0) / 62.0
    tall = 27.0 - 8.0 * along
    rho = along**2 + ((z - 394.0 - 0.26 * (x - 25.0)) / tall) ** 2
    middle = -10.0 + 15.0 * along**2
    half = 20.5 * np.sqrt(np.clip(1 - rho, 0, None))
    low, high = np.where(rho < 1, middle - half, 0.0), np.where(rho < 1, middle + half, -500.0)
    return fitted(1, low, high, room, round_mm=4.0)


def _hepatic_vessels() -> tuple[Solid, ...]:
    """Portal branches from the hilum outwards, and hepatic veins towards the cava under the diaphragm."""
    rows = (
        ((-104, -6, 436, 2.4, 2.4), (-84, -6, 430, 3.8, 3.8), (-58, -12, 424, 4.6, 4.6)),
        ((-96, 4, 396, 2.2, 2.2), (-76, 0, 402, 3.4, 3.4), (-58, -8, 410, 4.0, 4.0)),
        ((-102, -24, 410, 2.2, 2.2), (-86, -24, 407, 3.0, 3.0), (-62, -20, 412, 3.4, 3.4)),
        ((-88, 10, 462, 2.2, 2.2), (-64, 8, 468, 3.4, 3.4), (-42, 12, 472, 4.4, 4.4)),
        ((-76, -40, 458, 2.2, 2.2), (-56, -20, 464, 3.2, 3.2), (-40, -4, 470, 3.8, 3.8)),
        ((-20, -40, 452, 2.0, 2.0), (-12, -34, 456, 2.6, 2.6), (-4, -30, 460, 2.8, 2.8)),
        ((-100, -36, 452, 2.0, 2.0), (-88, -34, 446, 2.8, 2.8), (-70, -32, 440, 3.2, 3.2)),
    )
    return tuple(Loft(axis=0, stations=row, caps=(4, 3)) for row in rows)


def _loops(room: Room) -> tuple[Solid, ...]:
    """Arcs of bowel laid at random where there is room, until the middle of the abdomen is full."""
    random = np.random.default_rng(_SEED)
    z = nodes(2)
    taken = room.copy()
    wide = np.interp(z, (150, 180, 240, 300, 350), (44, 74, 98, 112, 108))
    x, y = nodes(0)[:, None, None], nodes(1)[None, :, None]
    inside = ((x / wide) ** 2 + ((y + 28.0) / 52.0) ** 2 < 1) & (z > 148) & (z < 372)
    taken |= ~inside
    loops: list[Solid] = []
    for _ in range(12000):
        ring, tube = random.uniform(14, 30), random.uniform(8.5, 12.5)
        start, sweep = random.uniform(-180, 180), random.uniform(90, 200)
        lean = turned(("x", 90 + random.normal(0, 35)), ("z", random.normal(0, 40)))
        centre = np.array([random.uniform(-100, 100), random.uniform(-76, 24), random.uniform(155, 368)])
        angle = np.radians(start + sweep * np.linspace(0, 1, 9))
        line = centre[:, None] + lean @ (ring * np.stack([np.cos(angle), np.sin(angle), 0 * angle]))
        at = np.rint((line - np.array(ROOM_LOW_MM)[:, None]) / NODE_MM).astype(np.intp)
        if ((at < 0) | (at >= np.array(taken.shape)[:, None])).any() or taken[tuple(at)].any():
            continue
        arc = RingArc(
            centre=(float(centre[0]), float(centre[1]), float(centre[2])),
            ring=(ring, ring),
            thick=tube / ring,
            height=tube,
            angles=(start, start + sweep),
            turn=lean,
        )
        window, mask = within(replace(arc, thick=(tube + 1.3) / ring, height=tube + 1.3))
        if not (mask & taken[window]).any():
            taken[window] |= mask
            loops.append(arc)
    return tuple(loops)
