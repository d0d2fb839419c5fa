"""The structures of the phantom: where each lies, its shape and its Hounsfield values.

An invented adult of average build in a portal venous phase, arms raised. Lengths in mm; x to the left with 0 in the
midline, y to the back, z to the head with 0 below the ischium. Left and right differ in size on purpose. Sizes are
plausible for an adult; nothing is taken from a person.
"""

from __future__ import annotations

from workbench.imaging.phantom.abdomen import abdomen
from workbench.imaging.phantom.chest import chest
from workbench.imaging.phantom.pelvis import pelvis
from workbench.imaging.phantom.spine import VERTEBRA_Z, cartilage, cord, ribs, vertebra
from workbench.imaging.phantom.structure import Structure
from workbench.imaging.phantom.vessels import vessels


def structures() -> tuple[Structure, ...]:
    """Every structure. All are disjoint, except that some hold others."""
    return (
        *(vertebra(name) for name in VERTEBRA_Z),
        *ribs(),
        cartilage(),
        *chest(),
        *abdomen(),
        *vessels(),
        *pelvis(),
        cord(),
    )
