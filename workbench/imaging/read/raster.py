"""Voxels that lie in one run of bytes, plain or compressed: what NIfTI, NRRD and MetaImage have in common."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from workbench.domain.errors import UnreadableImage

BLOCK_VOXELS = 1 << 20
_PIECE = 1 << 18
_BYTES_AT_ONCE = 1 << 19
_TAIL = 1 << 20
"""Bytes after the last voxel that are read for the sake of the checksum at the end of the stream."""


class Codec(StrEnum):
    """How the run of bytes is packed."""

    PLAIN = "not compressed"
    GZIP = "gzip"
    ZLIB = "zlib"
    BZIP2 = "bzip2"


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Where voxels are and what they mean; no voxel is read yet.

    `shape` is (i, j, k), i fastest in the file. `dtype` has the byte order of the file. `start` is the byte of
    the file at which the (packed) run begins, `skip` the unpacked bytes before the first voxel. HU are stored
    values x `slope` + `intercept`. `warnings` come from the header alone.
    """

    open_file: Opener
    file_format: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    affine_ras_mm: NDArray[np.float64]
    codec: Codec = Codec.PLAIN
    start: int = 0
    skip: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_scaled(self) -> bool:
        """Whether stored values are not the values meant."""
        return (self.slope, self.intercept) != (1.0, 0.0)


class Opener(Protocol):
    """Opens the file that holds the voxels."""

    def __call__(self) -> BinaryIO:
        """A stream at the file's beginning."""


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = ...) -> bytes: ...


class _PackedStream:
    """Reads exact numbers of unpacked bytes from a compressed file, never holding more than a piece."""

    def __init__(self, file: BinaryIO, codec: Codec) -> None:
        self._file = file
        self._codec = codec
        self._unpacker = self._new()
        self._packed = b""

    def _new(self) -> _Unpacker:
        if self._codec is Codec.BZIP2:
            return bz2.BZ2Decompressor()
        # 47: zlib or gzip, told apart by zlib itself; MetaImage writers use both.
        return isal_zlib.decompressobj(wbits=47)

    def read_into(self, target: memoryview) -> int:
        """Fill `target`; returns how many bytes there were."""
        filled = 0
        while filled < len(target):
            piece = self._next(len(target) - filled)
            if not piece:
                break
            target[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def _next(self, most: int) -> bytes:
        while True:
            if self._unpacker.eof:
                # bgzip and pigz may write several gzip members in a row; after the last come zeros or nothing.
                self._packed = self._unpacker.unused_data or self._file.read(_PIECE)
                if self._codec is not Codec.GZIP or self._packed[:2] != b"\x1f\x8b":
                    return b""
                self._unpacker = self._new()
            if not self._packed and self._wants_input():
                self._packed = self._file.read(_PIECE)
                if not self._packed:
                    return b""
            piece = self._unpacker.decompress(self._packed, max_length=min(most, _BYTES_AT_ONCE))
            self._packed = getattr(self._unpacker, "unconsumed_tail", b"")
            if piece:
                return piece

    def _wants_input(self) -> bool:
        return getattr(self._unpacker, "needs_input", True)

    def finish(self) -> None:
        """Read on to the end, a megabyte at most, so that the stream's own checksum is compared.

        Raises:
            EOFError: the stream ends before its end mark.
        """
        left = _TAIL
        while left > 0 and (piece := self._next(left)):
            left -= len(piece)
        if left > 0 and not self._unpacker.eof:
            raise EOFError


class _PlainStream:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read_into(self, target: memoryview) -> int:
        filled = 0
        while filled < len(target) and (piece := self._file.read(len(target) - filled)):
            target[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def finish(self) -> None:
        """Nothing follows that matters."""


def blocks(raster: Raster) -> Iterator[NDArray[Any]]:
    """The stored voxels in file order, about a million at a time; unpacked one block ahead in a thread.

    Raises:
        UnreadableImage: the file ends early, or its packing is damaged.
    """
    count = int(np.prod(raster.shape, dtype=np.int64))
    with raster.open_file() as file, ThreadPoolExecutor(1) as ahead:
        file.seek(raster.start)
        stream = _PlainStream(file) if raster.codec is Codec.PLAIN else _PackedStream(file, raster.codec)
        try:
            _skip(stream, raster.skip)
            sizes = [min(BLOCK_VOXELS, count - start) for start in range(0, count, BLOCK_VOXELS)]
            coming = ahead.submit(_read, stream, sizes[0], raster.dtype)
            for size in [*sizes[1:], 0]:
                block = coming.result()
                coming = ahead.submit(_read, stream, size, raster.dtype)
                yield block
            stream.finish()
        except EOFError:
            raise UnreadableImage(
                f"The {raster.file_format} file ends before its last voxel: its header promises "
                f"{' x '.join(map(str, raster.shape))} voxels. It was cut short, or its header is wrong.",
                hint="Copy or export the file again; an interrupted download is the usual cause.",
            ) from None
        except (isal_zlib.error, OSError) as error:  # type: ignore[misc]  # isal's stub is wrong
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise UnreadableImage(
                f"The compressed data of the {raster.file_format} file are damaged.",
                hint="Copy or export the file again.",
            ) from error


def _read(stream: _PlainStream | _PackedStream, voxels: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    buffer = bytearray(voxels * dtype.itemsize)
    if stream.read_into(memoryview(buffer)) < len(buffer):
        raise EOFError
    return np.frombuffer(buffer, dtype)


def _skip(stream: _PlainStream | _PackedStream, count: int) -> None:
    while count > 0:
        buffer = memoryview(bytearray(min(count, _PIECE)))
        if stream.read_into(buffer) < len(buffer):
            raise EOFError
        count -= len(buffer)
