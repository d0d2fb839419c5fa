"""Stored pixel values of DICOM files, whatever they are compressed with."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from workbench.domain.errors import UnreadableImage, UnsupportedVolume
from workbench.imaging.read.dicom_headers import Pixels
from workbench.imaging.read.limits import storing

_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_PLAIN = frozenset({_IMPLICIT, "1.2.840.10008.1.2.1", _BIG_ENDIAN})
_PACKED = {
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}
_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF
_LONG_LENGTH = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN")

# GDCM writes remarks with file names straight to standard error.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # type: ignore[no-untyped-call] # SWIG


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Stored values of one frame, flat, rows one after the other.

    `was_cut` tells that bits above BitsStored were set and dropped: old files keep overlays there, and PS3.5
    8.1.1 says to ignore them.
    """

    values: NDArray[Any]
    was_cut: bool = False


def compression(pixels: Pixels) -> str | None:
    """The name of the compression, None for plain pixels."""
    return _PACKED.get(pixels.syntax)


def is_lossy(pixels: Pixels) -> bool:
    """Whether values were changed by compression, as far as the header tells."""
    return pixels.lossy or pixels.syntax in _LOSSY


def stored_frames(pixels: Pixels, scratch: Path) -> Iterator[Stored]:
    """The stored values of every frame of one file, in file order.

    Raises:
        UnreadableImage: the file ends early, or cannot be decoded.
        UnsupportedVolume: compressed in a way that is not read here.
    """
    with pixels.path.open("rb") as file:
        length = _enter(file, pixels)
        if pixels.syntax in _PLAIN:
            yield from _plain(file, pixels, length)
        elif pixels.syntax in _PACKED:
            yield from _packed(file, pixels, scratch)
        else:
            raise UnsupportedVolume(
                "The DICOM pixels are compressed in a way that is not read here (transfer syntax "
                f"{UID(pixels.syntax).name if UID(pixels.syntax).is_transfer_syntax else 'unknown'}).",
                hint="Export the series uncompressed, or as JPEG 2000, JPEG-LS, JPEG lossless or RLE.",
            )


def _enter(file: BinaryIO, pixels: Pixels) -> int:
    """Move to the first byte of the pixel data; returns its length."""
    file.seek(pixels.at)
    order = ">" if pixels.syntax == _BIG_ENDIAN else "<"
    head = file.read(12)
    if len(head) < 12:
        raise _cut_short()
    if head[4:6] in _LONG_LENGTH and pixels.syntax != _IMPLICIT:
        return int(struct.unpack(order + "I", head[8:12])[0])
    file.seek(pixels.at + 8)
    return int(struct.unpack(order + "I", head[4:8])[0])


def _plain(file: BinaryIO, pixels: Pixels, length: int) -> Iterator[Stored]:
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")
    dtype = dtype.newbyteorder(">" if pixels.syntax == _BIG_ENDIAN else "<")
    size = pixels.rows * pixels.columns * dtype.itemsize
    if length != _UNDEFINED and length < size * pixels.frames:
        raise UnreadableImage(
            f"A DICOM file of the series holds fewer pixels than its header says: {pixels.columns} x {pixels.rows}"
            f"{f' x {pixels.frames}' if pixels.frames > 1 else ''} are promised.",
            hint="Export the series again.",
        )
    for _ in range(pixels.frames):
        block = file.read(size)
        if len(block) < size:
            raise _cut_short()
        stored = np.frombuffer(block, dtype)
        if _exceeds(stored, pixels):
            yield Stored(values=_within_bits(stored, pixels), was_cut=True)
        else:
            yield Stored(values=stored)


def _within_bits(stored: NDArray[Any], pixels: Pixels) -> NDArray[Any]:
    spare = pixels.bits_allocated - pixels.bits_stored
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    cut = (native << spare) >> spare
    if pixels.padding is None:
        return np.asarray(cut)
    is_padding = (native >= pixels.padding[0]) & (native <= pixels.padding[1])
    return np.where(is_padding, native, cut)


def _exceeds(stored: NDArray[Any], pixels: Pixels) -> bool:
    if pixels.bits_stored == pixels.bits_allocated:
        return False
    if pixels.signed:
        half = 2 ** (pixels.bits_stored - 1)
        return bool(stored.min() < -half or stored.max() >= half)
    return bool(stored.max() >= 2**pixels.bits_stored)


