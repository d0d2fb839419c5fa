"""What one structure of the phantom is made of, and the Hounsfield values of tissues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.phantom.shapes import Solid

Layers = tuple[tuple[float, int], ...]
"""Pairs (level up to which, HU), from the core of a solid to its surface."""


BONE: Layers = ((0.62, 190), (0.8, 330), (1.0, 780))


SPONGY: Layers = ((0.8, 210), (0.9, 380), (1.0, 640))


AIR: Layers = ((1.0, -990),)


MUSCLE: Layers = ((1.0, 58),)


def even(hu: int) -> Layers:
    """One value throughout."""
    return ((1.0, hu),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """One label: disjoint solids, minus the structures of `holds`, which lie wholly inside.

    Fat is painted around it first, up to the level `halo`.
    """

    label: int
    solids: tuple[Solid, ...]
    layers: Layers
    holds: tuple[int, ...] = ()
    halo: float = 1.0


def one(name: str, layers: Layers, *solids: Solid, holds: Iterable[str] = (), halo: float = 1.0) -> Structure:
    """A structure by its name in the dictionary."""
    return Structure(
        label=LABEL_BY_NAME[name.lower()],
        solids=solids,
        layers=layers,
        holds=tuple(LABEL_BY_NAME[each.lower()] for each in holds),
        halo=halo,
    )
