"""Label maps that a NIM answers with: told apart by content, and held to the grid of the CT."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import InputError, NimReplyInvalid, UnreadableImage
from workbench.domain.volume import Grid
from workbench.imaging.read import nifti, textheaders
from workbench.imaging.read.raster import Opener, Raster, blocks
from workbench.imaging.read.sniff import HEAD_BYTES, Kind, kind_of_bytes

_LARGEST_LABEL = 255
_SAME_DEG = 1.0


def read_mask(data: bytes, grid: Grid, *, scratch: Path, max_voxels: int) -> NDArray[np.uint8]:
    """The label map in `data` on `grid`; see `read_mask_from`. Nothing is written to `scratch`."""
    del scratch
    return read_mask_from(lambda: io.BytesIO(data), grid, max_voxels=max_voxels)


def read_mask_from(open_file: Opener, grid: Grid, *, max_voxels: int) -> NDArray[np.uint8]:
    """The label map in a file (NIfTI, gzipped or not, or NRRD) on `grid`, uint8, i fastest.

    A mask on the same physical grid with its axes stored in another order or direction is turned back exactly.
    Voxels are unpacked block by block, never more than the grid has, so that neither a lying header nor a gzip
    bomb costs memory.

    Raises:
        NimReplyInvalid: not a label map, damaged, or on another grid (both are named).
    """
    try:
        raster = read_volume_header(open_file)
        found = Grid(shape=raster.shape, affine_ras_mm=raster.affine_ras_mm)
        if int(np.prod(raster.shape, dtype=np.float64)) > max_voxels:
            raise NimReplyInvalid(f"The mask in the answer claims {found.describe()}: more than is read here.")
        order = _order(found, grid)
        labels = _labels(raster)
    except InputError as error:
        raise NimReplyInvalid(f"The mask in the answer cannot be used. {error.message}") from error
    turned = _turned(labels, order)
    return np.asfortranarray(turned)


def read_volume_header(open_file: Opener) -> Raster:
    """The header of a volume that a NIM answers with, told apart by content.

    Raises:
        UnreadableImage: neither NIfTI nor NRRD, or its header is damaged.
        UnsupportedVolume: not one volume with usable geometry.
    """
    with open_file() as file:
        kind = kind_of_bytes(file.read(HEAD_BYTES))
    if kind is Kind.NIFTI:
        return nifti.read_header(open_file)
    if kind is Kind.NRRD:
        return textheaders.read_nrrd(open_file, lambda name: None)
    raise UnreadableImage(f"It should be NIfTI or NRRD, and is {kind.value}.")


Order = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def _order(found: Grid, wanted: Grid) -> Order:
    """For each axis of `wanted`: the axis of `found` that runs along it, and +1 or -1 for its direction."""
    cosines = (found.affine_ras_mm[:3, :3] / found.spacing_mm).T @ (wanted.affine_ras_mm[:3, :3] / wanted.spacing_mm)
    axes = [int(np.argmax(np.abs(cosines[:, axis]))) for axis in range(3)]
    if sorted(axes) != [0, 1, 2]:
        raise _elsewhere(found, wanted)
    i, j, k = ((axis, 1 if cosines[axis, to] > 0 else -1) for to, axis in enumerate(axes))
    order = (i, j, k)
    if not _reordered(found, order).same_as(wanted):
        raise _elsewhere(found, wanted)
    return order


def _reordered(grid: Grid, order: Order) -> Grid:
    """The same lattice with its axes taken in `order`."""
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for to, (axis, sign) in enumerate(order):
        change[axis, to] = sign
        if sign < 0:
            change[axis, 3] = grid.shape[axis] - 1
    i, j, k = (grid.shape[axis] for axis, _ in order)
    return Grid(shape=(i, j, k), affine_ras_mm=grid.affine_ras_mm @ change)


def _turned(labels: NDArray[np.uint8], order: Order) -> NDArray[np.uint8]:
    turned = labels.transpose([axis for axis, _ in order])
    return turned[tuple(slice(None, None, sign) for _, sign in order)]


def _elsewhere(found: Grid, wanted: Grid) -> NimReplyInvalid:
    return NimReplyInvalid(
        f"The mask in the answer lies on another grid than the CT, so it cannot be laid over it. "
        f"The mask: {found.describe()}. The CT: {wanted.describe()}.",
        hint="The service should answer on the grid of the image that it was sent; see its log for what it received.",
    )


def _labels(raster: Raster) -> NDArray[np.uint8]:
    labels = np.empty(raster.shape, dtype=np.uint8, order="F")
    flat = labels.reshape(-1, order="F")
    done = 0
    for block in blocks(raster):
        flat[done : done + block.size] = _whole(_scaled(block, raster))
        done += block.size
    return labels


def _scaled(block: NDArray[Any], raster: Raster) -> NDArray[Any]:
    return block * raster.slope + raster.intercept if raster.is_scaled else block


def _whole(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    # NaN fails every comparison, so it lands here too.
    if not (values.min() >= 0 and values.max() <= _LARGEST_LABEL):
        raise NimReplyInvalid(
            f"The mask in the answer holds values outside 0 to {_LARGEST_LABEL}, which are no labels of structures."
        )
    labels = values.astype(np.uint8)
    if not np.array_equal(labels, values):
        raise NimReplyInvalid(
            "The mask in the answer holds fractions, and labels are whole numbers.",
            hint="Run it again; if it stays, the NIM breaks its contract: check its version on the Status tab.",
        )
    return labels
