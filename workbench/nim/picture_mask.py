"""What a mask tells of the structures in a picture: which, where, how large. The mask's words, and no reading."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Mapping, Sequence

from workbench.domain.organs import ORGANS
from workbench.domain.picture import PictureFacts, PictureKind, PictureView, Shown
from workbench.nim.picture_pixels import percent

MOST_LISTED = 12
_MIDDLE = 0.08
"""Half the width of the band, of the slice's width or height, that is called its middle."""

_TOWARDS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "axial": (("patient's right", "patient's left"), ("front", "back")),
    "coronal": (("patient's right", "patient's left"), ("head", "feet")),
    "sagittal": (("front", "back"), ("head", "feet")),
}
"""Which way left and right, up and down of a picture lead, by the radiological convention (imaging/slices)."""

_HUES = ((15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (260, "blue"), (290, "purple"))


def where(shown: Shown, view: PictureView) -> str:
    """By its centre: `in the upper left quarter of the slice, towards the patient's right and the front`."""
    (x, y), (across, upright) = shown.center_xy, _TOWARDS[view.plane]
    sideways, up = _third(x), _third(y)
    if sideways is None and up is None:
        return "in the middle of the slice"
    side, height = ("left", "right")[sideways or 0], ("upper", "lower")[up or 0]
    if up is None:
        return f"on the {side} of the slice at mid-height, towards the {across[sideways or 0]}"
    if sideways is None:
        return f"in the {height} half of the slice, near its middle line, towards the {upright[up]}"
    return f"in the {height} {side} quarter of the slice, towards the {across[sideways]} and the {upright[up]}"


def _third(share: float) -> int | None:
    """0 before the middle, 1 behind it, None in it."""
    return None if abs(share - 0.5) <= _MIDDLE else int(share > 0.5)


def area(shown: Shown) -> str:
    """`12.3 cm²`, below a square centimetre `64 mm²`."""
    return f"{shown.area_mm2 / 100:.1f} cm²" if shown.area_mm2 >= 100 else f"{shown.area_mm2:.0f} mm²"


def how_large(shown: Shown) -> str:
    """Its area on the slice, and the volume of the whole where that is known."""
    told = f"The mask's {name(shown)} covers {area(shown)} of this slice ({percent(shown.share)} of it)."
    if shown.volume_ml is None:
        return told
    if shown.touches_edge:
        return f"{told} All of it within the scan has {shown.volume_ml:.1f} mL, so at least that: the scan cuts it."
    return f"{told} All of it has {shown.volume_ml:.1f} mL."


def listing(structures: Sequence[Shown]) -> str:
    """Every structure on the slice with its area, largest first."""
    if not structures:
        return "The mask marks nothing on this slice. That tells what was segmented, and nothing more."
    some = [f"{name(each)} ({area(each)})" for each in structures[:MOST_LISTED]]
    more = f", and {len(structures) - MOST_LISTED} more" if len(structures) > MOST_LISTED else ""
    count = "one structure" if len(structures) == 1 else f"{len(structures)} structures, largest first"
    return f"On this slice the mask marks {count}: {', '.join(some)}{more}."


def not_marked(labels: Collection[int]) -> str:
    """That the mask marks none of the structures asked for on this slice; why cannot be told from it."""
    names = [ORGANS[label].name for label in labels if label in ORGANS][:MOST_LISTED]
    more = ", among others" if len(labels) > len(names) else ""
    return (
        f"On this slice the mask has no label for: {', '.join(names)}{more}. That tells what was segmented here, and "
        "nothing of the patient."
    )


def drawn_colour(shown: Shown, facts: PictureFacts) -> str:
    """In which colour it is drawn."""
    is_drawn = facts.view is not None and facts.view.overlay
    if not is_drawn or not shown.colour:
        return f"The {name(shown)} is not drawn in colour here."
    return f"The {name(shown)} is drawn in {colour_word(shown.colour)} ({shown.colour})."


def colour_word(colour: str) -> str:
    """The everyday word for `#rrggbb`, by its hue."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    if saturation < 0.12 or not 0.08 < lightness < 0.94:
        return "white" if lightness > 0.85 else "black" if lightness < 0.15 else "grey"
    degrees = 360 * hue
    word = next((word for most, word in _HUES if degrees < most), "pink" if degrees < 345 else "red")
    return "brown" if word == "orange" and lightness < 0.4 else word


def shown_view(facts: PictureFacts) -> str:
    """Plane, slice and window, where the picture is of a case."""
    view = facts.view
    if view is None:
        return "It was uploaded as a picture: its plane, slice and window are not known."
    window = f"window {view.window} (" if view.window else "window ("
    shown = (
        f"{window}centre {view.center:g} HU, width {view.width:g} HU), {'with' if view.overlay else 'without'} the mask"
    )
    if facts.kind is PictureKind.MOSAIC:
        planes = ", ".join(f"{plane} slice {number}" for plane, number in view.slices.items())
        return f"It shows three planes side by side: {planes}; {shown}."
    side = " The patient's right is on the left of it." if view.plane != "sagittal" else " The front is on its left."
    return f"It shows {view.plane} slice {view.slice}; {shown}.{side}"


def name(shown: Shown) -> str:
    """Its name, without signs that a reader of model answers could act on."""
    return shown.name.replace("<", "").replace(">", "")
