"""A deterministic trunk, neck to pelvis, in which every structure's volume is known exactly.

`shapes` holds the solids and their closed forms, `body` the table of structures, `outline` what lies around them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Volume
from workbench.imaging.phantom.body import structures
from workbench.imaging.phantom.canvas import Canvas

VERSION = "1.1"
LOW_MM = np.array([-210.0, -140.0, 0.0])
HIGH_MM = np.array([210.0, 160.0, 774.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Phantom:
    """Voxels in HU and the labels behind them, both (i, j, k) towards left, back and head; exact volumes in mL."""

    voxels_hu: NDArray[np.int16]
    affine_ras_mm: NDArray[np.float64]
    labels: NDArray[np.uint8]
    analytic_ml: Mapping[int, float]


def analytic_ml() -> Mapping[int, float]:
    """Exact volume in mL of every structure by label; what a structure holds is not its own."""
    table = structures()
    full = {each.label: sum(solid.volume_mm3 for solid in each.solids) / 1000.0 for each in table}
    own = {each.label: full[each.label] - sum(full[held] for held in each.holds) for each in table}
    return MappingProxyType(own)


def build_phantom(
    *, spacing_mm: tuple[float, float, float] = (1.5, 1.5, 1.5), seed: int = 8524, progress: Progress | None = None
) -> Phantom:
    """Draw the phantom on a grid of this spacing. A voxel belongs to a structure when its centre does.

    The field of view is 420 x 300 x 774 mm, rounded up to whole voxels. Same spacing and seed, same arrays.
    """
    progress = progress or Silent()
    shape = [math.ceil(extent - 1e-6) for extent in (HIGH_MM - LOW_MM) / np.array(spacing_mm)]
    canvas = Canvas(spacing_mm, LOW_MM, (shape[0], shape[1], shape[2]))
    canvas.draw_surroundings(progress)
    canvas.draw_body(progress, structures())
    canvas.add_noise(seed, progress)
    return Phantom(
        voxels_hu=canvas.hu, affine_ras_mm=canvas.affine_ras_mm, labels=canvas.labels, analytic_ml=analytic_ml()
    )


def phantom_volume(phantom: Phantom, created_at: str) -> Volume:
    """The phantom as a CT volume, marked as invented. `created_at` is an ISO 8601 time."""
    return Volume(
        voxels_hu=phantom.voxels_hu,
        affine_ras_mm=phantom.affine_ras_mm,
        provenance=Provenance(
            origin=Origin.MOCK,
            model="phantom",
            version=VERSION,
            created_at=created_at,
            sha256=hashlib.sha256(np.ascontiguousarray(phantom.voxels_hu.T).data).hexdigest(),
        ),
    )
