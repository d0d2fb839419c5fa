"""The headers of DICOM files: one `Frame` for each picture, and the reason why a file holds none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

from workbench.imaging.read.elements import value_of
from workbench.imaging.read.privacy import IDENTIFYING, clean_description

Vector = NDArray[np.float64]

_CT = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage (PS3.4, table B.5-1)."""
_DIRECTORY = "1.2.840.10008.1.3.10"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_NOT_VOLUMES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation (SEG), not an image",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation (SEG), not an image",
    "1.2.840.10008.5.1.4.1.1.481.3": "a set of contours (RTSTRUCT), not an image",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose distribution (RTDOSE), not a CT",
    "1.2.840.10008.5.1.4.1.1.481.5": "a treatment plan (RTPLAN), not an image",
    "1.2.840.10008.5.1.4.1.1.88.67": "a dose report, not an image",
    "1.2.840.10008.5.1.4.1.1.104.1": "a PDF document, not an image",
}
_STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.88."
_PRESENTATION = "1.2.840.10008.5.1.4.1.1.11."
_MODALITIES = {
    "MR": "an MR image; only CT is measured in Hounsfield units",
    "PT": "a PET image, not a CT",
    "SEG": "a segmentation (SEG), not an image",
    "RTSTRUCT": "a set of contours (RTSTRUCT), not an image",
    "SR": "a report, not an image",
    "PR": "a presentation state, not an image",
}
_TAGS = [
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID Modality SeriesDescription SeriesInstanceUID",
    "StudyInstanceUID SeriesNumber AcquisitionNumber InstanceNumber TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase ConvolutionKernel ImagePositionPatient ImageOrientationPatient PixelSpacing",
    "SliceThickness SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns BitsAllocated BitsStored",
    "HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept RescaleSlope RescaleType",
    "LossyImageCompression GantryDetectorTilt SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence",
    "MediaStorageSOPClassUID DirectoryRecordSequence",
]
HEADER_TAGS = [*" ".join(_TAGS).split(), *IDENTIFYING]

_TO_TELL_APART = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "ConvolutionKernel",
)
PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """How the pixels of one file are stored. `at` is the byte where the pixel data element begins."""

    path: Path
    at: int
    syntax: str
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    padding: tuple[int, int] | None
    lossy: bool
    inverted: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One CT picture: where it is stored, where it lies in the patient (LPS mm), how it becomes HU.

    `row` and `column` are the unit directions in which columns and rows count up. `step_mm` is the distance
    between columns and between rows. `apart` holds what may tell pictures at one position apart.
    """

    pixels: Pixels
    index: int
    instance: str
    position: Vector
    row: Vector
    column: Vector
    step_mm: tuple[float, float]
    thickness_mm: float | None
    slope: float
    intercept: float
    is_hu: bool
    apart: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Header:
    """What the header of one file says: its series, its pictures, or why it cannot be used."""

    series: str
    number: int
    description: str
    modality: str
    size: tuple[int, ...]
    frames: tuple[Frame, ...] = ()
    why_not: str | None = None


_DEFLATED = b"1.2.840.10008.1.2.1.99"
_DEFLATED_HEADER = Header(
    series="",
    number=0,
    description="",
    modality="unknown",
    size=(),
    # Unpacking it is left to pydicom by design, and pydicom unpacks without a bound.
    why_not="it is deflated as a whole (a rare transfer syntax), which is not read here",
)


class NotUsable(Exception):
    """Why a file cannot become a CT volume; never leaves the reader."""


class Damaged(Exception):
    """The file is DICOM, and cannot be understood."""


@contextmanager
def pydicom_kept_quiet() -> Iterator[None]:
    """Read what the files hold without remarks: pydicom's warnings quote values, which may be names."""
    settings = pydicom.config.settings
    before = settings.reading_validation_mode
    settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode = before


Descriptions = dict[tuple[str, str], str]
"""The clean description of each series met so far, by UID and raw text: cleaning looks at twenty attributes."""


def read_header(path: Path, known: Descriptions) -> Header | None:
    """The header of the DICOM file at `path`; None for a DICOMDIR or a file without any image or series.

    Raises:
        Damaged: it cannot be understood.
    """
    try:
        with path.open("rb") as file:
            if _DEFLATED in file.read(1024):
                return _DEFLATED_HEADER
            file.seek(0)
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(HEADER_TAGS))
            at = _pixel_element(file)
            return _header(data, path, at, known)
    except (
        InvalidDicomError,
        BytesLengthException,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
        OverflowError,
        NotImplementedError,
        RecursionError,
    ):
        # pydicom raises all of these for damaged files; their texts may quote values.
        raise Damaged from None


