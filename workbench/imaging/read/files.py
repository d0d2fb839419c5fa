"""Volumes that come as one file: NIfTI, NRRD and MetaImage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import InputError, TooLarge, UnsupportedVolume
from workbench.domain.progress import Progress
from workbench.imaging.read import nifti, textheaders
from workbench.imaging.read.canvas import Canvas
from workbench.imaging.read.limits import ReadLimits, check_voxels, in_words
from workbench.imaging.read.raster import Opener, Raster, blocks
from workbench.imaging.read.report import Source
from workbench.imaging.read.shapes import refuse_thin
from workbench.imaging.read.sniff import Kind
from workbench.imaging.read.unpack import Found

_CANNOT_SAY = "The file cannot say whether it is a CT: this format has no place for it. It was taken for one."


class _FileOpener:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> BinaryIO:
        return self._path.open("rb")


def read_header(found: Found, all_files: Sequence[Found]) -> Raster:
    """What the header of `found` says; data files named by it are looked for among `all_files` only."""
    open_file = _FileOpener(found.path)
    if found.kind is Kind.NIFTI:
        return nifti.read_header(open_file)

    def sibling(name: PurePosixPath) -> Opener | None:
        near = [each for each in all_files if each.name == found.name.parent / name]
        same_name = near or [each for each in all_files if each.name.name == name.name]
        return _FileOpener(same_name[0].path) if same_name and same_name[0] is not found else None

    return (textheaders.read_nrrd if found.kind is Kind.NRRD else textheaders.read_meta)(open_file, sibling)


def why_not_ct(found: Found, raster: Raster) -> InputError | None:
    """Why a volume with this header cannot be a CT, None where it can."""
    is_label = found.kind is Kind.NIFTI and nifti.is_label_map(_FileOpener(found.path))
    if is_label or (raster.dtype.itemsize == 1 and not raster.is_scaled):
        return UnsupportedVolume(
            "The file is a mask, or a picture of 256 grey levels: 8 bits cannot hold Hounsfield units."
            if not is_label
            else "The file is a mask: its header says that the values are labels.",
            hint="Upload the CT itself.",
        )
    try:
        refuse_thin(raster.shape)
    except UnsupportedVolume as error:
        return error
    return None


def read_raster(
    raster: Raster, out: Path, limits: ReadLimits, progress: Progress
) -> tuple[Canvas, NDArray[np.float64], Source]:
    """Read the voxels into `out`; returns what was met, the affine (RAS mm) and what the header said."""
    count = check_voxels(raster.shape, limits)
    if count * raster.dtype.itemsize > limits.max_bytes:
        raise TooLarge(
            f"The volume unpacks to {in_words(count * raster.dtype.itemsize)}; at most {in_words(limits.max_bytes)} "
            "are read here.",
            hint="Save it as 16-bit integers, or raise IMAGING_MAX_UPLOAD_MB.",
        )
    canvas = Canvas(out, raster.shape)
    done = 0
    for block in blocks(raster):
        progress.stage("Reading slices", done / count)
        canvas.put(done, block, raster.slope, raster.intercept)
        done += block.size
    if canvas.not_numbers == count:
        raise UnsupportedVolume("No voxel of the file holds a number: all are NaN or infinite.")
    source = Source(
        file_format=raster.file_format, description="", modality="unknown", warnings=(_CANNOT_SAY, *raster.warnings)
    )
    return canvas, raster.affine_ras_mm, source
