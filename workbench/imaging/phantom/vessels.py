"""Large vessels of the phantom."""

from __future__ import annotations

from workbench.imaging.phantom.shapes import Loft, RingArc, turned
from workbench.imaging.phantom.structure import Structure, even, one


def vessels() -> list[Structure]:
    def down(*rows: tuple[float, float, float, float]) -> Loft:
        return Loft(axis=2, stations=tuple((z, x, y, r, r) for z, x, y, r in rows), tilt=(0.06, 0.04))

    arch = RingArc(
        centre=(9, 4, 606),
        ring=(36.7, 30),
        thick=11.8 / 36.7,
        height=11.8,
        angles=(0, 180),
        turn=turned(("x", 90), ("z", 60.6)),
    )
    aorta = (
        down((589, -8, -25, 14), (597, -8.5, -26.5, 13), (603.8, -9, -28, 12)),
        arch,
        down(
            (288, 5, 18, 8.2),
            (330, 7, 14, 8.8),
            (391, 9, 19, 9.8),
            (430, 12, 24, 10.2),
            (480, 17, 31, 10.8),
            (540, 23, 36, 11.2),
            (590, 27, 36, 11.6),
            (604.0, 27, 36, 11.8),
        ),
    )
    return [
        one("aorta", even(172), *aorta),
        one(
            "inferior vena cava",
            even(128),
            down(
                (284, -18, 22, 9.5), (322, -19, 16, 9.8), (391, -19, 21, 10), (440, -17.5, 27, 10.4), (488, -20, 20, 11)
            ),
        ),
        one("superior vena cava", even(138), down((588, -33, -10, 8.6), (620, -32, -16, 8), (643, -31, -26, 8))),
        one(
            "left brachiocephalic vein",
            even(138),
            Loft(axis=0, stations=((-20, -40, 644, 6, 6), (8, -45, 653, 6, 6), (36, -44, 664, 6, 6)), caps=(2, 2)),
        ),
        one("right brachiocephalic vein", even(138), down((647, -31, -27, 7), (668, -33, -27, 6.8))),
        one("brachiocephalic trunk", even(170), down((648, -8, -24, 5.8), (676, -22, -16, 5.6))),
        one(
            "left common carotid artery",
            even(170),
            down((651, 10, -3, 3.6), (675, 16, 0, 3.6), (700, 28, 8, 3.5), (744, 30, 6, 3.4)),
        ),
        one(
            "right common carotid artery", even(170), down((680, -21, -8, 3.7), (702, -29, 8, 3.6), (744, -30, 6, 3.5))
        ),
        one(
            "left subclavian artery",
            even(170),
            Loft(
                axis=0,
                stations=((25, 26, 655, 4.4, 4.4), (44, 16, 688, 4.4, 4.4), (76, -16, 690, 4.2, 4.2)),
                caps=(2, 2),
            ),
        ),
        one(
            "right subclavian artery",
            even(170),
            Loft(
                axis=0,
                stations=((-76, -14, 690, 4.3, 4.3), (-48, 4, 692, 4.5, 4.5), (-32, 0, 686, 4.5, 4.5)),
                caps=(2, 2),
            ),
        ),
        one(
            "pulmonary vein",
            even(150),
            Loft(
                axis=0, stations=((-38, 8, 560, 4, 4), (-34, 11, 562, 4.4, 4.4), (-30, 14, 564, 4.6, 4.6)), caps=(3, 2)
            ),
            Loft(axis=0, stations=((41.5, 21, 562, 4.4, 4.4), (49, 21, 563, 3.6, 3.6)), caps=(2, 3)),
        ),
        one("left iliac artery", even(165), down((150, 50, -42, 4.6), (210, 33, -6, 5.2), (285, 11, 20, 5.2))),
        one("right iliac artery", even(165), down((150, -51, -43, 4.8), (210, -32, -6, 5.4), (284, -2.5, 17, 5.0))),
        one("left iliac vena", even(120), down((150, 46, -29, 6.2), (206, 28, 10, 6.4), (258, 2, 26, 4.8))),
        one("right iliac vena", even(120), down((150, -46, -29, 6.4), (206, -29, 10, 6.6), (282, -19, 26, 6.4))),
    ]
