"""Solids whose volume is known in closed form, however bent.

Coordinates are patient millimetres: x to the left, y to the back, z to the head. A solid gives a level for every
point, at most 1 inside, that also grades from centre to surface. Shapes become organic through shears, which move
points along one axis by a function of the other two: their Jacobian determinant is 1, so they keep volume exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float32]
Vector = tuple[float, float, float]
Box = tuple[NDArray[np.float64], NDArray[np.float64]]

_FINE = 1e-6


class Solid(Protocol):
    """A region of space with a known volume."""

    @property
    def volume_mm3(self) -> float:
        """Exact volume in mm^3."""

    @property
    def box(self) -> Box:
        """Lowest and highest corner of an axis-parallel box that holds the solid, mm."""

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """At most 1 inside; x, y, z in mm, of shapes that broadcast to one grid."""


class Shear(Protocol):
    """A shift along `axis` that depends on the other two coordinates only."""

    @property
    def axis(self) -> int:
        """The coordinate that is shifted, 0..2."""

    def shift(self, point: list[Any]) -> Any:
        """How far, from the coordinates other than `axis`."""


@dataclass(frozen=True)
class Bend:
    """Shift along `axis` by `amount` times |coordinate `along`|**power (signed for power 1)."""

    axis: int
    along: int
    amount: float
    power: float = 2.0

    def shift(self, point: list[Any]) -> Any:
        """See `Shear`."""
        coordinate = point[self.along]
        return self.amount * (coordinate if self.power == 1.0 else np.abs(coordinate) ** self.power)


@dataclass(frozen=True)
class Dome:
    """Shift along `axis` by amount * (1 - rho**6), rho the distance from the axis: flat solids become domes."""

    axis: int
    amount: float

    def shift(self, point: list[Any]) -> Any:
        """See `Shear`."""
        first, second = (point[axis] for axis in range(3) if axis != self.axis)
        square = first * first + second * second
        return self.amount * (1.0 - square * square * square)


@dataclass(frozen=True)
class Wave:
    """Shift along `axis` by a sine over the other two coordinates; wave numbers in radians per unit."""

    axis: int
    amplitude: float
    numbers: tuple[float, float]
    phase: float = 0.0

    def shift(self, point: list[Any]) -> Any:
        """See `Shear`."""
        first, second = (point[axis] for axis in range(3) if axis != self.axis)
        return self.amplitude * np.sin(self.numbers[0] * first + self.numbers[1] * second + self.phase)


def _undo(shears: tuple[Shear, ...], point: list[Any]) -> list[Any]:
    moved = list(point)
    for shear in reversed(shears):
        moved[shear.axis] = moved[shear.axis] - shear.shift(moved)
    return moved


def _apply(shears: tuple[Shear, ...], point: list[Any]) -> list[Any]:
    moved = list(point)
    for shear in shears:
        moved[shear.axis] = moved[shear.axis] + shear.shift(moved)
    return moved


def turned(*turns: tuple[str, float]) -> NDArray[np.float64]:
    """Rotation matrix of turns about x, y or z in degrees, the first turn applied first."""
    matrix = np.eye(3)
    for name, degrees in turns:
        axis = "xyz".index(name)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = cosine
        turn[second, first], turn[first, second] = sine, -sine
        matrix = turn @ matrix
    return matrix


_STRAIGHT = np.eye(3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Blob:
    """A superellipsoid, tapered, bent, turned, and cut where the cut has a closed form.

    In its own frame (u, v, w), each coordinate divided by its semi-axis in mm, the solid is
    |u|**p + (|v/k|**q + |w/k|**q)**(p/q) <= 1 with k = 1 - taper*u. `wedge` keeps the angles (degrees, from v
    towards w) between two half-planes through the u axis (q = 2). `bite` removes a ball (centre u, v, w and
    radius) from an untapered ellipsoid; it must not cross the wedge.

    The cross-section at u has the area b*c*S_q*(1-|u|**p)**(2/p)*k**2, S_q = 4 G(1+1/q)^2 / G(1+2/q)
    (area of the unit q-ball, G the gamma function); its integral over u is a sum of two beta functions.
    """

    centre: Vector
    semi: Vector
    turn: NDArray[np.float64] = field(default_factory=_STRAIGHT.copy)
    p: float = 2.0
    q: float = 2.0
    taper: float = 0.0
    shears: tuple[Shear, ...] = ()
    wedge: tuple[float, float] | None = None
    bite: tuple[float, float, float, float] | None = None

    @cached_property
    def volume_mm3(self) -> float:
        """See `Solid`."""
        p, q = self.p, self.q
        section = 4 * math.gamma(1 + 1 / q) ** 2 / math.gamma(1 + 2 / q)
        moments = _beta(1 / p, 2 / p + 1) / p + self.taper**2 * _beta(3 / p, 2 / p + 1) / p
        whole = math.prod(self.semi) * section * 2 * moments
        if self.wedge is not None:
            whole *= (self.wedge[1] - self.wedge[0]) / 360.0
        if self.bite is not None:
            *middle, radius = self.bite
            whole -= math.prod(self.semi) * _lens(math.hypot(*middle), radius)
        return whole

    @cached_property
    def box(self) -> Box:
        """See `Solid`."""
        around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 73), np.linspace(-1, 1, 61))
        radius = np.clip(1 - np.abs(up) ** self.p, 0, None) ** (1 / self.p)
        round_ = (np.abs(np.cos(around)) ** self.q + np.abs(np.sin(around)) ** self.q) ** (-1 / self.q)
        wide = radius * round_ * (1 - self.taper * up)
        own = _apply(self.shears, [up, wide * np.cos(around), wide * np.sin(around)])
        points = np.stack([each.ravel() for each in own]) * np.array(self.semi)[:, None]
        world = self.turn @ points + np.array(self.centre)[:, None]
        return world.min(1) - 1.0, world.max(1) + 1.0

    def own(self, x: Array, y: Array, z: Array) -> list[Any]:
        """Coordinates (u, v, w) of points, bends undone."""
        offset = (x - np.float32(self.centre[0]), y - np.float32(self.centre[1]), z - np.float32(self.centre[2]))
        frame = (self.turn.T / np.array(self.semi)[:, None]).astype(np.float32)
        point = [
            sum((row[axis] * offset[axis] for axis in range(3) if abs(row[axis]) > _FINE), np.float32(0.0))
            for row in frame
        ]
        return _undo(self.shears, point)

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """See `Solid`."""
        u, v, w = self.own(x, y, z)
        if self.taper:
            narrow = np.maximum(1 - np.float32(self.taper) * u, np.float32(_FINE))
            v, w = v / narrow, w / narrow
        level = _norm(_norm(v, w, self.q), _power(u, self.p), self.p, self.q)
        if self.wedge is not None:
            angle = np.degrees(np.arctan2(w, v)) - self.wedge[0]
            level = np.where(np.mod(angle, 360.0) < self.wedge[1] - self.wedge[0], level, np.float32(9.0))
        if self.bite is not None:
            bu, bv, bw, radius = self.bite
            bitten = (u - bu) ** 2 + (v - bv) ** 2 + (w - bw) ** 2 <= radius**2
            level = np.where(bitten, np.float32(9.0), level)
        return np.asarray(level, dtype=np.float32)


def _power(value: Any, exponent: float) -> Any:
    return value * value if exponent == 2.0 else np.abs(value) ** np.float32(exponent)


def _norm(first: Any, second: Any, exponent: float, inner: float | None = None) -> Any:
    """|first|^q + |second|^q for the cross-section; then its power p/q plus the axial term."""
    if inner is None:
        return _power(first, exponent) + _power(second, exponent)
    ring = first if exponent == inner else first ** np.float32(exponent / inner)
    return ring + second


def _beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


def _lens(distance: float, radius: float) -> float:
    """Volume shared by the unit ball and a ball, centres `distance` apart (MathWorld: Sphere-Sphere Intersection).

    Two balls apart share nothing; where one holds the other the formula does not hold, and is not asked.
    """
    if distance >= 1 + radius:
        return 0.0
    gap = 1 + radius - distance
    terms = distance**2 + 2 * distance * (1 + radius) - 3 * (1 - radius) ** 2
    return math.pi * gap**2 * terms / (12 * distance)


@dataclass(frozen=True, kw_only=True, eq=False)
class Loft:
    """Ellipses stacked along one axis, their centres and semi-axes smooth along it (Cavalieri: centres are free).

    `stations` are rows (t, first, second, a, b): place along `axis`, centre and semi-axes on the other two, in mm.
    `caps` round the two ends off over that many mm. `clover` turns the circle into `clover_lobes` lobes with an
    amplitude that swings along the axis, at equal area: r^2 = 1 + clover*cos(lobes*angle)*sin(2 pi t/period).
    `tilt` shears the stack, so that the end faces are not parallel to the slices.

    Semi-axes are piecewise cubic (PCHIP) and caps quadratic, so Gauss-Legendre with 5 nodes a piece is exact.
    """

    axis: int
    stations: tuple[tuple[float, float, float, float, float], ...]
    caps: tuple[float, float] = (0.0, 0.0)
    clover: float = 0.0
    clover_lobes: int = 3
    period: float = 40.0
    tilt: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def _curves(self) -> tuple[NDArray[np.float64], PchipInterpolator]:
        rows = np.array(self.stations, dtype=np.float64)
        return rows[:, 0], PchipInterpolator(rows[:, 0], rows[:, 1:], axis=0)

    def _cap(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        ends, _ = self._curves
        square = np.ones_like(t)
        for end, length, into in ((ends[0], self.caps[0], 1.0), (ends[-1], self.caps[1], -1.0)):
            if length:
                short = np.clip(1 - (t - end) * into / length, 0, 1)
                square = square * (1 - short**2)
        return square

    @cached_property
    def volume_mm3(self) -> float:
        """See `Solid`."""
        knots, curves = self._curves
        breaks = np.unique(np.concatenate([knots, [knots[0] + self.caps[0], knots[-1] - self.caps[1]]]))
        nodes, weights = np.polynomial.legendre.leggauss(5)
        total = 0.0
        for low, high in pairwise(breaks.tolist()):
            t = (low + high) / 2 + nodes * (high - low) / 2
            radii = curves(t)[:, 2:]
            total += float((weights * radii[:, 0] * radii[:, 1] * self._cap(t)).sum() * (high - low) / 2)
        return math.pi * total

    @cached_property
    def box(self) -> Box:
        """See `Solid`."""
        knots, curves = self._curves
        t = np.linspace(knots[0], knots[-1], 200)
        first, second, a, b = curves(t).T
        swell = math.sqrt(1 + abs(self.clover))
        middle = np.mean([row[1:3] for row in self.stations], axis=0)
        reach = [
            float((np.abs(each - at) + swell * wide).max())
            for each, at, wide in zip((first, second), middle, (a, b), strict=True)
        ]
        lean = abs(self.tilt[0]) * reach[0] + abs(self.tilt[1]) * reach[1]
        low, high = np.empty(3), np.empty(3)
        others = [axis for axis in range(3) if axis != self.axis]
        low[self.axis], high[self.axis] = knots[0] - lean, knots[-1] + lean
        for axis, centre, radius in zip(others, (first, second), (a, b), strict=True):
            low[axis], high[axis] = (centre - radius * swell).min() - 1, (centre + radius * swell).max() + 1
        return low, high

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """See `Solid`."""
        point = [x, y, z]
        first, second = (point[axis] for axis in range(3) if axis != self.axis)
        t = point[self.axis]
        if any(self.tilt):
            middle = np.mean([row[1:3] for row in self.stations], axis=0)
            t = t - (self.tilt[0] * (first - middle[0]) + self.tilt[1] * (second - middle[1]))
        knots, curves = self._curves
        fine = np.linspace(knots[0], knots[-1], max(64, int((knots[-1] - knots[0]) * 8)))
        table = np.column_stack([curves(fine), self._cap(fine)])
        one, two, a, b, cap = (np.interp(t, fine, column).astype(np.float32) for column in table.T)
        v, w = (first - one) / a, (second - two) / b
        square = (v * v + w * w) / np.maximum(cap, np.float32(_FINE))
        if self.clover:
            swing = np.float32(self.clover) * np.sin(2 * np.pi * t / self.period).astype(np.float32)
            square = square / (1 + swing * np.cos(self.clover_lobes * np.arctan2(w, v)))
        inside = (t >= knots[0]) & (t < knots[-1])
        return np.asarray(np.where(inside, square, np.float32(9.0)), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class RingArc:
    """Part of a ring around an ellipse with semi-axes `ring` (mm), in the first two axes of the turned frame.

    In units of the ellipse the cross-section is |rho-1|/thick, h/height (mm along the third axis), an ellipse.
    Angles in degrees run from the first axis to the second. `rise` shifts the ring along the third axis by
    rise[n]*cos(n*angle) + rise_sine*sin(angle), in mm. Volume by Pappus: the section's centroid runs along rho = 1.
    """

    centre: Vector
    ring: tuple[float, float]
    thick: float
    height: float
    angles: tuple[float, float] = (0.0, 360.0)
    turn: NDArray[np.float64] = field(default_factory=_STRAIGHT.copy)
    rise: tuple[float, ...] = ()
    rise_sine: float = 0.0

    @cached_property
    def volume_mm3(self) -> float:
        """See `Solid`."""
        sweep = math.radians(self.angles[1] - self.angles[0])
        return self.ring[0] * self.ring[1] * sweep * math.pi * self.thick * self.height

    def _lift(self, angle: Any) -> Any:
        lift = self.rise_sine * np.sin(angle) if self.rise_sine else np.float32(0.0)
        for order, amount in enumerate(self.rise):
            lift = lift + amount * np.cos(order * angle)
        return lift

    @cached_property
    def box(self) -> Box:
        """See `Solid`."""
        angle = np.radians(np.linspace(*self.angles, 181))
        flat = np.stack([self.ring[0] * np.cos(angle), self.ring[1] * np.sin(angle), self._lift(angle) + 0 * angle])
        points = []
        for rho in (1 - self.thick, 1 + self.thick):
            for up in (-self.height, self.height):
                points.append(flat * np.array([rho, rho, 1.0])[:, None] + np.array([0, 0, up])[:, None])
        world = self.turn @ np.concatenate(points, axis=1) + np.array(self.centre)[:, None]
        return world.min(1) - 1.0, world.max(1) + 1.0

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """See `Solid`."""
        offset = (x - np.float32(self.centre[0]), y - np.float32(self.centre[1]), z - np.float32(self.centre[2]))
        frame = self.turn.T.astype(np.float32)
        first, second, third = (
            sum((row[axis] * offset[axis] for axis in range(3) if abs(row[axis]) > _FINE), np.float32(0.0))
            for row in frame
        )
        v, w = first / np.float32(self.ring[0]), second / np.float32(self.ring[1])
        angle = np.arctan2(w, v)
        radial = (np.sqrt(v * v + w * w) - 1) / np.float32(self.thick)
        axial = (third - self._lift(angle)) / np.float32(self.height)
        level = radial * radial + axial * axial
        start, stop = self.angles
        if stop - start < 360.0:
            swept = np.mod(np.degrees(angle) - start, 360.0) < stop - start
            level = np.where(swept, level, np.float32(9.0))
        return np.asarray(level, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheared:
    """A solid carried along by shears of the patient's space (mm)."""

    solid: Solid
    shears: tuple[Wave, ...]

    @cached_property
    def volume_mm3(self) -> float:
        """See `Solid`: shears keep volume."""
        return self.solid.volume_mm3

    @cached_property
    def box(self) -> Box:
        """See `Solid`."""
        low, high = self.solid.box
        reach = np.zeros(3)
        for shear in self.shears:
            reach[shear.axis] += abs(shear.amplitude)
        return low - reach, high + reach

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """See `Solid`."""
        return self.solid.level(*_undo(self.shears, [x, y, z]))
