"""Pictures of a case to ask about: one slice, three planes in one, a slice in the colours of an expert.

Pixels are square and lie as a radiologist looks at them (`slices`): the patient's right is on the picture's left,
anterior or superior is up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from workbench.domain.errors import InvalidRequest
from workbench.domain.organs import NOT_EVALUATED
from workbench.domain.picture import LONGEST_PX
from workbench.domain.volume import Grid, Volume
from workbench.imaging.picture_encode import Drawn, encode_picture
from workbench.imaging.picture_structures import default_slice, name_of, structures_on
from workbench.imaging.render import paint, usual_colours
from workbench.imaging.slices import PLANES, Window, apply_window, pixel_mm, slice_of

__all__ = [
    "EXPERT_COLOURS",
    "Drawn",
    "default_slice",
    "encode_picture",
    "expert_picture",
    "mosaic_picture",
    "slice_picture",
    "structures_on",
]

EXPERT_COLOURS = (
    *("red", "blue", "yellow", "magenta", "green", "indigo", "darkorange", "cyan", "pink", "brown", "orange", "lime"),
    *("orange", "gold", "yellowgreen", "darkgreen"),
)
"""Colours of an expert's labels in ascending order, as VILA-M3 learned them: `Dye.COLORS` of the model's own demo
(Project-MONAI, VLM-Radiology-Agent-Framework), orange standing there twice. The names are those of CSS."""

_EXPERT_OPACITY = 0.3
"""That of scikit-image's `label2rgb`, with which the demo blends."""
_OVERLAY_OPACITY = 0.4
_GAP_PX = 8


def slice_picture(
    volume: Volume,
    labels: NDArray[np.uint8] | None,
    *,
    plane: str,
    slice_number: int,
    window: Window,
    overlay: bool,
    visible: Iterable[int] | None = None,
    safe_colours: bool = False,
) -> tuple[NDArray[np.uint8], float]:
    """One slice, grey (rows, columns), or RGB (rows, columns, 3) with the mask laid over it; and its mm per pixel.

    A pixel is as wide and high as the shorter side of the slice's own: nothing is enlarged but what makes it square.
    Grey is interpolated linearly, labels are not. `visible` None shows every structure.

    Raises:
        InvalidRequest: no such plane or slice.
    """
    side_mm = _side_mm(volume.grid, plane)
    mm = max(min(pixel_mm(volume.grid, plane)), max(side_mm) / LONGEST_PX)
    over = _overlay(labels, overlay, visible, safe_colours)
    return _drawn(volume, over, plane, slice_number, window, mm), mm


def mosaic_picture(
    volume: Volume,
    labels: NDArray[np.uint8] | None,
    *,
    slices: Mapping[str, int],
    window: Window,
    overlay: bool,
    visible: Iterable[int] | None = None,
    safe_colours: bool = False,
) -> tuple[NDArray[np.uint8], float]:
    """An axial, a coronal and a sagittal slice side by side on black, at one scale; and the mm per pixel of all.

    `slices` gives the slice of each plane, from 1. The whole fits into `LONGEST_PX`. Grey or RGB as in
    `slice_picture`.

    Raises:
        InvalidRequest: a plane is missing or unknown, or there is no such slice.
    """
    if set(slices) != set(PLANES):
        raise InvalidRequest(
            "A picture of three planes needs a slice of each.", hint="Give axial, coronal and sagittal."
        )
    sides = {plane: _side_mm(volume.grid, plane) for plane in PLANES}
    wide, high = sum(x for x, _ in sides.values()), max(y for _, y in sides.values())
    room = LONGEST_PX - _GAP_PX * (len(PLANES) - 1) - len(PLANES)  # each may be rounded up by one
    mm = max(min(min(pixel_mm(volume.grid, plane)) for plane in PLANES), wide / room, high / LONGEST_PX)
    over = _overlay(labels, overlay, visible, safe_colours)
    parts = [_drawn(volume, over, plane, slices[plane], window, mm) for plane in PLANES]
    return _side_by_side(parts), mm


