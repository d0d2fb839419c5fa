"""NIfTI-1 and NIfTI-2 headers, taken as nibabel takes them, and refused where nibabel would guess."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from workbench.domain.errors import UnreadableImage, UnsupportedVolume
from workbench.imaging.read.raster import Codec, Opener, Raster
from workbench.imaging.read.shapes import three_axes

_HEADER_BYTES = 540
_COLOUR = (128, 2304)
_COMPLEX = (32, 1792, 2048)
_READABLE = (2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280)
_LABEL_INTENT = 1002
_UNITS = {1: "metres", 3: "micrometres"}


def read_header(open_file: Opener) -> Raster:
    """What the header of a `.nii` or `.nii.gz` says.

    The affine is the sform where its code is above 0, else the qform, as in nibabel. A file with neither is
    refused: nibabel would make up an orientation (nifti1.h, "METHOD 1").

    Raises:
        UnreadableImage: the header is damaged.
        UnsupportedVolume: 4-D, colour, complex, or without usable geometry.
    """
    with open_file() as file:
        head, codec = _head(file)
    header = _parse(head)
    shape = three_axes(_shape(header))
    code = int(header["datatype"])
    _refuse_kind(code)
    slope, intercept = _scaling(header)
    warnings = []
    if (unit := _UNITS.get(int(header["xyzt_units"]) & 7)) is not None:
        warnings.append(f"The header gives lengths in {unit}; they were taken as millimetres, as other programs do.")
    version = 2 if isinstance(header, nib.Nifti2Header) else 1
    return Raster(
        open_file=open_file,
        file_format=f"NIfTI-{version}" + (", gzip" if codec is Codec.GZIP else ""),
        shape=shape,
        dtype=header.get_data_dtype(),
        affine_ras_mm=_affine(header),
        codec=codec,
        skip=_offset(header),
        slope=slope,
        intercept=intercept,
        warnings=tuple(warnings),
    )


def is_label_map(open_file: Opener) -> bool:
    """Whether the header's intent says that the values are labels."""
    with open_file() as file:
        return int(_parse(_head(file)[0])["intent_code"]) == _LABEL_INTENT


def _head(file: BinaryIO) -> tuple[bytes, Codec]:
    start = file.read(1 << 16)
    if start[:2] != b"\x1f\x8b":
        return start[:_HEADER_BYTES], Codec.PLAIN
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _HEADER_BYTES), Codec.GZIP
    except zlib.error as error:
        raise UnreadableImage(
            "The gzip data of the NIfTI file are damaged.", hint="Copy or export the file again."
        ) from error


def _parse(head: bytes) -> Any:
    # check=False: nibabel's check repairs zero spacing to 1 mm, which would be a guess.
    two = head[4:7] == b"n+2"
    kind: Any = nib.Nifti2Header if two else nib.Nifti1Header
    size = 540 if two else 348
    if len(head) < size:
        raise UnreadableImage("The NIfTI file ends within its header.", hint="Copy or export the file again.")
    try:
        return kind(head[:size], check=False)
    except (HeaderDataError, ValueError) as error:
        raise UnreadableImage("The NIfTI header is damaged.", hint="Copy or export the file again.") from error


def _shape(header: Any) -> tuple[int, ...]:
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise UnreadableImage(f"The NIfTI header is damaged: it claims {axes} dimensions.")
    return tuple(int(each) for each in header.get_data_shape())


def _refuse_kind(code: int) -> None:
    if code in _COLOUR:
        raise UnsupportedVolume(
            "The file holds colours (RGB), not Hounsfield units.",
            hint="Export the CT itself, not a rendering or an overlay of it.",
        )
    if code in _COMPLEX:
        raise UnsupportedVolume("The file holds complex numbers, which a CT never does.")
    if code not in _READABLE:
        raise UnsupportedVolume(
            f"The file stores its voxels as NIfTI type {code}, which is not read here.",
            hint="Save it as 16-bit integers or 32-bit floats.",
        )


def _scaling(header: Any) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    if not np.isfinite(intercept):
        raise UnreadableImage("The NIfTI header is damaged: its scaling intercept is not a number.")
    return slope, intercept


def _offset(header: Any) -> int:
    offset = float(header["vox_offset"])
    least = int(header["sizeof_hdr"])
    if not np.isfinite(offset) or offset < 0 or offset > 2**40:
        raise UnreadableImage("The NIfTI header is damaged: its voxels cannot begin where it says.")
    # 0 is written by some programs for "right after the header and its four extension bytes".
    return int(offset) if offset >= least else least + 4


def _affine(header: Any) -> NDArray[np.float64]:
    if int(header["sform_code"]) > 0:
        return np.array(header.get_sform(), dtype=np.float64)
    if int(header["qform_code"]) <= 0:
        raise UnsupportedVolume(
            "The NIfTI file does not say how it lies in the patient: neither its sform nor its qform is set, "
            "so left and right cannot be told apart.",
            hint="Convert the original DICOM again (for example with dcm2niix), or set the orientation in 3D Slicer.",
        )
    steps = np.abs(np.array(header["pixdim"][1:4], dtype=np.float64))
    if not np.isfinite(steps).all() or (steps == 0).any():
        raise UnsupportedVolume(
            "The file's geometry is unusable: its voxel spacing is zero or not a number.",
            hint="Export the volume again from the scanner or the archive with its position and spacing.",
        )
    positive = header.copy()
    positive["pixdim"][1:4] = steps
    try:
        return np.array(positive.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise UnsupportedVolume(
            "The file's geometry is unusable: its qform is not a rotation.",
            hint="Export the volume again, or set the orientation in 3D Slicer.",
        ) from error
