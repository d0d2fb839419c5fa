"""A picture of one slice to take away: true proportions, letters, scale, position, and who made it.

Text is set in the DejaVu Sans that comes with matplotlib, so that a picture is the same on every machine.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.slices import (
    Window,
    apply_window,
    letters,
    pixel_mm,
    position_text,
    slice_count,
    slice_of,
)

BAND_PX = 12
AMBER = (240, 180, 41)
_BLACK = (0, 0, 0)
_WHITE = (231, 235, 240)
_MARGIN = 14


def render_view(
    volume: Volume,
    labels: NDArray[np.uint8] | None,
    *,
    plane: str,
    slice_number: int,
    window: Window,
    opacity: float = 0.4,
    outline: bool = False,
    visible: Iterable[int] | None = None,
    safe_colours: bool = False,
    mark: str | None = None,
    caption: str = "",
    longest_px: int = 1024,
) -> bytes:
    """PNG of one slice, its longer side `longest_px` pixels, under it a line with slice, position, window, caption.

    `slice_number` counts from 1 as in `slices`; `visible` None shows every structure; `mark` is MOCK, SYNTHETIC, both
    or None and is decided by the provenance, not here.

    Raises:
        InvalidRequest: no such plane or slice, opacity outside 0..1, a size outside 64..4096.
    """
    if not 0 <= opacity <= 1:
        raise InvalidRequest("Opacity runs from 0 to 1.")
    if not 64 <= longest_px <= 4096:
        raise InvalidRequest("A picture is 64 to 4096 pixels long.")
    grey = apply_window(slice_of(volume.voxels_hu, volume.grid, plane, slice_number), window)
    size, px_per_mm = _size(grey.shape, pixel_mm(volume.grid, plane), longest_px)
    picture = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB"))
    if labels is not None:
        mask = np.ascontiguousarray(slice_of(labels, volume.grid, plane, slice_number))
        enlarged = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        colours = usual_colours(mask, visible, safe=safe_colours)
        picture = paint(picture, enlarged, colours, opacity=opacity, outline=outline)
    image = Image.fromarray(picture)
    _annotate(image, plane, px_per_mm)
    image = mark_picture(image, mark)
    count = slice_count(volume.grid, plane)
    facts = f"{plane} {slice_number} / {count}   {position_text(volume.grid, plane, slice_number)}   W {window.width:g}"
    return _png(
        _with_caption(image, f"{facts} L {window.center:g}".replace("L -", "L \N{MINUS SIGN}"), caption, mark), mark
    )


def mark_picture(image: Image.Image, mark: str | None) -> Image.Image:
    """The picture with the amber diagonal band along its edge and the word (MOCK, SYNTHETIC) in its corner.

    `None` gives the picture back as it is. Nothing else may draw this band.
    """
    if mark is None:
        return image
    short = min(image.size)
    return _with_band(image, mark, _band_px(short), _mark_font(short))


def mark_round(image: Image.Image, mark: str | None) -> Image.Image:
    """The picture in the middle of a frame that holds the band and the word of `mark_picture`: no pixel is covered.

    `None` gives the picture back as it is.
    """
    if mark is None:
        return image
    short = min(image.size)
    font = _mark_font(short)
    aside, above = mark_margins(image.size, mark)
    frame = Image.new("RGB", (image.width + 2 * aside, image.height + 2 * above))
    frame.paste(image, (aside, above))
    return _with_band(frame, mark, _band_px(short), font)


def mark_margins(size: tuple[int, int], mark: str) -> tuple[int, int]:
    """Pixels that `mark_round` adds on the left and on the right, and as many above and below."""
    short = min(size)
    band = _band_px(short)
    wide, high = _word_box(mark, _mark_font(short))
    return max(band, -(-(wide + 2 * band - size[0]) // 2)), band + high + 1


def _band_px(short: int) -> int:
    return min(BAND_PX, max(3, short // 12))


def _mark_font(short: int) -> ImageFont.FreeTypeFont:
    return _font(max(9, min(20, short // 10)), bold=True)


def _word_box(mark: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    left, top, right, bottom = (round(each) for each in font.getbbox(mark))
    return right - left + 10, bottom - top + 8


def _with_band(image: Image.Image, mark: str, band: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    pixels = np.array(image.convert("RGB"))
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    edge = (x < band) | (y < band) | (x >= width - band) | (y >= height - band)
    stripe = (x + y) // band % 2 == 0
    pixels[edge & stripe] = AMBER
    pixels[edge & ~stripe] = (28, 22, 6)
    marked = Image.fromarray(pixels)
    draw = ImageDraw.Draw(marked)
    left, top = font.getbbox(mark)[:2]
    wide, high = _word_box(mark, font)
    draw.rectangle((band, band, band + wide, band + high), fill=AMBER)
    draw.text((band + 5 - left, band + 4 - top), mark, font=font, fill=(20, 15, 0))
    return marked


def usual_colours(labels: NDArray[np.uint8], visible: Iterable[int] | None, *, safe: bool = False) -> dict[int, str]:
    """The fixed colour `#rrggbb` of every structure among `labels`; `visible` None takes all of them."""
    shown = set(np.unique(labels).tolist()) - {0}
    if visible is not None:
        shown &= set(visible)
    return {label: colour_of(label, safe=safe) for label in sorted(shown)}


def paint(
    picture: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    colours: Mapping[int, str],
    *,
    opacity: float,
    outline: bool = False,
) -> NDArray[np.uint8]:
    """`picture` (rows, columns, 3) with the labels (rows, columns) laid over it in their colours, rounded half up."""
    rgb = np.zeros((256, 3), dtype=np.float32)
    strength = np.zeros(256, dtype=np.float32)
    for label, colour in colours.items():
        rgb[label] = tuple(bytes.fromhex(colour[1:]))
        strength[label] = 1 if outline else opacity
    alpha = strength[labels]
    if outline:
        alpha = alpha * _edges(labels)
    blended = picture * (1 - alpha[..., None]) + rgb[labels] * alpha[..., None]
    rounded: NDArray[np.uint8] = np.floor(blended + 0.5).astype(np.uint8)
    return rounded


def scale_bar_mm(width_mm: float) -> int:
    """The length of a scale bar: the largest of 1, 2, 5 times a power of ten that fills at most 30 % of the width."""
    lengths = [each * 10**power for power in range(4) for each in (1, 2, 5)]
    return max([length for length in lengths if length <= 0.3 * width_mm], default=1)


def _size(shape: tuple[int, ...], mm: tuple[float, float], longest_px: int) -> tuple[tuple[int, int], float]:
    width_mm, height_mm = shape[1] * mm[0], shape[0] * mm[1]
    px_per_mm = longest_px / max(width_mm, height_mm)
    return (max(1, round(width_mm * px_per_mm)), max(1, round(height_mm * px_per_mm))), px_per_mm


def _edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels within two of a change of label along a row or a column."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    for axis in (0, 1):
        for step in (1, 2):
            there = np.take(labels, range(step, labels.shape[axis]), axis=axis)
            here = np.take(labels, range(labels.shape[axis] - step), axis=axis)
            changed = there != here
            lower = [slice(None)] * 2
            upper = [slice(None)] * 2
            lower[axis], upper[axis] = slice(None, labels.shape[axis] - step), slice(step, None)
            edge[tuple(lower)] |= changed
            edge[tuple(upper)] |= changed
    return edge


def _annotate(image: Image.Image, plane: str, px_per_mm: float) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    font = _font(max(10, min(22, min(width, height) // 24)), bold=True)
    away = BAND_PX + 8
    where = letters(plane)
    places = {
        "left": ((away, height / 2), "lm"),
        "right": ((width - away, height / 2), "rm"),
        "top": ((width / 2, away), "ma"),
        "bottom": ((width / 2, height - away), "md"),
    }
    for side, (at, anchor) in places.items():
        draw.text(at, where[side], font=font, fill=_WHITE, anchor=anchor, stroke_width=2, stroke_fill=_BLACK)
    _scale_bar(draw, image.size, px_per_mm, away)


def _scale_bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], px_per_mm: float, away: int) -> None:
    length = scale_bar_mm(size[0] / px_per_mm)
    right, y = size[0] - away - 4, size[1] - away - 4
    left = right - length * px_per_mm
    for colour, thick in ((_BLACK, 4), (_WHITE, 2)):
        draw.line([(left, y), (right, y)], fill=colour, width=thick)
        for x in (left, right):
            draw.line([(x, y - 5), (x, y + 5)], fill=colour, width=thick)
    text = f"{length // 10} cm" if length >= 10 and length % 10 == 0 else f"{length} mm"
    draw.text(
        ((left + right) / 2, y - 6), text, font=_font(12), fill=_WHITE, anchor="md", stroke_width=2, stroke_fill=_BLACK
    )


def _with_caption(image: Image.Image, facts: str, caption: str, mark: str | None) -> Image.Image:
    """The picture over lines of text as wide as itself; MOCK stands in words here too."""
    words = "   ".join(filter(None, (mark, caption, "Research use. Not for clinical decisions.")))
    font = _font(12)
    lines = [line for text in (facts, words) for line in _wrapped(text, font, image.width - 2 * _MARGIN)]
    page = Image.new("RGB", (image.width, image.height + 16 * len(lines) + 12), (14, 18, 23))
    page.paste(image, (0, 0))
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw.text((_MARGIN, image.height + 6 + 16 * row), line, font=font, fill=_WHITE)
    return page


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        elif word or not lines:
            lines.append(word)
    return lines


def _png(image: Image.Image, mark: str | None) -> bytes:
    facts = PngInfo()
    facts.add_text("Comment", f"{mark or 'CT'}. Research use. Not for clinical decisions.")
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=facts)
    return out.getvalue()


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise RuntimeError("matplotlib is not installed")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size)
