"""Room between structures: where the others lie on a coarse grid, and solids that fill what they leave."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.imaging.phantom.fields import Field, Table
from workbench.imaging.phantom.shapes import Solid

NODE_MM = 3.0
ROOM_LOW_MM = (-165.0, -120.0, 90.0)
_ROOM_SHAPE = (111, 81, 220)

_CORNERS = ((0.0, 0.0, 0.0), *itertools.product((-NODE_MM / 3, NODE_MM / 3), repeat=3))
_SMALL = 3000

Room = NDArray[np.bool_]


def nodes(axis: int) -> Table:
    """Places of the grid along an axis, mm."""
    return np.asarray(ROOM_LOW_MM[axis] + NODE_MM * np.arange(_ROOM_SHAPE[axis]))


def occupied(solids: Iterable[Solid]) -> Room:
    """Which nodes lie in any of the solids."""
    room: Room = np.zeros(_ROOM_SHAPE, dtype=np.bool_)
    for solid in solids:
        fill(room, solid)
    return room


def fill(room: Room, solid: Solid) -> None:
    """Mark the nodes inside a solid."""
    window, inside = within(solid)
    room[window] |= inside


def within(solid: Solid) -> tuple[tuple[slice, slice, slice], Room]:
    """The window of the grid around a solid, and which of its nodes lie inside."""
    spans = [slice(*np.searchsorted(nodes(axis), [solid.box[0][axis], solid.box[1][axis]])) for axis in range(3)]
    x, y, z = (nodes(axis)[spans[axis]].astype(np.float32) for axis in range(3))
    inside: Room = np.zeros((len(x), len(y), len(z)), dtype=np.bool_)
    # What is thinner than the distance of nodes would slip between them.
    offsets = _CORNERS if inside.size < _SMALL else _CORNERS[:1]
    for dx, dy, dz in offsets:
        inside |= solid.level((x + dx)[:, None, None], (y + dy)[None, :, None], (z + dz)[None, None, :]) <= 1
    return (spans[0], spans[1], spans[2]), inside


def fitted(axis: int, low: Table, high: Table, room: Room, *, round_mm: float = 8.0, smooth: float = 0.8) -> Field:
    """The solid between two surfaces where the room is free: in every column the longest free stretch.

    `low` and `high` are tables over the other two axes (mm); a node next to an occupied one is not free. Edges are
    rounded with the radius given. Neighbours stay clear by about a node.
    """
    taken = np.moveaxis(ndimage.binary_dilation(room, structure=np.ones((3, 3, 3))), axis, -1)
    t = nodes(axis)
    free = ~taken & (t >= low[..., None]) & (t <= high[..., None])
    start, stop = _longest(free)
    there = ndimage.binary_opening(_joined(start, stop), structure=np.ones((3, 3)), iterations=2)
    bottom = np.maximum(low, t[start])
    top = np.minimum(high, t[np.maximum(stop - 1, 0)])
    # Smoothing only takes away: a mean of neighbours may reach into what is occupied.
    smooth_bottom, smooth_top = (_smooth(each, there, smooth) for each in (bottom, top))
    bottom = np.where(there, np.maximum(bottom, smooth_bottom), smooth_bottom)
    top = np.where(there, np.minimum(top, smooth_top), smooth_top)
    edge = ndimage.distance_transform_edt(there) * NODE_MM
    short = np.clip(round_mm - edge, 0, round_mm)
    inset = round_mm - np.sqrt(round_mm**2 - short**2)
    thick = np.where(there, np.clip(top - bottom - 2 * inset, 0, None), 0.0)
    others = [each for each in range(3) if each != axis]
    return Field(
        axis=axis,
        origin=(ROOM_LOW_MM[others[0]], ROOM_LOW_MM[others[1]]),
        step=NODE_MM,
        low=np.where(there, bottom + inset, (bottom + top) / 2),
        thick=thick,
    )


def _joined(start: NDArray[np.intp], stop: NDArray[np.intp]) -> Room:
    """Columns long enough to draw, less those whose stretch passes an obstacle on the other side than a longer one."""
    there = stop - start >= 3
    for axis in (0, 1):
        for step in (1, -1):
            before, after = np.roll(start, step, axis), np.roll(stop, step, axis)
            apart = (np.minimum(stop, after) - np.maximum(start, before) < 2) & (after - before >= 3)
            there &= ~(apart & (stop - start <= after - before))
    return np.asarray(there)


def _longest(free: Room) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Start and stop of the longest run of True along the last axis."""
    run = np.zeros(free.shape[:2], dtype=np.intp)
    best, stop = np.zeros_like(run), np.zeros_like(run)
    for k in range(free.shape[2]):
        run = np.where(free[:, :, k], run + 1, 0)
        longer = run > best
        best, stop = np.where(longer, run, best), np.where(longer, k + 1, stop)
    return stop - best, stop


def _smooth(table: Table, there: Room, sigma: float) -> Table:
    """A running mean that only looks at where the solid is, continued to the nearest value outside."""
    weight = ndimage.gaussian_filter(there.astype(np.float64), sigma)
    mean = ndimage.gaussian_filter(np.where(there, table, 0.0), sigma) / np.maximum(weight, 1e-9)
    nearest = ndimage.distance_transform_edt(~there, return_distances=False, return_indices=True)
    return np.asarray(np.where(there, mean, mean[tuple(nearest)]))
