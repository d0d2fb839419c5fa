"""Pelvis, hips and the muscles of trunk and hip of the phantom."""

from __future__ import annotations

from workbench.imaging.phantom.shapes import Blob, Loft
from workbench.imaging.phantom.structure import MUSCLE, SPONGY, Structure, even, one


def pelvis() -> list[Structure]:
    sacrum = (
        Loft(
            axis=2,
            stations=((122, 0, 98, 9, 5), (150, 0, 99, 22, 8), (190, 0, 88, 37, 12), (221, 0, 68, 45, 18)),
            caps=(6, 5),
            tilt=(0.0, -0.35),
        ),
    )
    structures = [
        one("sacrum", SPONGY, *sacrum),
        one("bladder", ((0.86, 8), (1.0, 40)), Blob(centre=(1, -29, 119), semi=(36, 28, 24), p=2.3)),
        one("prostate", even(62), Blob(centre=(0, -14, 82), semi=(22, 15, 14), p=2.1)),
    ]
    for name, side, size in (("left", 1, 1.0), ("right", -1, 1.025)):
        structures += _hip_side(name, side, size)
    return structures


def _hip_side(name: str, side: int, size: float) -> list[Structure]:
    def s(x: float) -> float:
        return side * x

    wing = Loft(
        axis=2,
        stations=(
            (152, s(84), 20, 9, 20),
            (190, s(88), 32, 8, 34),
            (225, s(103), 24, 6, 44),
            (262, s(119), 24, 4.5, 30),
        ),
        caps=(3, 14),
    )
    ischium = Loft(
        axis=2,
        stations=((46, s(58), 38, 12, 15), (75, s(62), 38, 10, 15), (104, s(66), 40, 8, 11), (150, s(84), 44, 9, 12)),
        caps=(12, 1),
    )
    pubis_rows = ((4.0, -50, 86, 9, 15), (30, -48, 98, 7, 8), (62, -34, 130, 8, 8))
    rows = pubis_rows if side > 0 else tuple((-x, *rest) for x, *rest in reversed(pubis_rows))
    pubis = Loft(axis=0, stations=rows, caps=(2, 3) if side > 0 else (3, 2))  # type: ignore[arg-type]
    head = Blob(centre=(s(92), 4, 118), semi=(23.5 * size, 23.5 * size, 23.5 * size))
    shaft = Loft(
        axis=2,
        stations=(
            (0, s(112), 4, 14 * size, 14.5 * size),
            (40, s(121), 6, 15 * size, 16 * size),
            (66, s(127), 10, 20 * size, 19 * size),
            (112, s(131), 14, 10.5 * size, 14 * size),
        ),
        caps=(0, 14),
    )
    return [
        one(f"{name} hip", SPONGY, wing, ischium, pubis),
        one(f"{name} femur", SPONGY, head, shaft),
        one(
            f"{name} gluteus maximus",
            MUSCLE,
            Loft(
                axis=2,
                stations=(
                    (62, s(92), 70, 34, 16),
                    (110, s(84), 82, 42 * size, 18),
                    (160, s(74), 94, 38, 14),
                    (205, s(66), 100, 22, 9),
                ),
                caps=(24, 22),
            ),
            halo=1.28,
        ),
        one(
            f"{name} gluteus medius",
            MUSCLE,
            Loft(
                axis=2,
                stations=(
                    (126, s(138), 12, 12, 22),
                    (180, s(130), 24, 18 * size, 38),
                    (225, s(132), 22, 13, 36),
                    (250, s(138), 12, 8, 26),
                ),
                caps=(12, 18),
            ),
            halo=1.3,
        ),
        one(
            f"{name} gluteus minimus",
            MUSCLE,
            Loft(
                axis=2,
                stations=((132, s(117), 2, 7.5, 16), (165, s(105), 6, 7.5 * size, 19), (200, s(107), 0, 6.5, 17)),
                caps=(10, 12),
            ),
            halo=1.5,
        ),
        one(
            f"{name} iliopsoas",
            MUSCLE,
            Loft(
                axis=2,
                stations=(
                    (64, s(98), -34, 11, 11),
                    (120, s(84), -46, 17, 14),
                    (170, s(72), -18, 19, 15),
                    (220, s(58), 14, 19, 16),
                    (286, s(46), 33, 17 * size, 17 * size),
                    (340, s(37), 36, 10, 12),
                    (396, s(31), 40, 5, 7),
                ),
                caps=(16, 12),
            ),
            halo=1.25,
        ),
        one(
            f"{name} autochthon",
            MUSCLE,
            Loft(
                axis=2,
                stations=(
                    (176, s(22), 110, 12, 6),
                    (230, s(33), 102, 22, 14),
                    (300, s(36), 98, 27 * size, 15),
                    (391, s(34), 99, 26 * size, 13),
                    (478, s(27), 108, 20, 11),
                    (576, s(24), 112, 17, 9),
                    (680, s(20), 90, 14, 8),
                    (735, s(14), 70, 10, 7),
                ),
                caps=(16, 12),
            ),
            halo=1.25,
        ),
    ]
