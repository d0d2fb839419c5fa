"""A solid between two surfaces: the shape that fits against its neighbours, at a volume that is still exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.imaging.phantom.shapes import Array, Box

Table = NDArray[np.float64]
Cut = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """Between `low` and `low + thick` along `axis`, both bilinear in a table over the other two axes (mm).

    `origin` is the place of the first node and `step` the distance of nodes. A cut (a, b, c) keeps a*p + b*q <= c of
    the two coordinates p, q. The integral of a bilinear cell is its area times the mean of its corners; a cell that
    a cut divides is clipped to a polygon, and the three-point rule on its triangles is exact to the second degree
    (Strang and Fix 1973), which a bilinear function has.
    """

    axis: int
    origin: tuple[float, float]
    step: float
    low: Table
    thick: Table
    cuts: tuple[Cut, ...] = ()

    @cached_property
    def volume_mm3(self) -> float:
        """See `Solid`."""
        corners = np.stack([self.thick[:-1, :-1], self.thick[1:, :-1], self.thick[:-1, 1:], self.thick[1:, 1:]])
        whole = corners.mean(axis=0) * self.step**2
        if not self.cuts:
            return float(whole.sum())
        sides = np.stack([self._sides(cut) for cut in self.cuts])
        reach = np.array([(abs(a) + abs(b)) * self.step / 2 for a, b, _ in self.cuts])[:, None, None]
        kept = (sides <= -reach).all(axis=0)
        divided = ~kept & (sides < reach).all(axis=0) & (whole > 0)
        total = float(whole[kept].sum())
        return total + sum(self._clipped(int(i), int(j)) for i, j in np.argwhere(divided))

    def _sides(self, cut: Cut) -> Table:
        """How far beyond a cut the middle of each cell lies."""
        n, m = self.thick.shape
        p = self.origin[0] + (np.arange(n - 1) + 0.5) * self.step
        q = self.origin[1] + (np.arange(m - 1) + 0.5) * self.step
        return np.asarray(cut[0] * p[:, None] + cut[1] * q[None, :] - cut[2])

    def _clipped(self, i: int, j: int) -> float:
        polygon = [(float(i + di), float(j + dj)) for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1))]
        for a, b, c in self.cuts:
            polygon = _clip(polygon, a * self.step, b * self.step, c - a * self.origin[0] - b * self.origin[1])
        total = 0.0
        for second, third in pairwise(polygon[1:]):
            first = polygon[0]
            area = (second[0] - first[0]) * (third[1] - first[1]) - (third[0] - first[0]) * (second[1] - first[1])
            middles = [
                ((u[0] + v[0]) / 2, (u[1] + v[1]) / 2) for u, v in ((first, second), (second, third), (third, first))
            ]
            total += abs(area) / 2 * sum(self._cell(i, j, *each) for each in middles) / 3
        return total * self.step**2

    def _cell(self, i: int, j: int, p: float, q: float) -> float:
        u, v = p - i, q - j
        near = self.thick[i, j] * (1 - u) + self.thick[i + 1, j] * u
        far = self.thick[i, j + 1] * (1 - u) + self.thick[i + 1, j + 1] * u
        return float(near * (1 - v) + far * v)

    @cached_property
    def box(self) -> Box:
        """See `Solid`."""
        seen = self.thick > 0
        low, high = np.empty(3), np.empty(3)
        low[self.axis], high[self.axis] = self.low[seen].min(), (self.low + self.thick)[seen].max()
        others = [axis for axis in range(3) if axis != self.axis]
        for number, axis in enumerate(others):
            along = np.flatnonzero(seen.any(axis=1 - number))
            low[axis] = self.origin[number] + (along[0] - 1) * self.step
            high[axis] = self.origin[number] + (along[-1] + 1) * self.step
        return low - 1.0, high + 1.0

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """See `Solid`."""
        point: list[Any] = [x, y, z]
        t = point.pop(self.axis)
        p, q = np.broadcast_arrays(*point)
        places = [(p - self.origin[0]) / self.step, (q - self.origin[1]) / self.step]
        thick = ndimage.map_coordinates(self.thick, places, order=1, mode="constant").astype(np.float32)
        low = ndimage.map_coordinates(self.low, places, order=1, mode="nearest").astype(np.float32)
        for a, b, c in self.cuts:
            thick = np.where(a * p + b * q <= c, thick, np.float32(0.0))
        half = np.maximum(thick / 2, np.float32(1e-4))
        level = ((t - low - half) / half) ** 2
        return np.asarray(np.where(thick > 0, level, np.float32(9.0)), dtype=np.float32)


def _clip(polygon: list[tuple[float, float]], a: float, b: float, c: float) -> list[tuple[float, float]]:
    """What of a convex polygon lies in a*p + b*q <= c (Sutherland and Hodgman 1974)."""
    kept = []
    for here, after in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        side, next_side = (a * each[0] + b * each[1] - c for each in (here, after))
        if side <= 0:
            kept.append(here)
        if side * next_side < 0:
            share = side / (side - next_side)
            kept.append((here[0] + share * (after[0] - here[0]), here[1] + share * (after[1] - here[1])))
    return kept
