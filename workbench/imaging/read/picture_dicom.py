"""One DICOM image to a picture: what its header says of grey, colours, window, spacing and direction is honoured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import UnreadableImage, UnsupportedVolume
from workbench.domain.picture import Modality
from workbench.imaging.read.burned_in import likely_text
from workbench.imaging.read.dicom_headers import Pixels, pydicom_kept_quiet
from workbench.imaging.read.dicom_pixels import stored_frames
from workbench.imaging.read.picture_colour import COLOURS, damaged, read_colours, through_palette
from workbench.imaging.read.picture_found import FoundPicture
from workbench.imaging.read.picture_grey import Values, through_percentiles, through_table, through_window
from workbench.imaging.read.picture_header import ImageHeader, frame_count, read_image_header
from workbench.imaging.read.picture_raster import without_equal_colours
from workbench.imaging.read.picture_turn import Turn, squared, turn_for
from workbench.imaging.slices import WINDOWS, Window

_RADIOGRAPHS = frozenset({"CR", "DX", "RG"})
_CUT_THROUGH_THE_BODY = frozenset({"CT", "MR", "PT"})
_MEASURED = _CUT_THROUGH_THE_BODY | {"NM"}
"""Modalities whose pixel spacing is one in the patient; that of an X-ray is often one at the detector, which is larger
by an unknown factor, and that of a screen capture may be anything."""
_CHEST = ("CHEST", "THORAX", "LUNG")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def is_one_image(path: Path) -> bool:
    """Whether a DICOM file is one image, and not a film or a volume; True also for one that cannot be understood."""
    return frame_count(path) == 1


def read_dicom_picture(path: Path, scratch: Path, window: Window | None) -> FoundPicture:
    """The picture of a DICOM file with one image.

    A CT slice is shown in soft tissue, 50 / 400 HU, whatever window its file asks for: it is what VILA-M3 was trained
    on. A localizer, an X-ray or an MR image is shown as its file asks: VOI LUT before window, the first of several;
    with neither, between percentiles. Cross-sections of CT, MR and PET are turned as `picture_turn` says, and
    frontal X-rays of which the file says that they are mirrored.

    Raises:
        UnreadableImage: damaged, cut short, without pixels, of several frames, or stored in a way not read here.
        TooLarge: more pixels than are read here.
        StorageFull: no room to decode.
    """
    header = read_image_header(path)
    pixels, notes = _as_shown(path, header, scratch, window)
    burned_in = _burned_in(pixels, header)
    square, step = squared(pixels, *header.step)
    if square.shape != pixels.shape:
        notes.append("Stretched to square pixels, as their spacing in the file asks.")
    turn = _turn(header)
    if turn is not None and not turn.is_none:
        square = turn.of(square)
        notes.append(f"Turned so that {turn.words}.")
    is_measured = header.is_step_of_patient and header.modality in _MEASURED and not header.is_scout
    return FoundPicture(
        pixels=square,
        modality=_modality(header),
        burned_in=burned_in,
        notes=tuple(notes),
        mm_per_px=step if is_measured else None,
    )


def _as_shown(
    path: Path, header: ImageHeader, scratch: Path, window: Window | None
) -> tuple[NDArray[np.uint8], list[str]]:
    if header.pixels is None:
        if header.photometric not in COLOURS:
            raise UnreadableImage(
                "The colours of the DICOM image are of a kind that is not read here.", hint="Export it as PNG."
            )
        return without_equal_colours(read_colours(path, header.syntax, scratch)), []
    stored = _stored(header.pixels, scratch)
    if header.photometric == "PALETTE COLOR":
        return without_equal_colours(through_palette(stored, header.palette)), []
    return _grey(stored, header, window)


def _stored(pixels: Pixels, scratch: Path) -> NDArray[np.generic]:
    try:
        with pydicom_kept_quiet():
            frame = next(stored_frames(pixels, scratch))
    except UnsupportedVolume:
        raise UnreadableImage(
            "The pixels of the DICOM image are compressed in a way that is not read here.",
            hint="Export the image uncompressed, or as JPEG 2000, JPEG-LS, JPEG lossless or RLE.",
        ) from None  # its words are about a series
    except (UnreadableImage, StopIteration):
        raise damaged() from None
    return frame.values.reshape(pixels.rows, pixels.columns)


def _grey(
    stored: NDArray[np.generic], header: ImageHeader, window: Window | None
) -> tuple[NDArray[np.uint8], list[str]]:
    is_padding = _is_padding(stored, header)
    values = _values(stored, header)
    grey, notes = _shown(values, header, window, None if is_padding is None else ~is_padding)
    if header.is_inverted:
        grey = 255 - grey
        notes.append("Grey was inverted, as the file asks.")
    if is_padding is not None:
        grey[is_padding] = 0
    return grey, notes


def _is_padding(stored: NDArray[np.generic], header: ImageHeader) -> NDArray[np.bool_] | None:
    padding = header.pixels.padding if header.pixels else None
    if padding is None:
        return None
    numbers = stored.astype(np.int64)
    inside: NDArray[np.bool_] = (numbers >= padding[0]) & (numbers <= padding[1])
    return inside if inside.any() else None


def _values(stored: NDArray[np.generic], header: ImageHeader) -> Values:
    values = stored.astype(np.float32)
    if header.modality_table is not None:
        return header.modality_table.of(values)
    slope, intercept = header.rescale or (1.0, 0.0)
    return np.asarray(values * np.float32(slope) + np.float32(intercept))


def _shown(
    values: Values, header: ImageHeader, window: Window | None, counted: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], list[str]]:
    unit = " HU" if header.is_hu else ""
    if window is None and header.is_hu and not header.is_scout:
        window = WINDOWS["soft tissue"]
    if window is not None:
        said = f"Shown in the window level {window.center:g}, width {window.width:g}{unit}."
        return through_window(values, window.center, window.width), [said]
    if header.voi_table is not None:
        return through_table(values, header.voi_table), ["Shown through the look-up table of the file."]
    if header.window is not None:
        center, width, curve = header.window
        said = f"Shown in the window of the file, level {center:g}, width {width:g}{unit}."
        return through_window(values, center, width, curve), [said]
    grey, said = through_percentiles(values, counted)
    return grey, [f"The file asks for no window. {said}"]


def _modality(header: ImageHeader) -> Modality | None:
    if header.is_scout:
        return None  # it looks like an X-ray, and is none that the model knows
    if header.modality == "CT":
        return Modality.CT
    if header.modality == "MR":
        return Modality.MRI
    if header.modality not in _RADIOGRAPHS:
        return None
    is_chest = header.region.startswith(_CHEST) or (not header.region and header.view in ("AP", "PA"))
    return Modality.CXR if is_chest else None


def _burned_in(pixels: NDArray[np.uint8], header: ImageHeader) -> str | None:
    if header.says_burned_in == "YES":
        return "The file says that text is burned into its pixels: it may name the patient."
    if (likely := likely_text(pixels)) is not None:
        return likely
    is_capture = f"{header.sop_class}.".startswith(f"{_SECONDARY_CAPTURE}.")
    if (is_capture or header.modality == "US") and header.says_burned_in != "NO":
        return (
            "Screen captures and ultrasound often have names and dates burned into their pixels, and the file does "
            "not say that this one has none."
        )
    return None


def _turn(header: ImageHeader) -> Turn | None:
    if header.directions is None or header.is_scout:  # a localizer is read as it was taken, with its lines and letters
        return None
    turn = turn_for(*header.directions)
    if header.modality in _CUT_THROUGH_THE_BODY and not header.are_letters:
        return turn
    # Side views of X-rays are hung either way; only a frontal one that is mirrored or upside down misleads.
    is_frontal = turn is not None and turn.plane == "coronal"
    return turn if header.modality in _RADIOGRAPHS and is_frontal else None