def _pixel_element(file: Any) -> int | None:
    at = int(file.tell())
    tag = file.read(4)
    return at if tag in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10") else None


def _header(data: Dataset, path: Path, at: int | None, known: Descriptions) -> Header | None:
    meta = getattr(data, "file_meta", None) or Dataset()
    sop_class = str(value_of(data, "SOPClassUID") or value_of(meta, "MediaStorageSOPClassUID") or "")
    if sop_class == _DIRECTORY or value_of(data, "DirectoryRecordSequence") is not None:
        return None
    modality = _word(data, "Modality") or ("CT" if sop_class in _CT else "")
    if not modality and value_of(data, "Rows") is None:
        return None
    series = (
        str(value_of(data, "SeriesInstanceUID") or "")
        or f"{value_of(data, 'StudyInstanceUID', '')} {value_of(data, 'SeriesNumber', '')}"
    )
    key = series, str(value_of(data, "SeriesDescription") or "")
    if (description := known.get(key)) is None:
        description = known[key] = clean_description(data)
    frames: tuple[Frame, ...] = ()
    why_not = None
    try:
        _refuse_other_objects(data, sop_class, modality)
        if at is None:  # a CT image has pixels: this one was cut off before them
            raise Damaged
        frames = tuple(_frames(data, str(value_of(meta, "TransferSyntaxUID", "") or "1.2.840.10008.1.2"), path, at))
    except NotUsable as error:
        why_not = str(error)
    return Header(
        series=series,
        number=_whole(data, "SeriesNumber", 0),
        description=description,
        modality=re.sub(r"[^A-Z0-9]", "", modality.upper())[:16] or "unknown",
        size=(_whole(data, "Columns", 0), _whole(data, "Rows", 0)) if value_of(data, "Rows") is not None else (),
        frames=frames,
        why_not=why_not,
    )


def _refuse_other_objects(data: Dataset, sop_class: str, modality: str) -> None:
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(_SECONDARY_CAPTURE + "."):
        raise NotUsable("a secondary capture (a picture of a screen or a summary), not a scan")
    if sop_class in _NOT_VOLUMES:
        raise NotUsable(_NOT_VOLUMES[sop_class])
    if sop_class.startswith(_STRUCTURED_REPORT):
        raise NotUsable("a report, not an image")
    if sop_class.startswith(_PRESENTATION):
        raise NotUsable("a presentation state, not an image")
    if sop_class not in _CT and modality != "CT":
        raise NotUsable(_MODALITIES.get(modality, f"not a CT (its modality is {modality[:16] or 'not given'})"))
    if sop_class and sop_class not in _CT:
        raise NotUsable("not a CT image by its DICOM class")
    if modality not in ("CT", ""):
        raise NotUsable(_MODALITIES.get(modality, f"not a CT (its modality is {modality[:16]})"))


