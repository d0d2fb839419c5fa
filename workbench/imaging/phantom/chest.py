"""Heart, airway and the bones of the shoulder of the phantom."""

from __future__ import annotations

from workbench.imaging.phantom.shapes import Blob, Loft, turned
from workbench.imaging.phantom.structure import AIR, BONE, SPONGY, Structure, even, one


def chest() -> list[Structure]:
    trachea = Loft(
        axis=2,
        stations=(
            (606, -3, 25, 9.4, 8.6),
            (640, -6, 22, 9.0, 8.4),
            (665, -4, 15, 8.8, 8.4),
            (700, 0, 6, 8.8, 8.6),
            (744, 0, -6, 8.6, 8.4),
        ),
    )
    right = Loft(axis=0, stations=((-40, 27, 580, 5.2, 5.2), (-26, 27, 589, 6.4, 6.4), (-12.5, 25, 599, 6.8, 6.8)))
    left = Loft(axis=0, stations=((6.5, 25, 598, 5.4, 5.4), (28, 17, 590, 5.2, 5.2), (40, 15, 584, 4.6, 4.6)))
    heart = Blob(centre=(18, -32, 538), semi=(67, 42.5, 45), turn=turned(("y", 22), ("z", -34)), taper=0.22, p=2.2)
    return [
        one("trachea", AIR, trachea),
        one("airway", AIR, right, left),
        one("heart", ((0.9, 112), (1.0, 96)), heart),
        one(
            "left atrial appendage",
            even(150),
            Blob(centre=(37, -17, 588.5), semi=(13, 6.5, 6), turn=turned(("z", -40))),
        ),
        one(
            "esophagus",
            ((0.25, -120), (1.0, 42)),
            Loft(
                axis=2,
                stations=(
                    (490, 14, 12, 7, 6),
                    (515, 4, 24, 7.5, 5),
                    (540, 1, 30, 7.5, 5),
                    (600, -3, 42, 7.5, 4.6),
                    (660, 1, 35, 7, 5),
                    (700, 2, 23, 7, 4.6),
                    (735, 2, 14, 7, 5),
                ),
                caps=(4, 4),
            ),
        ),
        one(
            "thyroid gland",
            even(118),
            Blob(centre=(16, -10, 704), semi=(20, 7.5, 8.5), turn=turned(("y", -90)), taper=0.15),
            Blob(centre=(-16.5, -10, 705), semi=(22, 8, 9), turn=turned(("y", -90)), taper=0.15),
        ),
        one(
            "sternum",
            SPONGY,
            Blob(centre=(0, -85, 636), semi=(21, 5.5, 27), turn=turned(("y", -90), ("x", 13)), p=4, taper=-0.12),
            Loft(
                axis=2, stations=((522, 0, -92, 11, 4.5), (560, 0, -92, 15, 5.5), (611, 0, -90, 17, 5.5)), caps=(8, 3)
            ),
        ),
        one(
            "left clavicula",
            BONE,
            Loft(
                axis=0,
                stations=(
                    (24, -76, 655, 7.5, 7),
                    (60, -78, 661, 5.5, 5.5),
                    (100, -58, 672, 5.5, 5.5),
                    (138, -30, 684, 7.5, 5),
                ),
                caps=(4, 4),
            ),
        ),
        one(
            "right clavicula",
            BONE,
            Loft(
                axis=0,
                stations=(
                    (-140, -28, 685, 7.8, 5.2),
                    (-101, -58, 672, 5.8, 5.8),
                    (-60, -78, 661, 5.6, 5.6),
                    (-24, -76, 655, 7.6, 7.2),
                ),
                caps=(4, 4),
            ),
        ),
        *(_scapula(name, side) for name, side in (("left", 1), ("right", -1))),
        *(_humerus(name, side) for name, side in (("left", 1), ("right", -1))),
    ]


def _scapula(name: str, side: int) -> Structure:
    size = 1.0 if side > 0 else 1.03
    blade = Blob(
        centre=(side * 112, 82, 610),
        semi=(66 * size, 40 * size, 4.2),
        turn=turned(("y", -90), ("z", 90 - 90), ("z", side * -118), ("x", 4)),
        p=2.6,
        taper=-0.45,
    )
    spine = Loft(axis=0, stations=((102, 98, 652, 5, 5), (130, 81, 668, 6, 6), (150, 30, 684, 7, 6)), caps=(4, 5))
    if side < 0:
        spine = Loft(
            axis=0, stations=((-151, 30, 684, 7.2, 6.2), (-131, 81, 668, 6.2, 6.2), (-102, 98, 652, 5, 5)), caps=(5, 4)
        )
    return one(f"{name} scapula", BONE, blade, spine)


def _humerus(name: str, side: int) -> Structure:
    size = 1.0 if side > 0 else 1.03
    head = Blob(centre=(side * 150, 10, 668), semi=(23.5 * size, 23.5 * size, 23.5 * size))
    shaft = Loft(
        axis=2,
        stations=(
            (693.5, side * 158, 8, 17, 17),
            (715, side * 163, 8, 12.5, 12.5),
            (774, side * 166, 8, 11 * size, 11 * size),
        ),
    )
    return one(f"{name} humerus", BONE, head, shaft)
