"""PNG and JPEG files without what is written beside their pixels, before any decoder sees them.

EXIF, comments, profiles, thumbnails and whatever else may name a person, a place or a device is left out here;
only how the picture is to be turned is kept.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""All that pixels need (PNG, third edition, 5.6)."""
_START_OF_SCAN = 0xDA
_JPEG_KEPT = frozenset({*range(0xC0, 0xE1), 0xEE}) - {_START_OF_SCAN}
"""Frames and tables, the JFIF header (APP0), and the Adobe marker (APP14), which tells RGB and CMYK from YCbCr."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1 = 0xE1
_EXIF = b"Exif\x00\x00"
_ORIENTATION, _SHORT = 0x0112, 3


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """A file of pixels alone. `orientation` is that of EXIF, 1..8; `frames` counts the pictures of an animation."""

    content: bytes = field(repr=False)
    columns: int
    rows: int
    orientation: int = 1
    frames: int = 1


def stripped_png(content: bytes) -> Stripped:
    """A PNG without its text, its time, its EXIF and its profile. Checksums of what is kept are compared.

    Raises:
        EOFError: it ends before its end, or before it says how large it is.
        ValueError: a checksum is wrong.
    """
    parts, orientation, frames = [_PNG_START], 1, 1
    at = len(_PNG_START)
    columns, rows = 0, 0
    while True:
        head = content[at : at + 8]
        if len(head) < 8:
            raise EOFError
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 12 + length
        data = memoryview(content)[at + 8 : end - 4]
        if name == b"IHDR":
            columns, rows = struct.unpack(">II", data[:8])
        if end > len(content):
            raise EOFError
        if name in _PNG_KEPT:
            if zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(content[end - 4 : end], "big"):
                raise ValueError
            parts.append(content[at:end])
        elif name == b"eXIf":
            orientation = exif_orientation(bytes(data))
        elif name == b"acTL":
            frames = int.from_bytes(data[:4], "big")
        if name == b"IEND":
            return Stripped(content=b"".join(parts), columns=columns, rows=rows, orientation=orientation, frames=frames)
        at = end


def stripped_jpeg(content: bytes) -> Stripped:
    """A JPEG without comments and application segments that decoding does not need; of several pictures the first.

    Raises:
        EOFError: it ends before its scan, or before it says how large it is.
        ValueError: a segment is not where it should be.
    """
    parts, orientation, size = [content[:2]], 1, None
    at = 2
    while True:
        head = content[at : at + 4]
        if len(head) < 4:
            raise EOFError
        if head[0] != 0xFF:
            raise ValueError
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker == 0xFF:  # fill bytes may stand before a marker (ITU-T T.81, B.1.1.2)
            at += 1
            continue
        if marker == _START_OF_SCAN:
            break
        segment = content[at : at + 2 + length]
        if length < 2 or len(segment) < 2 + length:
            raise EOFError
        if marker in _FRAMES:
            rows, columns = struct.unpack(">HH", segment[5:9])
            size = columns, rows
        if marker == _APP1 and segment[4:10] == _EXIF:
            orientation = exif_orientation(segment[10:])
        if marker in _JPEG_KEPT:
            parts.append(segment)
        at += len(segment)
    if size is None:
        raise ValueError
    return Stripped(content=b"".join([*parts, content[at:]]), columns=size[0], rows=size[1], orientation=orientation)


def exif_orientation(exif: bytes) -> int:
    """The orientation 1..8 in the first directory of EXIF data (CIPA DC-008, 4.6.2); 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * number)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