def expert_picture(
    volume: Volume, labels: NDArray[np.uint8], *, plane: str, slice_number: int, window: Window
) -> tuple[NDArray[np.uint8], float, str, dict[int, str]]:
    """A slice in the colours in which VILA-M3 is shown what an expert found.

    Returns:
        The RGB picture, its mm per pixel, the legend in the model's form (`red: liver, blue: hepatic tumor`, empty
        where no structure lies on the slice), and the colour `#rrggbb` of each label. From the seventeenth structure
        on colours repeat, as the model's demo repeats them.

    Raises:
        InvalidRequest: no such plane or slice.
    """
    on_slice = slice_of(labels, volume.grid, plane, slice_number)
    found = [label for label in np.unique(on_slice).tolist() if label not in (0, NOT_EVALUATED)]
    named = dict(zip(found, cycle(EXPERT_COLOURS), strict=False))
    colours = {label: _hexadecimal(name) for label, name in named.items()}
    grey, mm = slice_picture(volume, None, plane=plane, slice_number=slice_number, window=window, overlay=False)
    enlarged = _resized(on_slice, grey.shape, Image.Resampling.NEAREST)
    picture = paint(_rgb(grey), enlarged, colours, opacity=_EXPERT_OPACITY)
    legend = ", ".join(f"{colour}: {name_of(label)}" for label, colour in named.items())
    return picture, mm, legend, colours


def _hexadecimal(name: str) -> str:
    red, green, blue = ImageColor.getrgb(name)[:3]
    return f"#{red:02x}{green:02x}{blue:02x}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Overlay:
    """A mask to lay over a picture, and which of its structures; None is all of them."""

    labels: NDArray[np.uint8]
    visible: frozenset[int] | None
    safe: bool

    def colours(self, on_slice: NDArray[np.uint8]) -> dict[int, str]:
        """The colours of the structures on a slice that are to be drawn."""
        found = usual_colours(on_slice, self.visible, safe=self.safe)
        found.pop(NOT_EVALUATED, None)
        return found


def _overlay(
    labels: NDArray[np.uint8] | None, wanted: bool, visible: Iterable[int] | None, safe: bool
) -> _Overlay | None:
    if labels is None or not wanted:
        return None
    return _Overlay(labels=labels, visible=None if visible is None else frozenset(visible), safe=safe)


def _drawn(
    volume: Volume, over: _Overlay | None, plane: str, slice_number: int, window: Window, mm: float
) -> NDArray[np.uint8]:
    grey = apply_window(slice_of(volume.voxels_hu, volume.grid, plane, slice_number), window)
    wide_mm, high_mm = _side_mm(volume.grid, plane)
    shape = max(1, round(high_mm / mm)), max(1, round(wide_mm / mm))
    square = _resized(grey, shape, Image.Resampling.BILINEAR)
    if over is None:
        return square
    on_slice = slice_of(over.labels, volume.grid, plane, slice_number)
    enlarged = _resized(on_slice, shape, Image.Resampling.NEAREST)
    return paint(_rgb(square), enlarged, over.colours(on_slice), opacity=_OVERLAY_OPACITY)


def _resized(picture: NDArray[np.uint8], shape: tuple[int, ...], how: Image.Resampling) -> NDArray[np.uint8]:
    if picture.shape == tuple(shape):
        return np.ascontiguousarray(picture)
    rows, columns = shape
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((columns, rows), how))


def _rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=2)


def _side_mm(grid: Grid, plane: str) -> tuple[float, float]:
    """How wide and how high a slice is, whole pixels counted, in mm."""
    rows, columns = slice_of(np.broadcast_to(np.uint8(0), grid.shape), grid, plane, 1).shape
    x_mm, y_mm = pixel_mm(grid, plane)
    return columns * x_mm, rows * y_mm


def _side_by_side(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    high = max(each.shape[0] for each in parts)
    wide = sum(each.shape[1] for each in parts) + _GAP_PX * (len(parts) - 1)
    whole = np.zeros((high, wide, *parts[0].shape[2:]), np.uint8)
    left = 0
    for each in parts:
        top = (high - each.shape[0]) // 2
        whole[top : top + each.shape[0], left : left + each.shape[1]] = each
        left += each.shape[1] + _GAP_PX
    return whole
