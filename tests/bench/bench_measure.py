"""How long measuring takes, beside one mask per label and beside SimpleITK. Run by hand; prints ms and ratios.

    python tests/bench/bench_measure.py [--small]

The worst case: every voxel of 512 x 512 x 300 belongs to one of 132 blobby regions. The usual case: the same regions
inside an ellipse that fills about a third of the volume.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import Volume
from workbench.imaging.measure import measure


def regions(shape: tuple[int, int, int], count: int = 132) -> NDArray[np.uint8]:
    """Voronoi cells with wavy walls, values 1..count, Fortran order."""
    draw = np.random.default_rng(0)
    tree = cKDTree(draw.random((count, 3)) * shape)
    j, i = (each.ravel() for each in np.meshgrid(np.arange(shape[1]), np.arange(shape[0]), indexing="ij"))
    wavy_i, wavy_j = i + 4 * np.sin(j / 9), j + 4 * np.sin(i / 7)
    labels = np.empty(shape, np.uint8, order="F")
    for k in range(shape[2]):
        _, nearest = tree.query(np.stack([wavy_i, wavy_j, np.full(i.size, k)], axis=1), workers=2)
        labels[:, :, k] = (nearest + 1).reshape(shape[1], shape[0]).T
    return labels


def tissue(shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """Noise of 60 HU around 40, Fortran order."""
    draw = np.random.default_rng(1)
    voxels = np.empty(shape, np.int16, order="F")
    for k in range(shape[2]):
        voxels[:, :, k] = draw.normal(40, 60, shape[:2])
    return voxels


def body_only(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same labels inside an ellipse."""
    i, j = (np.linspace(-1, 1, size) for size in labels.shape[:2])
    inside = (i[:, None] / 0.8) ** 2 + (j[None, :] / 0.55) ** 2 < 1
    return np.asfortranarray(labels * inside[:, :, None].astype(np.uint8))


def one_mask_per_label(labels: NDArray[np.uint8], voxels: NDArray[np.int16]) -> None:
    """Count, mean, SD, least and greatest as one writes them first."""
    for label in np.unique(labels).tolist():
        if label:
            values = voxels.T[label == labels.T]  # in memory order, or NumPy takes ten times as long
            _ = values.size, values.mean(), values.std(), values.min(), values.max()


def simpleitk_statistics(labels: NDArray[np.uint8], voxels: NDArray[np.int16]) -> None:
    """The same by SimpleITK, from images it already holds."""
    statistics = SimpleITK.LabelStatisticsImageFilter()
    statistics.Execute(SimpleITK.GetImageFromArray(voxels.T), SimpleITK.GetImageFromArray(labels.T))


def best_ms(work: Callable[[], object], times: int) -> float:
    """Shortest of several runs in ms: the others were disturbed."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken) * 1000


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="256 x 256 x 100")
    shape = (256, 256, 100) if parser.parse_args().small else (512, 512, 300)
    made = Provenance(origin=Origin.LOCAL, model="bench", version="1", created_at="")
    volume = Volume(voxels_hu=tissue(shape), affine_ras_mm=np.diag([0.8, 0.8, 1.5, 1.0]), provenance=made)
    whole = regions(shape)
    for name, labels in (("all labelled", whole), ("body only", body_only(whole))):
        mask = Segmentation(labels=labels, grid=volume.grid, asked=None, provenance=made)
        ours = best_ms(lambda mask=mask: measure(volume, mask, created_at=""), 7)
        loop = best_ms(lambda labels=labels: one_mask_per_label(labels, volume.voxels_hu), 1)
        itk = best_ms(lambda labels=labels: simpleitk_statistics(labels, volume.voxels_hu), 2)
        print(  # noqa: T201 - a benchmark prints
            f"{name:>13}: {ours:6.0f} ms; one mask per label {loop:6.0f} ms ({loop / ours:.1f} x); "
            f"SimpleITK {itk:6.0f} ms ({itk / ours:.1f} x)"
        )


if __name__ == "__main__":
    main()
