"""PNG and JPEG files to pixels, upright, without the text that may travel in them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.domain.errors import TooLarge, UnreadableImage
from workbench.imaging.read.picture_grey import through_percentiles
from workbench.imaging.read.picture_kinds import PictureFormat
from workbench.imaging.read.picture_stripped import Stripped, stripped_jpeg, stripped_png

MOST_PIXELS = 40_000_000
"""Four times the largest radiographs (mammograms, 4800 x 6000 pixels, come close to it)."""
MOST_SIDE_PX = 16_384
"""The longest radiographs, stitched spines, end near 10,000."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by its EXIF orientation (CIPA DC-008, 4.6.5, tag Orientation)."""
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError, struct.error, zlib.error)
"""All that Pillow raises for damaged files."""


def read_raster_picture(path: Path, picture_format: PictureFormat) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Grey (rows, columns) or RGB (rows, columns, 3) pixels of a PNG or JPEG, and what was done to them.

    The size is looked up before anything is decoded. A picture whose three colours are equal everywhere comes back
    grey. 16-bit grey is scaled between its percentiles 0.5 and 99.5. Colour profiles are left out.

    Raises:
        UnreadableImage: damaged, cut short, CMYK, or an animation.
        TooLarge: more than `MOST_PIXELS`, or a side longer than `MOST_SIDE_PX`.
    """
    is_png = picture_format is PictureFormat.PNG
    try:
        stripped = (stripped_png if is_png else stripped_jpeg)(path.read_bytes())
        check_size(stripped.columns, stripped.rows)
        _refuse_animation(stripped)
        with Image.open(io.BytesIO(stripped.content), formats=("PNG" if is_png else "JPEG",)) as image:
            _refuse_printing_colours(image)
            image.load()
            pixels, notes = _pixels(image)
    except _DAMAGED as error:
        raise UnreadableImage(
            f"The {picture_format.value} is damaged or cut short: not all of its pixels can be read.",
            hint="Copy or export the picture again; an interrupted transfer is the usual cause.",
        ) from error
    if stripped.orientation in _TURNS:
        pixels = np.asarray(Image.fromarray(pixels).transpose(_TURNS[stripped.orientation]))
        notes = (*notes, "Turned upright, as the camera had noted.")
    return pixels, notes


def check_size(columns: int, rows: int) -> None:
    """Raise `TooLarge` for a picture that is not decoded because of its size alone."""
    if columns * rows > MOST_PIXELS or max(columns, rows) > MOST_SIDE_PX:
        raise TooLarge(
            f"The picture has {columns:,} x {rows:,} pixels; at most {MOST_PIXELS / 1e6:.0f} million pixels and "
            f"{MOST_SIDE_PX:,} along a side are read here.",
            hint="Scale the picture down first: no more than 1,120 pixels along a side are looked at anyway.",
        )


def _refuse_animation(stripped: Stripped) -> None:
    if stripped.frames > 1:
        raise UnreadableImage(
            f"The PNG is an animation of {stripped.frames} pictures; one picture is asked about at a time.",
            hint="Save the picture that you mean as a PNG or JPEG of its own.",
        )


def _refuse_printing_colours(image: Image.Image) -> None:
    if image.mode == "CMYK":
        raise UnreadableImage(
            "The JPEG holds printing colours (CMYK), which no screen shows as they were meant.",
            hint="Save the picture as an RGB or grey JPEG, or as PNG.",
        )


def _pixels(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_deep(np.asarray(image))
    notes: tuple[str, ...] = ()
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        if clear.getchannel("A").getextrema() != (255, 255):
            notes = ("Transparent parts were laid over black.",)
            black = Image.new("RGBA", clear.size, (0, 0, 0, 255))
            clear = Image.alpha_composite(black, clear)
        image = clear.convert("RGB")
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return without_equal_colours(np.array(image)), notes


def without_equal_colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey pixels where red, green and blue are the same everywhere; else the pixels as they are."""
    if pixels.ndim == 3 and (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
        return np.ascontiguousarray(pixels[..., 0])
    return pixels


def _from_deep(values: NDArray[np.generic]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    grey, said = through_percentiles(values.astype(np.float32))
    return grey, (f"The picture has 16 bits. {said}",)
