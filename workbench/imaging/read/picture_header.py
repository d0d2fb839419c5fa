"""The header of one DICOM image, as far as its picture depends on it. No name, date or id is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from workbench.domain.errors import UnreadableImage
from workbench.imaging.read.dicom_headers import Pixels, pydicom_kept_quiet
from workbench.imaging.read.elements import value_of
from workbench.imaging.read.picture_grey import Curve, Table
from workbench.imaging.read.picture_raster import check_size
from workbench.imaging.read.picture_turn import directions_of
from workbench.imaging.read.picture_values import PALETTE_TAGS, palette, real, reals, table, whole, window, word, words

Directions = tuple[NDArray[np.float64], NDArray[np.float64]]

_TAGS = [
    "SOPClassUID MediaStorageSOPClassUID Modality ImageType BodyPartExamined ViewPosition AnatomicRegionSequence",
    "BurnedInAnnotation SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns BitsAllocated BitsStored",
    "HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept RescaleSlope RescaleType",
    "ModalityLUTSequence VOILUTSequence WindowCenter WindowWidth VOILUTFunction PresentationLUTShape PixelSpacing",
    "ImagerPixelSpacing NominalScannedPixelSpacing PixelAspectRatio ImageOrientationPatient PatientOrientation",
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence DirectoryRecordSequence",
]
_GROUPS = (
    *("PixelMeasuresSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence"),
    *("FrameVOILUTSequence", "FrameAnatomySequence"),
)
"""Where an image of the enhanced kind keeps what others have at the top (PS3.3 C.7.6.16)."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_IMPLICIT = "1.2.840.10008.1.2"
BROKEN = (
    *(InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, AttributeError, KeyError),
    *(IndexError, OverflowError, NotImplementedError, RecursionError),
)
"""All that pydicom raises for damaged files; its texts may quote values."""
_NO_PICTURES = frozenset({"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "DOC", "REG"})
_CHEST_CODES = frozenset({"T-D3000", "51185008", "816094009", "43799004", "T-D3050"})
"""Chest, thorax and thoracic cavity in SRT and SNOMED CT (PS3.16, annex L)."""
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", ""})


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageHeader:
    """What is needed of a header.

    `pixels` tell where values of one sample are stored, None for an image of three samples. `rescale` is (slope,
    intercept), to HU where `is_hu`. `window` is the first one, (centre, width, curve). `step` is the distance from
    row to row and from column to column, in mm of the patient where `is_step_of_patient`, else in mm of the detector
    or in no unit, and (1, 1) where nothing is said. `directions` are those in which columns and rows count; where
    `are_letters`, only Patient Orientation gives them. `palette` holds the colour tables alone.
    """

    syntax: str
    photometric: str
    modality: str
    sop_class: str
    is_scout: bool
    region: str
    view: str
    says_burned_in: str
    pixels: Pixels | None
    rescale: tuple[float, float] | None
    is_hu: bool
    modality_table: Table | None
    voi_table: Table | None
    window: tuple[float, float, Curve] | None
    is_inverted: bool
    step: tuple[float, float]
    is_step_of_patient: bool
    directions: Directions | None
    are_letters: bool
    palette: Dataset


@contextmanager
def nameless(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, called something else: pydicom logs the name of a file that ends early."""
    raw = io.FileIO(path)
    raw.name = "of a picture"
    with io.BufferedReader(raw) as file:
        yield file


def frame_count(path: Path) -> int:
    """How many frames the DICOM file announces; 1 for one that cannot be understood."""
    try:
        with pydicom_kept_quiet(), nameless(path) as file:
            return _frames(pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=["NumberOfFrames"]))
    except BROKEN:
        return 1


def read_image_header(path: Path) -> ImageHeader:
    """The header of the image at `path`.

    Raises:
        UnreadableImage: damaged, without pixels, of several frames, or stored in a way that is not read here.
        TooLarge: more pixels than are read here.
    """
    try:
        with pydicom_kept_quiet(), nameless(path) as file:
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_all_tags())
            at = int(file.tell())
            has_pixels = file.read(4) in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
            syntax = str(value_of(getattr(data, "file_meta", Dataset()), "TransferSyntaxUID") or _IMPLICIT)
            return _header(data, path, syntax, at if has_pixels else None)
    except BROKEN:
        raise UnreadableImage(
            "The DICOM file is damaged: its header cannot be understood.", hint="Export the image again."
        ) from None


def _all_tags() -> list[Any]:
    return [*" ".join(_TAGS).split(), *PALETTE_TAGS]


def _header(data: Dataset, path: Path, syntax: str, at: int | None) -> ImageHeader:
    modality = word(data, "Modality")
    _refuse_other_objects(data, modality, syntax, at)
    for sequence in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        _lift_groups(data, sequence)
    rows, columns = whole(data, "Rows", 0), whole(data, "Columns", 0)
    if rows < 1 or columns < 1:
        raise UnreadableImage("The DICOM image has no size.", hint="Export the image again.")
    check_size(columns, rows)
    samples, photometric = whole(data, "SamplesPerPixel", 1), word(data, "PhotometricInterpretation")
    meta = getattr(data, "file_meta", None) or Dataset()
    slope, intercept = real(data, "RescaleSlope"), real(data, "RescaleIntercept")
    step, is_step_of_patient = _step(data)
    directions, are_letters = _directions(data)
    return ImageHeader(
        syntax=syntax,
        photometric=photometric,
        modality=modality,
        sop_class=str(value_of(data, "SOPClassUID") or value_of(meta, "MediaStorageSOPClassUID") or ""),
        is_scout="LOCALIZER" in words(data, "ImageType")[2:3],
        region=_region(data),
        view=word(data, "ViewPosition"),
        says_burned_in=word(data, "BurnedInAnnotation"),
        pixels=_pixels(data, path, syntax, at or 0) if samples == 1 and photometric in _GREY else None,
        rescale=None if intercept is None and slope is None else (slope or 1.0, intercept or 0.0),
        is_hu=modality == "CT" and intercept is not None and word(data, "RescaleType") in ("", "HU"),
        modality_table=table(data, "ModalityLUTSequence", syntax),
        voi_table=table(data, "VOILUTSequence", syntax),
        window=window(data),
        is_inverted=photometric == "MONOCHROME1" or word(data, "PresentationLUTShape") == "INVERSE",
        step=step,
        is_step_of_patient=is_step_of_patient,
        directions=directions,
        are_letters=are_letters,
        palette=palette(data),
    )


def _refuse_other_objects(data: Dataset, modality: str, syntax: str, at: int | None) -> None:
    if syntax == _DEFLATED:
        # Unpacking it is left to pydicom by design, and pydicom unpacks without a bound.
        raise UnreadableImage(
            "The DICOM file is deflated as a whole (a rare transfer syntax), which is not read here.",
            hint="Export the image uncompressed, or as PNG.",
        )
    if value_of(data, "DirectoryRecordSequence") is not None:
        raise UnreadableImage(
            "The DICOM file is a directory (DICOMDIR): it names images and holds none.", hint="Choose an image itself."
        )
    if modality in _NO_PICTURES:
        raise UnreadableImage(
            "The DICOM file holds no picture: it is a report, a plan, contours, a dose or a segmentation.",
            hint="Choose the image that it belongs to.",
        )
    if at is None:
        raise UnreadableImage(
            "The DICOM file has no pixels: it is a report or a plan, or it was cut short before its picture.",
            hint="Choose an image, or export this one again.",
        )
    if (frames := _frames(data)) > 1:
        raise UnreadableImage(
            f"The DICOM file holds {frames} pictures: a film or a volume. One picture is asked about at a time.",
            hint="Open a CT volume on the Segment tab, or export the picture that you mean as one of its own.",
        )


def _frames(data: Dataset) -> int:
    return max(whole(data, "NumberOfFrames", 1), 1)


def _lift_groups(data: Dataset, sequence: str) -> None:
    for group in (value_of(data, sequence) or [])[:1]:
        for name in _GROUPS:
            for item in (value_of(group, name) or [])[:1]:
                data.update(item)


def _pixels(data: Dataset, path: Path, syntax: str, at: int) -> Pixels:
    allocated = whole(data, "BitsAllocated", 16)
    stored = whole(data, "BitsStored", allocated)
    is_read = allocated in (8, 16, 32) and 1 <= stored <= allocated
    if not is_read or whole(data, "HighBit", stored - 1) != stored - 1:
        raise UnreadableImage(
            f"The pixels of the DICOM image are stored in a way that is not read here ({stored} of {allocated} bits).",
            hint="Export the image again, or as PNG.",
        )
    signed = whole(data, "PixelRepresentation", 0) == 1
    return Pixels(
        path=path,
        at=at,
        syntax=syntax,
        rows=whole(data, "Rows", 0),
        columns=whole(data, "Columns", 0),
        frames=1,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        padding=_padding(data, allocated, signed),
        lossy=False,
        inverted=False,
    )


def _padding(data: Dataset, bits: int, signed: bool) -> tuple[int, int] | None:
    ends = []
    for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if words(data, name):
            # Written as the wrong one of US and SS often enough: take the bit pattern.
            pattern = whole(data, name, 0) % (1 << bits)
            ends.append(pattern - (1 << bits) if signed and pattern >> (bits - 1) else pattern)
    has_value = bool(words(data, "PixelPaddingValue"))
    return (min(ends), max(ends)) if has_value else None


def _step(data: Dataset) -> tuple[tuple[float, float], bool]:
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        values = reals(data, name)
        if len(values) == 2 and min(values) > 0:
            return (values[0], values[1]), name == "PixelSpacing"
    return (1.0, 1.0), False


def _directions(data: Dataset) -> tuple[Directions | None, bool]:
    cosines = reals(data, "ImageOrientationPatient")
    if len(cosines) == 6:
        return (np.array(cosines[:3]), np.array(cosines[3:])), False
    return directions_of(words(data, "PatientOrientation")), True


def _region(data: Dataset) -> str:
    """The body part in a word of the standard's; a code of the anatomic region is turned into `CHEST` or `OTHER`."""
    if part := word(data, "BodyPartExamined"):
        return part
    codes = [str(value_of(each, "CodeValue", "")) for each in value_of(data, "AnatomicRegionSequence") or []]
    if not codes:
        return ""
    return "CHEST" if codes[0] in _CHEST_CODES else "OTHER"
