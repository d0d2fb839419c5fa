"""Which members of a NIM's zip may be opened. Nothing is ever written under a member's own name."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

MOST_MEMBERS = 1000
_PIECE = 1 << 18


def is_safe(member: zipfile.ZipInfo) -> bool:
    """Not a folder, link, `*.response`, hidden file, or a name that leads out of the archive."""
    # ZipInfo cuts names at a NUL and turns the system's separator into "/": judge what the archive said.
    name = member.orig_filename
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    link = stat.S_ISLNK(member.external_attr >> 16)
    return not (outside or link or member.is_dir() or path.name.startswith(".") or name.lower().endswith(".response"))


def extension(name: str, among: Sequence[str]) -> str | None:
    """The extension of `among` with which the name ends, in any case; None without one."""
    return next((each for each in among if name.lower().endswith(each)), None)


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    """A member as a stream, unpacked several times faster than by zipfile where it is deflated; its checksum is kept.

    Raises, while it is read as well:
        BadZipFile: damaged.
    """
    if member.compress_type != zipfile.ZIP_DEFLATED or member.flag_bits & 0x1 or not isinstance(archive.filename, str):
        return cast(BinaryIO, archive.open(member))
    return cast(BinaryIO, io.BufferedReader(_Inflated(Path(archive.filename), member), _PIECE))


class _Inflated(io.RawIOBase):
    """The bytes of a deflated member (APPNOTE.TXT 4.3.7: local header of 30 bytes, name, extra field, data)."""

    def __init__(self, path: Path, member: zipfile.ZipInfo) -> None:
        # Loads the accelerated zlib, which only readers need.
        from isal import isal_zlib  # noqa: PLC0415

        self._zlib: Any = isal_zlib
        self._member = member
        self._file = path.open("rb")
        self._file.seek(member.header_offset)
        head = self._file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            self._file.close()
            raise zipfile.BadZipFile("no local header")
        self._file.seek(sum(struct.unpack("<HH", head[26:30])), io.SEEK_CUR)
        self._start = self._file.tell()
        self._rewind()

    def _rewind(self) -> None:
        self._file.seek(self._start)
        self._left = self._member.compress_size
        self._unpacker: Any = self._zlib.decompressobj(wbits=-15)
        self._packed = b""
        self._at = 0
        self._crc = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place counted from the start, or stay (`SEEK_CUR`, 0), by unpacking up to it."""
        if whence == io.SEEK_CUR and offset == 0:
            return self._at
        if whence != io.SEEK_SET or offset < 0:
            raise io.UnsupportedOperation("a packed member is read from its start")
        if offset < self._at:
            self._rewind()
        while self._at < offset and self._next(min(offset - self._at, _PIECE)):
            pass
        return self._at

    def readinto(self, target: Any) -> int:
        with memoryview(target) as view:
            piece = self._next(len(view))
            view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _next(self, most: int) -> bytes:
        piece = b""
        while not piece and not self._unpacker.eof:
            if not self._packed:
                self._packed = self._file.read(min(_PIECE, self._left))
                self._left -= len(self._packed)
            starved = not self._packed
            try:
                piece = self._unpacker.decompress(self._packed, max_length=most)
            except self._zlib.error as error:
                raise zipfile.BadZipFile("damaged data") from error
            self._packed = self._unpacker.unconsumed_tail
            if starved and not piece and not self._unpacker.eof:
                raise EOFError("the member ends before its end mark")
        self._at += len(piece)
        self._crc = self._zlib.crc32(piece, self._crc)
        if self._unpacker.eof and not piece and self._crc != self._member.CRC:
            raise zipfile.BadZipFile("checksum differs")
        return piece
