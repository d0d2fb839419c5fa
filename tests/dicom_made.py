"""DICOM files made for a test: small CT series whose every voxel is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from workbench.domain.volume import Series
from workbench.imaging.read import ReadCt, ReadLimits, read_ct, survey

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def make_image(
    path: Path,
    stored: NDArray[Any],
    *,
    position: Sequence[float] = (0.0, 0.0, 0.0),
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (0.8, 0.7),
    series: str = "1.2.3.4",
    sop_class: str = CT,
    modality: str = "CT",
    slope: float = 1,
    intercept: float = -1024,
    **tags: Any,
) -> Dataset:
    """Write one CT image of `stored` (rows, columns); a tag given as None is left out."""
    image = _common(stored, series=series, sop_class=sop_class, modality=modality)
    image.ImagePositionPatient = [round(float(each), 6) for each in position]
    image.ImageOrientationPatient = [round(float(each), 9) for each in orientation]
    image.PixelSpacing = list(spacing)
    image.RescaleSlope, image.RescaleIntercept = slope, intercept
    _set(image, tags)
    save(image, path)
    return image


def make_series(
    folder: Path, stored: NDArray[Any], *, depths: Sequence[float] | None = None, step: float = 2.0, **tags: Any
) -> list[Path]:
    """Write slices stored[k] (rows, columns) at z = depths[k] mm; names say nothing of the order."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [step * k for k in range(len(stored))] if depths is None else depths
    paths = []
    for k, z in enumerate(places):
        path = folder / f"IM{(7 * k) % len(stored):04d}_{k}"
        make_image(path, stored[k], **{"position": (-10.0, -20.0, z), "InstanceNumber": k + 1, **tags})
        paths.append(path)
    return paths


def make_enhanced(
    path: Path,
    stored: NDArray[Any],
    *,
    depths: Sequence[float],
    rescale: Sequence[tuple[float, float]] | None = None,
    sop_class: str = ENHANCED_CT,
    **tags: Any,
) -> Dataset:
    """Write one multi-frame image; geometry and rescale values only in its functional groups."""
    image = _common(stored, series="1.2.3.9", sop_class=sop_class, modality="CT")
    image.NumberOfFrames = len(stored)
    shared = Dataset()
    shared.PlaneOrientationSequence = Items([_item(ImageOrientationPatient=list(AXIAL))])
    shared.PixelMeasuresSequence = Items([_item(PixelSpacing=[0.8, 0.7], SliceThickness=3.0)])
    image.SharedFunctionalGroupsSequence = Items([shared])
    frames = []
    for k, z in enumerate(depths):
        slope, intercept = rescale[k] if rescale else (1, -1024)
        frame = Dataset()
        frame.PlanePositionSequence = Items([_item(ImagePositionPatient=[-10.0, -20.0, z])])
        frame.PixelValueTransformationSequence = Items(
            [_item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")]
        )
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = Items(frames)
    _set(image, tags)
    save(image, path)
    return image


def save(image: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    """Write a data set with preamble and file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(image.get("SOPClassUID", CT))
    meta.MediaStorageSOPInstanceUID = UID(image.get("SOPInstanceUID", "1.2.3"))
    meta.TransferSyntaxUID = UID(syntax)
    image.file_meta = meta
    image.save_as(path, enforce_file_format=True)


def _common(stored: NDArray[Any], *, series: str, sop_class: str, modality: str) -> Dataset:
    image = Dataset()
    image.SOPClassUID = UID(sop_class)
    image.SOPInstanceUID = generate_uid()
    image.StudyInstanceUID = UID("1.2.3")
    image.SeriesInstanceUID = UID(series)
    image.SeriesNumber = 1
    image.Modality = modality
    image.SeriesDescription = "Made body"
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape[-2:]
    bits = stored.dtype.itemsize * 8
    image.BitsAllocated = image.BitsStored = bits
    image.HighBit = bits - 1
    image.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    image.add_new("PixelData", "OW", np.ascontiguousarray(stored).tobytes())
    return image


def _item(**tags: Any) -> Dataset:
    item = Dataset()
    _set(item, tags)
    return item


def _set(image: Dataset, tags: dict[str, Any]) -> None:
    for name, value in tags.items():
        if value is None:
            if name in image:
                delattr(image, name)
        else:
            setattr(image, name, value)


LIMITS = ReadLimits(max_bytes=1 << 30, max_voxels=200_000_000)


def read_upload(upload: Sequence[Path] | Path, folder: Path, *, limits: ReadLimits = LIMITS, **asked: Any) -> ReadCt:
    """Read as a case does, and check that nothing is left behind, whether it ends well or not."""
    scratch, out = folder / "scratch", folder / "voxels.npy"
    scratch.mkdir(exist_ok=True)
    out.unlink(missing_ok=True)
    files = [upload] if isinstance(upload, Path) else list(upload)
    read = None
    try:
        read = read_ct(files, scratch=scratch, limits=limits, out=out, created_at="2030-01-01T00:00:00+00:00", **asked)
    finally:
        assert list(scratch.iterdir()) == []
        assert out.exists() == (read is not None)
    return read


def survey_upload(upload: Sequence[Path] | Path, folder: Path, *, limits: ReadLimits = LIMITS) -> tuple[Series, ...]:
    """List the series of an upload, and check that nothing is left behind."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        return survey([upload] if isinstance(upload, Path) else list(upload), scratch=scratch, limits=limits)
    finally:
        assert list(scratch.iterdir()) == []
