"""Closed forms against counting on a fine grid that knows nothing of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.imaging.phantom.shapes import Bend, Blob, Dome, Loft, RingArc, Sheared, Solid, Wave, turned


def counted_mm3(solid: Solid, step: float) -> float:
    """Voxel count times voxel volume on a grid with an odd offset, wider than the solid's own box."""
    low, high = solid.box
    x, y, z = (np.arange(a - 5.137, b + 5.0, step, dtype=np.float32) for a, b in zip(low, high, strict=True))
    inside = solid.level(x[:, None, None], y[None, :, None], z[None, None, :]) <= 1
    return float(np.broadcast_to(inside, (len(x), len(y), len(z))).sum()) * step**3


SOLIDS: dict[str, Solid] = {
    "ellipsoid": Blob(centre=(1, 2, 3), semi=(20, 15, 10), turn=turned(("y", 33), ("z", 20))),
    "superellipsoid": Blob(centre=(0, 0, 0), semi=(20, 15, 10), p=4.0, q=2.5),
    "tapered": Blob(centre=(0, 0, 0), semi=(25, 15, 10), taper=0.4, p=2.4),
    "bent": Blob(centre=(0, 0, 0), semi=(25, 12, 10), shears=(Bend(1, 0, 0.8), Bend(2, 1, -0.5, 1.0))),
    "domed sector": Blob(
        centre=(0, 0, 0), semi=(20, 30, 30), shears=(Dome(2, 1.3), Bend(0, 1, -0.6)), wedge=(62.0, 260.0)
    ),
    "bitten sector": Blob(centre=(0, 0, 0), semi=(30, 30, 30), wedge=(62.0, 260.0), bite=(-0.9, -0.996, -0.087, 0.95)),
    "loft": Loft(
        axis=2, stations=((0, 0, 0, 10, 8), (20, 6, -3, 14, 9), (50, 0, 5, 8, 6)), caps=(6, 8), tilt=(0.1, 0.05)
    ),
    "clover loft": Loft(axis=0, stations=((0, 0, 0, 12, 12), (60, 6, -3, 12, 14)), clover=0.25, period=20),
    "ring arc": RingArc(
        centre=(0, 0, 0), ring=(30, 22), thick=0.2, height=5, angles=(20, 290), rise=(1.0, 4.0), rise_sine=6.0
    ),
    "turned ring arc": RingArc(
        centre=(3, 2, 1), ring=(25, 25), thick=0.3, height=6, angles=(0, 180), turn=turned(("x", 90), ("z", 40))
    ),
    "waved tube": Sheared(
        solid=Loft(axis=0, stations=((-30, 0, 0, 9, 9), (30, 0, 0, 9, 9))),
        shears=(Wave(1, 5.0, (0.05, 0.06)), Wave(2, 4.0, (0.07, 0.03), 1.0)),
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_the_closed_form_is_what_counting_gives(name: str) -> None:
    solid = SOLIDS[name]
    assert counted_mm3(solid, 0.5) == pytest.approx(solid.volume_mm3, rel=0.006)


def test_an_ellipsoid_has_four_thirds_pi_abc() -> None:
    assert Blob(centre=(0, 0, 0), semi=(3, 4, 5)).volume_mm3 == pytest.approx(4 / 3 * math.pi * 60)


def test_a_high_exponent_approaches_the_box() -> None:
    assert Blob(centre=(0, 0, 0), semi=(3, 4, 5), p=90, q=90).volume_mm3 == pytest.approx(8 * 60, rel=0.03)


def test_a_straight_loft_is_a_cylinder() -> None:
    assert Loft(axis=2, stations=((0, 0, 0, 3, 4), (10, 5, 5, 3, 4))).volume_mm3 == pytest.approx(math.pi * 120)


def test_a_loft_with_caps_as_long_as_itself_is_an_ellipsoid() -> None:
    round_ = Loft(axis=2, stations=((0, 0, 0, 3, 4), (10, 0, 0, 3, 4)), caps=(5, 5))
    assert round_.volume_mm3 == pytest.approx(4 / 3 * math.pi * 3 * 4 * 5)


def test_a_whole_ring_is_a_torus() -> None:
    ring = RingArc(centre=(0, 0, 0), ring=(10, 10), thick=0.2, height=2)
    assert ring.volume_mm3 == pytest.approx(2 * math.pi**2 * 10 * 2 * 2)


def test_sectors_of_one_ball_add_up_to_it() -> None:
    parts = [Blob(centre=(0, 0, 0), semi=(3, 4, 5), wedge=wedge) for wedge in ((-116, 58), (58, 190), (190, 244))]
    assert sum(part.volume_mm3 for part in parts) == pytest.approx(4 / 3 * math.pi * 60)


def test_turns_are_rotations() -> None:
    turn = turned(("x", 30), ("y", -75), ("z", 140))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.allclose(turned(("z", 90)) @ (1, 0, 0), (0, 1, 0))
