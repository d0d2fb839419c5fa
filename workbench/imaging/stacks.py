"""Slices as bytes for the browser: several in one body, nothing on disk.

A body is `u32 count`, `u32 length` for each slice, then the slices one after the other, all little-endian.
`raw16` holds int16 HU by rows, `label` zlib-compressed uint8 labels by rows, `jpeg` a windowed grey JPEG.
"""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid
from workbench.imaging.slices import Window, apply_window, slice_count, slice_of

KINDS = ("raw16", "jpeg", "label")
MOST_SLICES = 64
"""Most slices in one body, so that no answer holds a worker for long."""


def stack_bytes(
    array: NDArray[Any],
    grid: Grid,
    kind: str,
    plane: str,
    start: int,
    n: int,
    *,
    center: float = 50,
    width: float = 400,
    quality: int = 85,
) -> bytes:
    """Slices `start` (from 1) to `start + n - 1` of a volume in HU or a label map (i, j, k), as one body.

    The body ends at the last slice of the volume, or after `MOST_SLICES`. `center` and `width` (HU) and `quality`
    (1..95) matter to `jpeg` only.

    Raises:
        InvalidRequest: unknown kind or plane, a start outside the volume, a window or quality out of range.
    """
    if kind not in KINDS:
        raise InvalidRequest(f"There is no stack “{kind[:20]}”.", hint="Kinds are raw16, jpeg and label.")
    last = min(start + min(n, MOST_SLICES) - 1, slice_count(grid, plane))
    if n < 1:
        raise InvalidRequest("A stack needs at least one slice.")
    if not 1 <= quality <= 95:
        raise InvalidRequest("JPEG quality runs from 1 to 95.")
    window = Window(center=center, width=width)
    numbers = range(start, max(last, start) + 1)
    slices = [_encode(slice_of(array, grid, plane, number), kind, window, quality) for number in numbers]
    return pack(slices)


def pack(bodies: list[bytes]) -> bytes:
    """Count, lengths, bodies."""
    return struct.pack(f"<{len(bodies) + 1}I", len(bodies), *map(len, bodies)) + b"".join(bodies)


def unpack(body: bytes) -> list[bytes]:
    """What `pack` packed."""
    (count,) = struct.unpack_from("<I", body)
    lengths = struct.unpack_from(f"<{count}I", body, 4)
    ends = np.cumsum([4 + 4 * count, *lengths]).tolist()
    return [body[begin:end] for begin, end in pairwise(ends)]


def _encode(picture: NDArray[Any], kind: str, window: Window, quality: int) -> bytes:
    if kind == "raw16":
        return picture.astype("<i2", copy=False).tobytes()
    if kind == "label":
        return zlib.compress(picture.astype(np.uint8, copy=False).tobytes(), level=1)
    out = io.BytesIO()
    Image.fromarray(apply_window(picture, window)).save(out, "JPEG", quality=quality)
    return out.getvalue()
