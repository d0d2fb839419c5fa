"""Pixels to the bytes that are sent: small enough, marked beside the anatomy, the same every time."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.domain.picture import LONGEST_PX, MOST_INLINE_CHARACTERS
from workbench.imaging.render import mark_margins, mark_round

_QUALITIES = (95, 90, 85, 80)
"""Pillow's JPEG qualities, tried from the best; below 80 the blocks show in soft tissue."""
_TOO_LARGE_FOR_ALL = 90
"""Where no quality fits, the picture travels as a file of its own, and nothing is gained by a low one."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An encoded picture. `mm_per_px` is that of the encoded pixels, the same along both sides."""

    encoded: bytes = field(repr=False)
    media_type: str
    width_px: int
    height_px: int
    mm_per_px: float | None
    notes: tuple[str, ...] = ()


def encode_picture(pixels: NDArray[np.uint8], *, mark: str | None, mm_per_px: float | None = None) -> Drawn:
    """JPEG of grey (rows, columns) or RGB (rows, columns, 3) pixels, at most `LONGEST_PX` along its longer side.

    A larger picture is scaled down, a smaller one left as it is. The mark stands in a frame round the picture, so
    that it covers no anatomy; the frame is as wide on the left as on the right, and as high above as below. Colour is
    not subsampled (4:4:4). The best quality is taken whose base64 text stays below `MOST_INLINE_CHARACTERS`; where
    none does, the picture is larger than that. The file holds nothing but pixels: no EXIF, no comment, no profile.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    original = image.size
    fitting = _fitting(original, mark)
    notes: list[str] = []
    if fitting != original:
        image = image.resize(fitting, Image.Resampling.LANCZOS)
        notes.append(
            f"Scaled down from {original[0]} x {original[1]} to {fitting[0]} x {fitting[1]} pixels: vision models "
            f"look at no more than {LONGEST_PX} along a side."
        )
        mm_per_px = None if mm_per_px is None else mm_per_px * max(original) / max(fitting)
    image = mark_round(image, mark)
    quality, encoded = _smallest_loss(image)
    if not _fits_inline(encoded):
        notes.append(f"JPEG quality {quality} of 100; still too large to travel inside a request to the catalogue.")
    elif quality != _QUALITIES[0]:
        notes.append(f"JPEG quality {quality} of 100, to keep it small enough to send.")
    return Drawn(
        encoded=encoded,
        media_type="image/jpeg",
        width_px=image.width,
        height_px=image.height,
        mm_per_px=mm_per_px,
        notes=tuple(notes),
    )


def _fitting(size: tuple[int, int], mark: str | None) -> tuple[int, int]:
    """The size to which a picture is scaled down, so that it fits together with the frame of its mark."""
    room = LONGEST_PX, LONGEST_PX
    if mark is not None:
        aside, above = mark_margins(_within(size, room), mark)
        room = LONGEST_PX - 2 * aside, LONGEST_PX - 2 * above
    return _within(size, room)


def _within(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    share = min(1.0, room[0] / size[0], room[1] / size[1])
    return (size[0], size[1]) if share == 1 else (max(1, round(size[0] * share)), max(1, round(size[1] * share)))


def _smallest_loss(image: Image.Image) -> tuple[int, bytes]:
    tried = {}
    for quality in _QUALITIES:
        tried[quality] = _jpeg(image, quality)
        if _fits_inline(tried[quality]):
            return quality, tried[quality]
    return _TOO_LARGE_FOR_ALL, tried[_TOO_LARGE_FOR_ALL]


def _fits_inline(encoded: bytes) -> bool:
    """Whether its base64 text stays below the limit."""
    return 4 * -(-len(encoded) // 3) < MOST_INLINE_CHARACTERS


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()