def _frames(data: Dataset, syntax: str, path: Path, at: int) -> Iterator[Frame]:
    if _whole(data, "SamplesPerPixel", 1) != 1:
        raise NotUsable("a colour picture, not Hounsfield units")
    photometric = _word(data, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        raise NotUsable(f"its pixels are colours ({photometric[:20]}), not Hounsfield units")
    pixels = _pixels(data, syntax, path, at, inverted=photometric == "MONOCHROME1")
    shared = _first(data, "SharedFunctionalGroupsSequence")
    each_frame = value_of(data, "PerFrameFunctionalGroupsSequence")
    if each_frame is None and pixels.frames > 1:
        raise NotUsable("several frames in one file without the position of each")
    if each_frame is not None and len(each_frame) != pixels.frames:
        raise NotUsable(f"it announces {pixels.frames} frames and describes {len(each_frame)}")
    for index in range(pixels.frames):
        own = each_frame[index] if each_frame is not None else Dataset()
        yield _frame(data, own, shared, pixels, index)


def _pixels(data: Dataset, syntax: str, path: Path, at: int, *, inverted: bool) -> Pixels:
    rows, columns = _whole(data, "Rows", 0), _whole(data, "Columns", 0)
    frames = max(_whole(data, "NumberOfFrames", 1), 1)
    allocated = _whole(data, "BitsAllocated", 16)
    stored = _whole(data, "BitsStored", allocated)
    if rows < 1 or columns < 1:
        raise NotUsable("its pictures have no size")
    if (
        allocated not in (8, 16, 32)
        or not 1 <= stored <= allocated
        or _whole(data, "HighBit", stored - 1) != stored - 1
    ):
        raise NotUsable(f"its pixels are stored in a way that is not read here ({stored} of {allocated} bits)")
    signed = _whole(data, "PixelRepresentation", 0) == 1
    return Pixels(
        path=path,
        at=at,
        syntax=syntax,
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        padding=_padding(data, allocated, signed),
        lossy=_word(data, "LossyImageCompression") == "01",
        inverted=inverted,
    )


def _padding(data: Dataset, bits: int, signed: bool) -> tuple[int, int] | None:
    first = _padding_value(data, "PixelPaddingValue", bits, signed)
    if first is None:
        return None
    other = _padding_value(data, "PixelPaddingRangeLimit", bits, signed)
    return (first, first) if other is None else (min(first, other), max(first, other))


def _padding_value(data: Dataset, name: str, bits: int, signed: bool) -> int | None:
    if value_of(data, name) in (None, ""):
        return None
    # Written as the wrong one of US and SS often enough: take the bit pattern.
    value: int = _whole(data, name, 0) % int(2**bits)
    return value - int(2**bits) if signed and value >= 2 ** (bits - 1) else value


def _frame(data: Dataset, own: Dataset, shared: Dataset, pixels: Pixels, index: int) -> Frame:
    def group(sequence: str) -> Dataset:
        return _first(own, sequence, _first(shared, sequence, data))

    frame_type = [str(each).upper() for each in _many(value_of(group("CTImageFrameTypeSequence"), "FrameType"))]
    kinds = frame_type or [str(each).upper() for each in _many(value_of(data, "ImageType"))]
    if "LOCALIZER" in kinds[2:3]:
        raise NotUsable("a localizer (scout view), not slices")
    position = _vector(group("PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = _vector(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = _vector(group("PixelMeasuresSequence"), "PixelSpacing", 2)
    if position is None or orientation is None:
        raise NotUsable("it does not say where its pictures lie in the patient")
    if spacing is None or not (spacing > 0).all():
        raise NotUsable("it does not say how far its pixels are apart, or says zero")
    row, column = _directions(orientation)
    values = group("PixelValueTransformationSequence")
    slope, intercept = _real(values, "RescaleSlope"), _real(values, "RescaleIntercept")
    if slope == 0:
        raise NotUsable("its rescale slope is zero, so every value would be the same")
    content = group("FrameContentSequence")
    return Frame(
        pixels=pixels,
        index=index,
        instance=f"{value_of(data, 'SOPInstanceUID', '')}/{index}" if value_of(data, "SOPInstanceUID") else "",
        position=position,
        row=row,
        column=column,
        step_mm=(float(spacing[1]), float(spacing[0])),
        thickness_mm=_real(group("PixelMeasuresSequence"), "SliceThickness"),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        is_hu=intercept is not None and _word(values, "RescaleType") in ("", "HU"),
        apart=(
            *(str(value_of(data, name, "")) for name in _TO_TELL_APART),
            str(value_of(content, "TemporalPositionIndex", "")),
            str(value_of(content, "FrameAcquisitionNumber", "")),
            str(value_of(content, "StackID", "")),
        ),
    )


def _directions(orientation: Vector) -> tuple[Vector, Vector]:
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    # 0.01 admits directions rounded to two digits, and refuses anything that is not a direction.
    if min(lengths) < 0.99 or max(lengths) > 1.01 or abs(row @ column) > 0.01:
        raise NotUsable("its image orientation is not a pair of perpendicular directions")
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _first(data: Dataset, name: str, otherwise: Dataset | None = None) -> Dataset:
    sequence = value_of(data, name)
    if sequence:
        return sequence[0]  # type: ignore[no-any-return]
    return Dataset() if otherwise is None else otherwise


def _many(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _word(data: Dataset, name: str) -> str:
    values = _many(value_of(data, name))
    return str(values[0]).strip().upper() if values else ""


def _whole(data: Dataset, name: str, default: int) -> int:
    values = _many(value_of(data, name))
    whole: int = int(values[0]) if values else default
    return whole


def _real(data: Dataset, name: str) -> float | None:
    values = _many(value_of(data, name))
    if not values:
        return None
    value = float(values[0])
    if not np.isfinite(value):
        raise NotUsable("its header holds numbers that are not numbers")
    return value


def _vector(data: Dataset, name: str, length: int) -> Vector | None:
    values = _many(value_of(data, name))
    if len(values) != length:
        return None
    vector = np.array([float(each) for each in values])
    if not np.isfinite(vector).all():
        raise NotUsable("its position or spacing holds values that are not numbers")
    return vector
