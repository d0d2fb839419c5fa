"""A deterministic trunk, neck to pelvis, in which every structure's volume is known exactly.

`shapes` holds the solids and their closed forms, `body` the table of structures, `outline` what lies around them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Volume
from workbench.imaging.phantom.body import structures
from workbench.imaging.phantom.filling import LOBES, Filling, inside, under
from workbench.imaging.phantom.outline import surroundings
from workbench.imaging.phantom.shapes import Array, Solid
from workbench.imaging.phantom.structure import Layers, Structure

VERSION = "1.1"
LOW_MM = np.array([-210.0, -140.0, 0.0])
HIGH_MM = np.array([210.0, 160.0, 774.0])
TABLE_POSITION_MM = -1062.5
"""Scanner coordinate of the lowest edge: the first voxel is not at zero, as in any real CT."""

NOISE_HU = 9.0
_FISSURE_HU, _SEPTUM_HU = -640, -62


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
    canvas = _Canvas(spacing_mm)
    canvas.draw_surroundings(progress)
    for filling in under():
        canvas.fill(filling)
    table = structures()
    for structure in table:
        canvas.surround(structure)
    for number, structure in enumerate(table):
        progress.stage("Drawing organs", number / len(table))
        canvas.draw(structure)
    canvas.draw_fissures()
    for filling in inside():
        canvas.fill(filling)
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


class _Canvas:
    """The arrays while they are drawn."""

    def __init__(self, spacing_mm: tuple[float, float, float]) -> None:
        self.spacing = np.array(spacing_mm, dtype=np.float64)
        shape = [math.ceil(extent - 1e-6) for extent in (HIGH_MM - LOW_MM) / self.spacing]
        self.shape = (shape[0], shape[1], shape[2])
        self.hu: NDArray[np.int16] = np.empty(self.shape, dtype=np.int16, order="F")
        self.labels: NDArray[np.uint8] = np.zeros(self.shape, dtype=np.uint8, order="F")
        self.centres = [
            (LOW_MM[axis] + (np.arange(count) + 0.5) * self.spacing[axis]).astype(np.float32)
            for axis, count in enumerate(self.shape)
        ]

    @property
    def affine_ras_mm(self) -> NDArray[np.float64]:
        first = LOW_MM + self.spacing / 2
        affine = np.diag([*(self.spacing * (-1, -1, 1)), 1.0])
        # Patient coordinates here run left, back, head; RAS runs right, front, head.
        affine[:3, 3] = (-first[0], -first[1], first[2] + TABLE_POSITION_MM)
        return affine

    def draw_surroundings(self, progress: Progress) -> None:
        x, y = self.centres[0][:, None], self.centres[1][None, :]
        for k, z in enumerate(self.centres[2]):
            if k % 32 == 0:
                progress.stage("Drawing the body", k / self.shape[2])
            self.hu[:, :, k] = surroundings(x, y, float(z))

    def _boxes(self, solid: Solid) -> Iterator[tuple[tuple[slice, slice, slice], Array]]:
        """Windows of the grid that hold the solid, in slabs that stay in the cache, with its level in each."""
        low, high = solid.box
        spans = []
        for axis in range(3):
            start, stop = np.searchsorted(self.centres[axis], [low[axis], high[axis]])
            if stop <= start:
                return
            spans.append((int(start), int(stop)))
        thick = max(1, 200_000 // ((spans[0][1] - spans[0][0]) * (spans[1][1] - spans[1][0])))
        for start in range(spans[2][0], spans[2][1], thick):
            window = (slice(*spans[0]), slice(*spans[1]), slice(start, min(start + thick, spans[2][1])))
            # Transposed, so that the fastest axis of the arrays is the fastest of the arithmetic.
            x, y, z = (self.centres[axis][window[axis]] for axis in range(3))
            level = solid.level(x[None, None, :], y[None, :, None], z[:, None, None])
            yield window, np.broadcast_to(level, (len(z), len(y), len(x))).T

    def draw(self, structure: Structure) -> None:
        for solid in structure.solids:
            for window, level in self._boxes(solid):
                inside = level <= 1
                self.labels[window][inside] = structure.label
                self.hu[window][inside] = _layered(level[inside], structure.layers)

    def surround(self, structure: Structure) -> None:
        """Fat between a muscle and its neighbours."""
        for solid in structure.solids if structure.halo > 1 else ():
            for window, level in self._boxes(solid):
                hu = self.hu[window]
                hu[(level <= structure.halo) & (hu > _SEPTUM_HU)] = _SEPTUM_HU

    def fill(self, filling: Filling) -> None:
        may = np.ones(256, dtype=np.bool_)
        if filling.within:
            may[:] = False
            may[list(filling.within)] = True
        for window, level in self._boxes(filling.solid):
            inside_ = (level <= 1) & may[self.labels[window]]
            self.hu[window][inside_] = _layered(level[inside_], filling.layers)

    def draw_fissures(self) -> None:
        """A thin bright sheet where two lobes of one lung touch."""
        lobes = [each for each in structures() if each.label in LOBES]
        low = np.min([solid.box[0] for each in lobes for solid in each.solids], axis=0)
        high = np.max([solid.box[1] for each in lobes for solid in each.solids], axis=0)
        box = tuple(slice(*np.searchsorted(self.centres[axis], [low[axis], high[axis]])) for axis in range(3))
        for pair in ((28, 29), (30, 31), (30, 32), (31, 32)):
            crop = self.labels[box]
            one, other = crop == pair[0], crop == pair[1]
            touch = one & ndimage.binary_dilation(other)
            self.hu[box][touch] = _FISSURE_HU

    def add_noise(self, seed: int, progress: Progress) -> None:
        """Noise with the grain of a smooth body kernel: slices of a small pool, shifted at random, never alike."""
        random = np.random.default_rng(seed)
        pool = random.standard_normal((16, self.shape[1], self.shape[0]), dtype=np.float32)
        sigma_mm = 0.9
        pool = ndimage.gaussian_filter(pool, (0, sigma_mm / self.spacing[1], sigma_mm / self.spacing[0]), mode="wrap")
        pool *= NOISE_HU / pool.std()
        grains = np.rint(pool).astype(np.int16)
        for k in range(self.shape[2]):
            if k % 32 == 0:
                progress.stage("Adding noise", k / self.shape[2])
            pick, down, along = random.integers((len(grains), self.shape[1], self.shape[0]))
            slice_hu = self.hu[:, :, k].T
            slice_hu += np.roll(grains[pick], (down, along), axis=(0, 1))
            np.maximum(slice_hu, -1024, out=slice_hu)


def _layered(level: Array, layers: Layers) -> NDArray[np.int16]:
    if len(layers) == 1:
        return np.full(level.shape, layers[0][1], dtype=np.int16)
    bounds = np.array([limit for limit, _ in layers[:-1]], dtype=np.float32)
    values = np.array([hu for _, hu in layers], dtype=np.int16)
    return np.asarray(values[np.searchsorted(bounds, level)])
