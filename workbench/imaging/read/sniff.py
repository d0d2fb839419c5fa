"""What a file is, told by its first bytes: names and extensions are not believed."""

from __future__ import annotations

import struct
import zlib
from enum import StrEnum
from pathlib import Path

HEAD_BYTES = 4096


class Kind(StrEnum):
    """What the first bytes of a file say."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    NIFTI_PAIR = "half of a two-file NIfTI (.hdr and .img)"
    ANALYZE = "an Analyze 7.5 file"
    NRRD = "NRRD"
    META = "MetaImage"
    ZIP = "a zip archive"
    OTHER_ARCHIVE = "an archive that is not a zip"
    GZIP = "gzip-compressed data that hold no NIfTI"
    DAMAGED_GZIP = "a gzip file that is damaged"
    PICTURE = "a picture (PNG, JPEG, GIF, BMP, TIFF or WebP)"
    PDF = "a PDF"
    TEXT = "plain text"
    EMPTY = "an empty file"
    UNKNOWN = "of no kind known here"


IMAGES = frozenset({Kind.DICOM, Kind.NIFTI, Kind.NRRD, Kind.META})
"""Kinds from which a volume can come."""

_ARCHIVES = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


def kind_of(path: Path) -> Kind:
    """What the file at `path` is."""
    with path.open("rb") as file:
        return kind_of_bytes(file.read(HEAD_BYTES))


def kind_of_bytes(head: bytes) -> Kind:
    """What a file is that begins with `head` (the first 4096 bytes are enough)."""
    if not head:
        return Kind.EMPTY
    if head[128:132] == b"DICM":
        return Kind.DICOM
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return Kind.ZIP
    if head[:2] == b"\x1f\x8b":
        return _in_gzip(head)
    if head[:5] == b"NRRD0":
        return Kind.NRRD
    if (nifti := _nifti(head)) is not None:
        return nifti
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return Kind.OTHER_ARCHIVE
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Kind.PICTURE
    if head[:5] == b"%PDF-":
        return Kind.PDF
    if _is_meta(head):
        return Kind.META
    if _is_bare_dicom(head):
        return Kind.DICOM
    return Kind.TEXT if _is_text(head) else Kind.UNKNOWN


def _in_gzip(head: bytes) -> Kind:
    try:
        inner = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return Kind.DAMAGED_GZIP
    return Kind.NIFTI if _nifti(inner) is Kind.NIFTI else Kind.GZIP


def _nifti(head: bytes) -> Kind | None:
    # The first number is the size of the header, 348 (NIfTI-1, Analyze) or 540 (NIfTI-2), in either byte order.
    if len(head) < 348 or (size := _header_size(head)) is None:
        return None
    magic = head[344:348] if size == 348 else head[4:8]
    if magic[:3] in (b"n+1", b"n+2"):
        return Kind.NIFTI
    return Kind.NIFTI_PAIR if magic[:3] in (b"ni1", b"ni2") else Kind.ANALYZE


def _header_size(head: bytes) -> int | None:
    sizes = [struct.unpack(order + "i", head[:4])[0] for order in "<>"]
    return next((each for each in sizes if each in (348, 540)), None)


def _is_meta(head: bytes) -> bool:
    start = head[:1024].lstrip()
    return b"NDims" in head and start.startswith(
        (b"ObjectType", b"NDims", b"Comment", b"ObjectSubType", b"TransformType")
    )


def _is_bare_dicom(head: bytes) -> bool:
    # A data set without the 128-byte preamble begins with a low even group (0002 or 0008), little or big endian.
    if len(head) < 16:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if group in (0x0200, 0x0800):
        return head[4:6].isalpha() and head[4:6].isupper()
    if group not in (0x0002, 0x0008) or element > 0x1200:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or struct.unpack("<I", head[4:8])[0] < 1024


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(each.isprintable() or each in "\r\n\t\f" for each in text)
