"""The structures of the phantom: where each lies, its shape and its Hounsfield values.

An invented adult of average build in a portal venous phase, arms raised. Lengths in mm; x to the left with 0 in the
midline, y to the back, z to the head with 0 below the ischium. Left and right differ in size on purpose. Sizes are
plausible for an adult; nothing is taken from a person.
"""

from __future__ import annotations

from functools import lru_cache

from workbench.imaging.phantom.abdomen import abdomen
from workbench.imaging.phantom.chest import chest
from workbench.imaging.phantom.pelvis import pelvis
from workbench.imaging.phantom.spine import VERTEBRA_Z, cartilage, cord, ribs, vertebra
from workbench.imaging.phantom.structure import Structure
from workbench.imaging.phantom.trunk import fit_trunk
from workbench.imaging.phantom.vessels import vessels


@lru_cache(maxsize=1)
def structures() -> tuple[Structure, ...]:
    """Every structure. All are disjoint, except that some hold others."""
    others = [
        *(vertebra(name) for name in VERTEBRA_Z),
        *ribs(),
        cartilage(),
        *chest(),
        *abdomen(),
        *vessels(),
        *pelvis(),
        cord(),
    ]
    return (*others, *fit_trunk(others))
