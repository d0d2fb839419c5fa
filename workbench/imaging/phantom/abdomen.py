"""Organs of the abdomen of the phantom."""

from __future__ import annotations

from workbench.imaging.phantom.shapes import Bend, Blob, Loft, RingArc, turned
from workbench.imaging.phantom.structure import Structure, even, one


def abdomen() -> list[Structure]:
    stomach = Blob(
        centre=(54, -38, 430),
        semi=(74, 38, 34),
        turn=turned(("y", -62), ("z", 16)),
        taper=-0.28,
        p=2.3,
        shears=(Bend(2, 0, -0.75),),
    )
    return [
        one(
            "left kidney",
            ((0.3, 40), (0.72, 168), (1.0, 196)),
            Blob(
                centre=(70, 51, 378),
                semi=(59, 27, 22),
                turn=turned(("y", -84), ("z", -35)),
                p=2.3,
                shears=(Bend(1, 0, -0.42),),
            ),
        ),
        one(
            "right kidney",
            ((0.3, 40), (0.72, 166), (1.0, 194)),
            Blob(
                centre=(-67, 51, 356),
                semi=(57, 26, 21.5),
                turn=turned(("y", -96), ("z", 35)),
                p=2.3,
                shears=(Bend(1, 0, 0.42),),
            ),
        ),
        one(
            "left adrenal gland",
            even(76),
            Blob(
                centre=(36, 25, 437), semi=(17, 11, 4.3), turn=turned(("y", -80), ("z", 60)), shears=(Bend(2, 1, 0.8),)
            ),
        ),
        one(
            "right adrenal gland",
            even(74),
            Blob(
                centre=(-37, 39, 432),
                semi=(16, 11, 4.2),
                turn=turned(("y", -95), ("z", -65)),
                shears=(Bend(2, 1, 0.7),),
            ),
        ),
        one(
            "gallbladder",
            ((0.9, 10), (1.0, 40)),
            Blob(centre=(-51, -64, 354), semi=(31, 13, 13), turn=turned(("y", -65), ("z", -20)), taper=0.3),
        ),
        one("stomach", ((0.86, 22), (1.0, 70)), stomach),
        one(
            "duodenum",
            ((0.5, 24), (1.0, 72)),
            RingArc(
                centre=(-19, -9, 356), ring=(24, 28), thick=0.38, height=10, angles=(82, 285), turn=turned(("x", 90))
            ),
        ),
        one(
            "portal vein and splenic vein",
            even(176),
            Loft(
                axis=2,
                stations=((398, -14, 0, 6.8, 6.8), (406, -14.5, -1, 6.8, 6.8), (413, -15, -2, 6.5, 6.5)),
                caps=(3, 2),
            ),
            Loft(
                axis=0, stations=((-5.5, 3, 397, 4.6, 4.6), (30, 6.5, 411, 4.4, 4.4), (66, 16, 422, 4, 4)), caps=(1, 2)
            ),
        ),
        _colon(),
    ]


def _colon() -> Structure:
    colon = (
        Loft(
            axis=2,
            stations=(
                (176, -90, -42, 22, 22),
                (225, -97, -44, 23, 22),
                (252, -102, -36, 21, 20),
                (280, -107, -6, 21, 21),
                (318, -106, 6, 20, 20),
            ),
            caps=(20, 16),
            clover=0.22,
            period=31,
            tilt=(0.1, 0.1),
        ),
        Loft(
            axis=0,
            stations=(
                (-98, -38, 330, 16, 16),
                (-60, -60, 310, 16, 15),
                (0, -63, 309, 16, 15),
                (60, -60, 326, 16, 16),
                (98, -44, 350, 16, 17),
            ),
            caps=(12, 12),
            clover=0.25,
            period=29,
        ),
        Loft(
            axis=2,
            stations=(
                (168, 80, -44, 13, 14),
                (205, 93, -46, 14, 14),
                (250, 106, -38, 14, 14),
                (282, 114, 0, 15, 15),
                (374, 118, 4, 16, 16),
            ),
            caps=(10, 14),
            clover=0.22,
            period=27,
            tilt=(0.1, 0.1),
        ),
        Loft(
            axis=1,
            stations=((-58, 48, 158, 13, 12), (-32, 19, 156, 13, 13), (10, 12, 158, 13, 13), (54, 3, 166, 13, 13)),
            caps=(8, 8),
            clover=0.2,
            period=24,
        ),
    )
    return one("colon", ((0.74, -15), (1.0, 66)), *colon)
