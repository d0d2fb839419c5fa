"""Paint without labels: blood in the chambers of the heart, vessels in the lungs, the rectum, gas in the bowel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.phantom.fields import Field
from workbench.imaging.phantom.fitting import NODE_MM, ROOM_LOW_MM, nodes
from workbench.imaging.phantom.shapes import Blob, Loft, Solid, turned
from workbench.imaging.phantom.spine import VERTEBRA_Z, spine_y, vertebra_size
from workbench.imaging.phantom.structure import Layers, even
from workbench.imaging.phantom.trunk import diaphragm_mm, inner_cage

_SEED = 8530
LOBES = (28, 29, 30, 31, 32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Filling:
    """A solid painted inside the labels of `within`; under everything else where that is empty."""

    solid: Solid
    layers: Layers
    within: tuple[int, ...] = ()


def under() -> tuple[Filling, ...]:
    """What lies between structures and is painted before them."""
    rectum = Loft(
        axis=2,
        stations=((76, 0, 52, 13, 11), (110, 1, 66, 17, 14), (140, 2, 70, 16, 13), (164, 3, 58, 13, 12)),
        caps=(10, 8),
    )
    canal = Loft(axis=2, stations=_canal(), caps=(4, 4))
    crura = Loft(axis=2, stations=((380, 0, 30, 17, 10), (430, 0, 34, 24, 14), (478, 0, 36, 26, 14)), caps=(10, 10))
    mediastinum = Loft(
        axis=2, stations=((585, -2, 6, 30, 34), (640, -2, 4, 26, 30), (690, 0, 14, 30, 26)), caps=(12, 10)
    )
    return (
        Filling(solid=crura, layers=even(-60)),
        Filling(solid=mediastinum, layers=even(-72)),
        *_discs(),
        Filling(solid=canal, layers=even(12)),
        Filling(solid=_diaphragm(), layers=even(48)),
        *_mesenteric_vessels(),
        Filling(solid=rectum, layers=((0.15, -880), (0.6, 22), (1.0, 58))),
    )


def _diaphragm() -> Field:
    """A sheet under the lungs."""
    x, y = nodes(0)[:, None], nodes(1)[None, :]
    wide, deep, middle = inner_cage(diaphragm_mm(x, y))
    low = diaphragm_mm(x, y) - 5.5
    there = ((x / wide) ** 2 + ((y - middle) / deep) ** 2 < 1) & (low > 400)
    return Field(
        axis=2, origin=(ROOM_LOW_MM[0], ROOM_LOW_MM[1]), step=NODE_MM, low=low, thick=np.where(there, 6.5, 0.0)
    )


def _mesenteric_vessels() -> tuple[Filling, ...]:
    """Branches that run from the root of the mesentery to the bowel."""
    random = np.random.default_rng(_SEED + 1)
    sticks: list[Filling] = []
    for _ in range(16):
        way = random.normal(size=3) * (1.0, 0.5, 0.7) + (0.0, -0.5, -0.7)
        _branch(sticks, np.array((4.0, -14.0, 340.0)), way, 40.0, 2.6, 2, random)
    return tuple(replace(each, layers=((0.7, 120), (1.0, 20)), within=()) for each in sticks)


def _discs() -> tuple[Filling, ...]:
    """Between the vertebral bodies, a ring around a softer core."""
    names = list(VERTEBRA_Z)
    discs = []
    for lower, upper in pairwise(names):
        wide, deep, _ = vertebra_size(lower)
        z = (VERTEBRA_Z[lower] + VERTEBRA_Z[upper]) / 2
        disc = Blob(centre=(0, spine_y(z), z), semi=(7.5, deep * 0.95, wide * 0.95), turn=turned(("y", -90)), p=4.0)
        discs.append(Filling(solid=disc, layers=((0.35, 78), (1.0, 96))))
    return tuple(discs)


def _canal() -> tuple[tuple[float, float, float, float, float], ...]:
    return tuple(
        (z, 0.0, spine_y(z) + vertebra_size(name)[1] + (10.2 if name[0] != "L" else 11.5) - 0.6, 10.0, 9.0)
        for name, z in VERTEBRA_Z.items()
    )


def inside() -> tuple[Filling, ...]:
    """What is painted within structures after them."""
    heart = (LABEL_BY_NAME["heart"],)
    stomach, colon = (LABEL_BY_NAME["stomach"],), (LABEL_BY_NAME["colon"],)
    lean = turned(("y", 22), ("z", -34))
    chambers = (
        ((32, -31, 529), (30, 15, 16), 158),
        ((8, -50, 533), (30, 13, 17), 146),
        ((-17, -24, 545), (16, 17, 21), 140),
        ((8, -10, 556), (22, 11, 15), 158),
    )
    gas = (
        Filling(solid=Blob(centre=(70, -70, 462), semi=(32, 24, 30)), layers=even(-985), within=stomach),
        Filling(solid=Blob(centre=(0, -76, 318), semi=(70, 14, 16)), layers=even(-985), within=colon),
        Filling(solid=Blob(centre=(-103, -22, 296), semi=(10, 10, 26)), layers=even(-980), within=colon),
        Filling(solid=Blob(centre=(114, -2, 330), semi=(8, 8, 40)), layers=even(-980), within=colon),
    )
    blood = (
        Filling(solid=Blob(centre=place, semi=semi, turn=lean), layers=even(hu), within=heart)
        for place, semi, hu in chambers
    )
    return (*blood, *gas, *_lung_vessels())


@lru_cache(maxsize=1)
def _lung_vessels() -> tuple[Filling, ...]:
    """Vessels that branch from both hila, thinner towards the pleura."""
    random = np.random.default_rng(_SEED)
    sticks: list[Filling] = []
    for side, hilum in ((1, (44.0, 10.0, 570.0)), (-1, (-42.0, 12.0, 568.0))):
        for _ in range(20):
            way = random.normal(size=3) * (0.7, 0.9, 1.0)
            way[0] = side * abs(way[0]) + side * 0.35
            _branch(sticks, np.array(hilum), way, 36.0, 3.7, 3, random)
    return tuple(sticks)


def _branch(
    sticks: list[Filling],
    start: NDArray[np.float64],
    way: NDArray[np.float64],
    length: float,
    radius: float,
    generations: int,
    random: np.random.Generator,
) -> None:
    way = way / np.linalg.norm(way)
    middle = start + way * length / 2
    pitch, heading = math.degrees(math.asin(way[2])), math.degrees(math.atan2(way[1], way[0]))
    stick = Blob(
        centre=(float(middle[0]), float(middle[1]), float(middle[2])),
        semi=(length * 0.56, radius, radius),
        turn=turned(("y", -pitch), ("z", heading)),
        taper=0.3,
        p=3.0,
    )
    sticks.append(Filling(solid=stick, layers=((0.6, 70), (1.0, -150)), within=LOBES))
    if generations:
        for _ in range(2):
            _branch(
                sticks,
                start + way * length,
                way + random.normal(size=3) * 0.55,
                length * 0.82,
                radius * 0.7,
                generations - 1,
                random,
            )
