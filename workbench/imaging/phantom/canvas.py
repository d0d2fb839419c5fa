"""The arrays of a phantom while it is drawn: what surrounds, structures, what they are filled with, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.progress import Progress
from workbench.imaging.phantom.body import structures
from workbench.imaging.phantom.filling import LOBES, Filling, inside, under
from workbench.imaging.phantom.outline import surroundings
from workbench.imaging.phantom.shapes import Array, Solid
from workbench.imaging.phantom.structure import Layers, Structure

TABLE_POSITION_MM = -1062.5
"""Scanner coordinate of the lowest edge: the first voxel is not at zero, as in any real CT."""

NOISE_HU = 9.0
_FISSURE_HU, _SEPTUM_HU = -640, -62
Around = Callable[[Array, Array, float], NDArray[np.int16]]
"""HU of one axial slice without any structure, from x (n, 1), y (1, m) and z in mm."""


class Canvas:
    """The arrays while they are drawn, on a grid of `shape` voxels whose first corner lies at `low_mm`."""

    def __init__(
        self, spacing_mm: tuple[float, float, float], low_mm: NDArray[np.float64], shape: tuple[int, int, int]
    ) -> None:
        self.spacing = np.array(spacing_mm, dtype=np.float64)
        self.low_mm = low_mm
        self.shape = shape
        self.hu: NDArray[np.int16] = np.empty(self.shape, dtype=np.int16, order="F")
        self.labels: NDArray[np.uint8] = np.zeros(self.shape, dtype=np.uint8, order="F")
        self.centres = [
            (low_mm[axis] + (np.arange(count) + 0.5) * self.spacing[axis]).astype(np.float32)
            for axis, count in enumerate(self.shape)
        ]

    @property
    def affine_ras_mm(self) -> NDArray[np.float64]:
        first = self.low_mm + self.spacing / 2
        affine = np.diag([*(self.spacing * (-1, -1, 1)), 1.0])
        # Patient coordinates here run left, back, head; RAS runs right, front, head.
        affine[:3, 3] = (-first[0], -first[1], first[2] + TABLE_POSITION_MM)
        return affine

    def draw_surroundings(self, progress: Progress, around: Around = surroundings) -> None:
        x, y = self.centres[0][:, None], self.centres[1][None, :]
        for k, z in enumerate(self.centres[2]):
            if k % 32 == 0:
                progress.stage("Drawing the body", k / self.shape[2])
            self.hu[:, :, k] = around(x, y, float(z))

    def draw_body(self, progress: Progress, table: Sequence[Structure]) -> None:
        """Everything that lies in the outline, in the order in which it covers what lies under it."""
        for filling in under():
            self.fill(filling)
        for structure in table:
            self.surround(structure)
        for number, structure in enumerate(table):
            progress.stage("Drawing organs", number / len(table))
            self.draw(structure)
        self.draw_fissures()
        for filling in inside():
            self.fill(filling)

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
            if crop.size == 0:
                return
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
