"""Plain statistics of a picture's pixels, and what they tell in words that nobody can take for a reading."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from workbench.domain.picture import Modality, PictureFacts

_BLACK = 10
"""Of 255: darker pixels count as background."""

_SPREAD = 40
"""Of 255, between the channels of a pixel that counts as coloured; less than that is what JPEG makes of grey."""

_COLOURED_SHARE = 0.002
_SLICE_BACKGROUND = 0.3
"""CT and MR slices show a body on a black ground; a radiograph fills its frame."""


@dataclass(frozen=True, kw_only=True)
class PixelStatistics:
    """Of all pixels, a frame round the picture included: brightness of 255, and shares 0..1."""

    mean: float
    darkest: int
    brightest: int
    black_share: float
    coloured_share: float

    @property
    def is_coloured(self) -> bool:
        """Whether more of it is coloured than compression accounts for."""
        return self.coloured_share > _COLOURED_SHARE


def pixel_statistics(encoded: bytes) -> PixelStatistics | None:
    """Statistics of an encoded picture; None where it cannot be decoded."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - a mock that is never asked needs none of it

    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            rgb = np.asarray(opened.convert("RGB"), dtype=np.int16)
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    grey = rgb.mean(axis=2)
    return PixelStatistics(
        mean=float(grey.mean()),
        darkest=round(float(grey.min())),
        brightest=round(float(grey.max())),
        black_share=float((grey < _BLACK).mean()),
        coloured_share=float((rgb.max(axis=2) - rgb.min(axis=2) > _SPREAD).mean()),
    )


def brightness(pixels: PixelStatistics | None) -> str:
    """How bright it is."""
    if pixels is None:
        return "Its pixels could not be decoded here."
    return (
        f"Its mean brightness is {pixels.mean:.0f} of 255, from {pixels.darkest} to {pixels.brightest}; "
        f"{percent(pixels.black_share)} of its pixels are black."
    )


def colour(pixels: PixelStatistics | None) -> str:
    """Whether it is in colour."""
    if pixels is None:
        return "Its pixels could not be decoded here."
    if not pixels.is_coloured:
        return "The picture is grey throughout."
    return f"The picture is in colour: {percent(pixels.coloured_share)} of its pixels are coloured."


def kind(facts: PictureFacts, said: Modality | None, pixels: PixelStatistics | None) -> str:
    """What made the picture: as its source tells, else as was said, else a guess from brightness, called that."""
    if facts.modality is not None:
        return f"Its source says that it is a {_NAMES[facts.modality]}."
    told = f"You said that it is a {_NAMES[said]}; " if said else ""
    if pixels is None:
        guess = "nothing in the file tells what made it"
    elif pixels.is_coloured:
        guess = "it is in colour, so it is no plain CT, MR or X-ray picture"
    elif pixels.black_share >= _SLICE_BACKGROUND:
        guess = "it has a black ground, as CT and MR slices have: a guess from brightness alone"
    else:
        guess = "it is grey and fills its frame, as X-ray pictures do: a guess from brightness alone"
    return f"{told}{guess}." if told else f"{guess[0].upper()}{guess[1:]}."


def size(facts: PictureFacts) -> str:
    """How many pixels it has, and how large they are in the body where that is known."""
    framed = ", the frame with the mark included" if facts.mark else ""
    told = f"The picture has {facts.width_px} x {facts.height_px} pixels{framed}."
    if facts.mm_per_px is None:
        return f"{told} How large a pixel is in the body is not known."
    extent = ""
    if not facts.mark:
        wide, high = facts.width_px * facts.mm_per_px, facts.height_px * facts.mm_per_px
        extent = f", so it spans {wide:.0f} x {high:.0f} mm"
    return f"{told} A pixel is {facts.mm_per_px:.2f} mm wide and high{extent}."


def percent(share: float) -> str:
    """`12 %`; what is less than one is called so."""
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"


_NAMES = {Modality.CT: "CT", Modality.MRI: "MRI", Modality.CXR: "chest X-ray"}
