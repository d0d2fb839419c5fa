"""Colour DICOM images to RGB: GDCM decodes a copy that holds nothing but the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID

from workbench.domain.errors import UnreadableImage
from workbench.imaging.read.dicom_headers import pydicom_kept_quiet
from workbench.imaging.read.dicom_pixels import check_packed_size
from workbench.imaging.read.elements import value_of
from workbench.imaging.read.limits import storing
from workbench.imaging.read.picture_header import BROKEN, nameless

COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"})
"""Photometric interpretations of three samples (PS3.3 C.7.6.3.1.2)."""

_PIXEL_MODULE = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
)
_RLE = "1.2.840.10008.1.2.5"


def read_colours(path: Path, syntax: str, scratch: Path) -> NDArray[np.uint8]:
    """The one frame of a colour image as RGB (rows, columns, 3), whatever it is compressed with.

    Of more than 8 bits the upper 8 are taken.

    Raises:
        UnreadableImage: cut short, damaged, or stored in a way that is not read here.
        StorageFull: no room to decode.
    """
    try:
        with pydicom_kept_quiet(), nameless(path) as file:
            data = dcmread(file, force=True, specific_tags=list(_PIXEL_MODULE))
            stored = _bits(data, syntax)
            _check_whole(data, UID(syntax))
            with _alone(data, syntax, scratch) as copy:
                values = _decoded(copy)
            if values.shape != (data.Rows, data.Columns, 3):
                raise damaged()
    except BROKEN:
        raise damaged() from None
    return np.asarray(values if values.dtype == np.uint8 else (values >> (stored - 8)).astype(np.uint8))


def through_palette(stored: NDArray[np.generic], data: Dataset) -> NDArray[np.uint8]:
    """Stored values of a PALETTE COLOR image as RGB through the tables in `data`.

    Raises:
        UnreadableImage: a table is missing or damaged.
    """
    try:
        with pydicom_kept_quiet():
            colours = apply_color_lut(np.asarray(stored), data)
    except BROKEN:
        raise UnreadableImage(
            "The colour table of this DICOM image is missing or damaged.", hint="Export the picture as PNG."
        ) from None  # pydicom's texts may quote values
    rgb = colours[..., :3]
    return np.asarray(rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8))


def _bits(data: Dataset, syntax: str) -> int:
    """How many bits of a colour hold its value."""
    bits = int(value_of(data, "BitsAllocated", 8))
    stored = int(value_of(data, "BitsStored", bits))
    # GDCM mixes up the bytes of RLE with more than 8 bits.
    if bits not in (8, 16) or not 8 <= stored <= bits or (bits == 16 and syntax == _RLE):
        raise UnreadableImage(
            f"The colours of this DICOM image are stored in a way that is not read here ({stored} of {bits} bits).",
            hint="Export the picture with 8 bits a colour, or as PNG.",
        )
    if not UID(syntax).is_transfer_syntax or UID(syntax).is_private:
        raise UnreadableImage(
            "The pixels of the DICOM image are compressed in a way that is not read here.",
            hint="Export the image uncompressed, or as PNG.",
        )
    return stored


def _decoded(path: Path) -> NDArray[np.unsignedinteger]:
    try:
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError:
        raise damaged() from None  # ITK's text names the file
    return np.squeeze(SimpleITK.GetArrayFromImage(image))


def _check_whole(data: Dataset, syntax: UID) -> None:
    pixels = value_of(data, "PixelData")
    rows, columns = int(data.Rows), int(data.Columns)
    if not pixels:
        raise damaged()
    if syntax.is_transfer_syntax and syntax.is_encapsulated:
        try:
            packed = next(generate_frames(pixels, number_of_frames=1))
            check_packed_size(packed, columns, rows)
        except (ValueError, StopIteration, UnreadableImage):
            raise damaged() from None  # its words are about a series
        return
    samples = 2 if value_of(data, "PhotometricInterpretation") == "YBR_FULL_422" else 3
    if len(pixels) < rows * columns * samples * (int(value_of(data, "BitsAllocated", 8)) // 8):
        raise damaged()


@contextmanager
def _alone(data: Dataset, syntax: str, scratch: Path) -> Iterator[Path]:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    alone = Dataset()
    alone.file_meta = meta
    alone.SOPClassUID, alone.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    for name in _PIXEL_MODULE:
        if name in data:
            alone[name] = data[name]
    path = scratch / "colours.dcm"
    try:
        with storing("a picture being decoded"):
            alone.save_as(path, enforce_file_format=True)
        yield path
    finally:
        path.unlink(missing_ok=True)


def damaged() -> UnreadableImage:
    """The error for pixels of a DICOM image that cannot be had."""
    return UnreadableImage(
        "The pixels of the DICOM image are damaged or cut short.",
        hint="Copy or export the image again; an interrupted transfer is the usual cause.",
    )
