"""A synthetic CT and its label map as a NIM answers with them, read from wherever they lie."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import InputError, NimReplyInvalid, UnsupportedVolume
from workbench.domain.progress import Progress
from workbench.domain.volume import CtReport, Grid
from workbench.imaging.read.canvas import kept_only_when_whole
from workbench.imaging.read.files import read_raster
from workbench.imaging.read.limits import ReadLimits, check_voxels, storing
from workbench.imaging.read.masks import read_mask_from, read_volume_header
from workbench.imaging.read.raster import Opener
from workbench.imaging.read.report import build_report

_BYTES_A_VOXEL = 8
_BLOCK_VOXELS = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadSynthetic:
    """What was read: the grid, facts of the image, its digest, and the values that occur in the label map."""

    grid: Grid
    report: CtReport
    voxels_sha256: str
    values: frozenset[int]


def read_synthetic(
    open_image: Opener, open_labels: Opener, *, voxels_out: Path, labels_out: Path, max_voxels: int, progress: Progress
) -> ReadSynthetic:
    """Read a pair into two `.npy` files, i fastest: int16 HU, and uint8 labels as they come, on the image's grid.

    Raises:
        NimReplyInvalid: not a CT with its label map, damaged, more than `max_voxels`, or on two grids.
        StorageFull: no room on the disk.
    """
    limits = ReadLimits(max_bytes=_BYTES_A_VOXEL * max_voxels, max_voxels=max_voxels)
    following = _Digest(progress, voxels_out)
    with kept_only_when_whole(voxels_out), kept_only_when_whole(labels_out), ThreadPoolExecutor(2) as beside:
        try:
            raster = read_volume_header(open_image)
            if raster.dtype.itemsize == 1 and not raster.is_scaled:
                raise UnsupportedVolume("8 bits cannot hold Hounsfield units.")
            check_voxels(raster.shape, limits)
            grid = Grid(shape=raster.shape, affine_ras_mm=raster.affine_ras_mm)
            reading = beside.submit(read_mask_from, open_labels, grid, max_voxels=max_voxels)
            canvas, _, source = read_raster(raster, voxels_out, limits, following)
        except InputError as error:
            raise NimReplyInvalid(f"The image in the answer cannot be used. {error.message}") from error
        report = build_report(
            replace(source, description="Synthetic CT", modality="CT (synthetic)", warnings=raster.warnings),
            canvas,
            grid,
        )
        progress.stage("Reading the labels")
        labels = reading.result()
        save_array(labels, labels_out)
        return ReadSynthetic(grid=grid, report=report, voxels_sha256=following.whole(), values=_values(labels))


class _Digest:
    """Progress of a reading that takes the digest of the voxels written so far while the next are unpacked."""

    def __init__(self, progress: Progress, voxels_file: Path) -> None:
        self._progress = progress
        self._file = voxels_file
        self._digest = hashlib.sha256()
        self._done = 0
        self._voxels: NDArray[np.int16] | None = None

    def stage(self, name: str, fraction: float | None = None) -> None:
        self._progress.stage(name, fraction)
        if fraction:
            self._up_to(fraction)

    def whole(self) -> str:
        self._up_to(1.0)
        return self._digest.hexdigest()

    def _up_to(self, fraction: float) -> None:
        if self._voxels is None:
            self._voxels = np.asarray(np.load(self._file, mmap_mode="r", allow_pickle=False)).reshape(-1, order="F")
        until = round(fraction * self._voxels.size)
        self._digest.update(self._voxels[self._done : until].data)
        self._done = until


def save_array(array: NDArray[Any], path: Path) -> None:
    """Write a `.npy` file of mode 0600.

    Raises:
        StorageFull: no room on the disk.
    """
    with storing("the volume"):
        path.touch(mode=0o600)
        np.save(path, array, allow_pickle=False)


def sha256(array: NDArray[Any]) -> str:
    """Digest of an array's values in memory order, first index fastest."""
    return hashlib.sha256(array.ravel(order="K").view(np.uint8).data).hexdigest()


def translate_array(path: Path, table: bytes | None) -> str:
    """Replace every value v of a uint8 `.npy` file, i fastest, by `table[v]` in place; None replaces nothing.

    Returns:
        The digest of the values as they then are.
    """
    labels = np.load(path, mmap_mode="r+", allow_pickle=False)
    flat = labels.reshape(-1, order="F")
    digest = hashlib.sha256()
    for start in range(0, flat.size, _BLOCK_VOXELS):
        block = flat[start : start + _BLOCK_VOXELS]
        if table is not None:
            # bytes.translate looks up a byte in a table several times faster than indexing an array does.
            block[:] = np.frombuffer(block.tobytes().translate(table), dtype=np.uint8)
        digest.update(block.data)
    labels.flush()
    return digest.hexdigest()


def _values(labels: NDArray[np.uint8]) -> frozenset[int]:
    """The values that occur: those at which a run of equal ones begins."""
    flat = labels.reshape(-1, order="F")
    found: set[int] = set()
    for start in range(0, flat.size, _BLOCK_VOXELS):
        block = flat[start : start + _BLOCK_VOXELS]
        begins = np.flatnonzero(block[1:] != block[:-1]) + 1
        found.update(np.unique(block[begins]).tolist(), [int(block[0])])
    return frozenset(found)
