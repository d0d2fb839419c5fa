"""Which picture format a file has, told by its first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType


class PictureFormat(StrEnum):
    """A format of a single picture."""

    PNG = "PNG"
    JPEG = "JPEG"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"
    WEBP = "WebP"
    HEIF = "HEIC or AVIF"
    JPEG_2000 = "JPEG 2000"
    JPEG_XL = "JPEG XL"


NOT_READ: Mapping[PictureFormat, str] = MappingProxyType(
    {
        PictureFormat.GIF: "a GIF, which may be an animation and is not read here",
        PictureFormat.BMP: "a BMP picture, which is not read here",
        PictureFormat.TIFF: "a TIFF picture, which may hold several pages and is not read here",
        PictureFormat.WEBP: "a WebP picture, which is not read here",
        PictureFormat.HEIF: "a HEIC or AVIF photograph, which is not read here",
        PictureFormat.JPEG_2000: "a bare JPEG 2000 picture, which is read here only inside DICOM",
        PictureFormat.JPEG_XL: "a JPEG XL picture, which is not read here",
    }
)

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", PictureFormat.PNG),
    (b"\xff\xd8\xff", PictureFormat.JPEG),
    (b"GIF8", PictureFormat.GIF),
    (b"II*\x00", PictureFormat.TIFF),
    (b"MM\x00*", PictureFormat.TIFF),
    (b"II+\x00", PictureFormat.TIFF),
    (b"MM\x00+", PictureFormat.TIFF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", PictureFormat.JPEG_2000),
    (b"\xff\x4f\xff\x51", PictureFormat.JPEG_2000),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", PictureFormat.JPEG_XL),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_HEAD = 132


def format_of(path: Path) -> PictureFormat | None:
    """The format of the picture at `path`, None where it is no picture or a DICOM image."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[128:132] == b"DICM":  # the 128 bytes before it may be anything, a TIFF's beginning too (PS3.10 7.1)
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return PictureFormat.WEBP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return PictureFormat.HEIF
    # Two letters are too few to believe in: the reserved bytes of a BMP are zero too.
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return PictureFormat.BMP
    return next((each for start, each in _STARTS if head.startswith(start)), None)