def _packed(file: BinaryIO, pixels: Pixels, scratch: Path) -> Iterator[Stored]:
    start = file.tell()
    count = 0
    try:
        _check_whole(file)
        file.seek(start)
        for packed in generate_frames(file, number_of_frames=pixels.frames):
            count += 1
            if count > pixels.frames:
                break
            yield Stored(values=_decoded(packed, pixels, scratch))
    except (ValueError, EOFError, struct.error):
        raise _cut_short() from None
    if count < pixels.frames:
        raise _cut_short()


def _check_whole(file: BinaryIO) -> None:
    """Follow the items to their end: a decoder would make something up from half a picture.

    Raises:
        EOFError: the last item is cut.
    """
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start)
    while len(head := file.read(8)) == 8:
        tag, length = head[:4], struct.unpack("<I", head[4:])[0]
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM or file.seek(length, 1) > end:
            raise EOFError
    raise EOFError


def _decoded(packed: bytes, pixels: Pixels, scratch: Path) -> NDArray[Any]:
    check_packed_size(packed, pixels.columns, pixels.rows)
    path = scratch / "frame.dcm"
    with storing("a slice being decoded"):
        _write_alone(packed, pixels, path)
    try:
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError:
        raise UnreadableImage(
            f"A slice of the series cannot be decoded: its {_PACKED[pixels.syntax]} data are damaged.",
            hint="Export the series again, or uncompressed.",
        ) from None  # ITK's text names the file
    finally:
        path.unlink(missing_ok=True)
    values = SimpleITK.GetArrayViewFromImage(image)
    if values.size != pixels.rows * pixels.columns:
        raise UnreadableImage("A slice of the series decodes to another size than its header says.")
    return np.array(values).reshape(-1)


def _write_alone(packed: bytes, pixels: Pixels, path: Path) -> None:
    """Write one compressed picture as a DICOM file of its own, without rescale values and without the patient.

    GDCM would apply the rescale values of the original file, and only those of its first frame.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(pixels.syntax)
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    alone = Dataset()
    alone.file_meta = meta
    alone.SOPClassUID = meta.MediaStorageSOPClassUID
    alone.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    alone.SamplesPerPixel = 1
    alone.PhotometricInterpretation = "MONOCHROME2"
    alone.Rows, alone.Columns = pixels.rows, pixels.columns
    alone.BitsAllocated, alone.BitsStored = pixels.bits_allocated, pixels.bits_stored
    alone.HighBit, alone.PixelRepresentation = pixels.bits_stored - 1, int(pixels.signed)
    alone.PixelData = encapsulate([packed])
    alone["PixelData"].VR = "OB"
    alone["PixelData"].is_undefined_length = True
    alone.save_as(path, enforce_file_format=True)


def check_packed_size(packed: bytes, columns: int, rows: int) -> None:
    """Refuse a compressed picture whose own header claims another size, before a decoder makes room for it."""
    size = _jpeg2000_size(packed) or _jpeg_size(packed)
    if size is not None and size != (columns, rows):
        raise UnreadableImage(
            f"A slice of the series is damaged: its compressed picture is {size[0]} x {size[1]} pixels, "
            f"and its header says {columns} x {rows}.",
            hint="Export the series again.",
        )


def _jpeg2000_size(packed: bytes) -> tuple[int, int] | None:
    # SIZ marker, ISO/IEC 15444-1 A.5.1: image size less image offset.
    at = packed.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or len(packed) < at + 24:
        return None
    right, bottom, left, top = struct.unpack(">IIII", packed[at + 8 : at + 24])
    return right - left, bottom - top


def _jpeg_size(packed: bytes) -> tuple[int, int] | None:
    # Frame headers SOF0..SOF15 and SOF55 (JPEG-LS), ITU-T T.81 B.2.2 and T.87 C.2.2.
    if packed[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(packed) and packed[at] == 0xFF:
        marker = packed[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width = struct.unpack(">HH", packed[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", packed[at + 2 : at + 4])[0]
    return None


def _cut_short() -> UnreadableImage:
    return UnreadableImage(
        "A DICOM file of the series ends before its last pixel: it was cut short.",
        hint="Copy or export the series again; an interrupted transfer is the usual cause.",
    )
