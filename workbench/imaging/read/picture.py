"""A picture that a person brings: PNG, JPEG, or one DICOM image. The last place that sees a name of its patient."""

from __future__ import annotations

from pathlib import Path

from workbench.domain.errors import TooLarge, UnknownFormat, UnreadableImage
from workbench.imaging.read.burned_in import likely_text
from workbench.imaging.read.limits import in_words
from workbench.imaging.read.picture_dicom import is_one_image, read_dicom_picture
from workbench.imaging.read.picture_found import FoundPicture
from workbench.imaging.read.picture_kinds import NOT_READ, PictureFormat, format_of
from workbench.imaging.read.picture_raster import read_raster_picture
from workbench.imaging.read.sniff import IMAGES, Kind, kind_of
from workbench.imaging.slices import Window

__all__ = ["FoundPicture", "is_picture", "read_picture"]

MOST_BYTES = 200_000_000
"""A picture of 40 million pixels in three uncompressed colours takes 120 MB."""
FEWEST_PX = 8


def is_picture(path: Path) -> bool:
    """Whether the file is to be asked about as one picture, or should be opened as a volume.

    True also for kinds of pictures that are not read here and for a DICOM file that cannot be: `read_picture` says
    why. False for several frames in one file, for archives, for volumes, and for whatever is no picture at all.
    """
    if format_of(path) is not None:
        return True
    return kind_of(path) is Kind.DICOM and is_one_image(path)


def read_picture(path: Path, *, scratch: Path, window: Window | None = None) -> FoundPicture:
    """The picture in the file at `path`.

    Args:
        path: the file, under any name.
        scratch: a private folder for a moment; what is put there is removed.
        window: the window of a DICOM image in the units of its values, HU for a CT. None takes soft tissue for a
            CT slice, and for anything else what the file asks for. A PNG or JPEG has none.

    Raises:
        UnreadableImage: damaged, cut short, without a picture, or not to be used as one (CMYK, several frames).
        UnknownFormat: of a kind that is not read here.
        TooLarge: more bytes or pixels than are read here.
        StorageFull: no room to decode.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise TooLarge(
            f"The file has {in_words(size)}; a picture of at most {in_words(MOST_BYTES)} is read here.",
            hint="Save the picture smaller, or open a volume on the Segment tab.",
        )
    picture_format = format_of(path)
    if picture_format is None and kind_of(path) is Kind.DICOM:
        found = read_dicom_picture(path, scratch, window)
    else:
        found = _of_raster(path, picture_format)
    rows, columns = found.pixels.shape[:2]
    if min(rows, columns) < FEWEST_PX:
        raise UnreadableImage(
            f"The picture has {columns} x {rows} pixels: too few to show anything.", hint="Choose a larger picture."
        )
    return found


def _of_raster(path: Path, picture_format: PictureFormat | None) -> FoundPicture:
    if picture_format is None:
        raise _not_a_picture(kind_of(path))
    if picture_format in NOT_READ:
        raise UnknownFormat(f"The file is {NOT_READ[picture_format]}.", hint="Save the picture as PNG or JPEG.")
    pixels, notes = read_raster_picture(path, picture_format)
    return FoundPicture(pixels=pixels, modality=None, burned_in=likely_text(pixels), notes=notes, mm_per_px=None)


def _not_a_picture(kind: Kind) -> UnreadableImage:
    if kind is Kind.EMPTY:
        return UnreadableImage("The file is empty: it has no bytes.", hint="Copy or export the picture again.")
    if kind in IMAGES or kind in (Kind.NIFTI_PAIR, Kind.ANALYZE):
        return UnknownFormat(
            f"The file is a volume ({kind.value}), not a picture."
            if kind in IMAGES
            else f"The file is {kind.value}: a volume, not a picture.",
            hint="Open it on the Segment tab, and ask about the slice on screen.",
        )
    if kind is Kind.ZIP:
        return UnknownFormat(
            "The file is a zip archive, not a picture.",
            hint="Open a zipped CT series on the Segment tab, or unpack the zip and choose one picture.",
        )
    what = kind.value if kind is not Kind.UNKNOWN else "of no kind that is known here"
    return UnknownFormat(
        f"The file is not a picture: it is {what}.", hint="PNG, JPEG and DICOM images can be asked about."
    )
