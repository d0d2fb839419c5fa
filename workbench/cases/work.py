"""What worker processes do: top-level functions over files, called through `WorkerPool`.

Arrays cross the process boundary as paths of memory-mapped files, never as copies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.cases.files import OWN_LABELS, SECOND_LABELS, TRUTH, VOXELS, CaseFiles, Opened
from workbench.domain.agreement import Agreement, HuCheck
from workbench.domain.case import SegmentationRecord
from workbench.domain.organs import ORGANS
from workbench.domain.progress import Progress
from workbench.domain.provenance import Provenance
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.domain.volume import CtReport, Series
from workbench.imaging import compare, exports, measure, phantom, plots, read, write


def survey_upload(
    upload: Sequence[Path], scratch: Path, limits: read.ReadLimits, *, progress: Progress
) -> tuple[Series, ...]:
    """List the series of an upload."""
    return read.survey(upload, scratch=scratch, limits=limits, progress=progress)


def read_into(
    upload: Sequence[Path],
    scratch: Path,
    limits: read.ReadLimits,
    folder: Path,
    created_at: str,
    series: int | None,
    *,
    progress: Progress,
) -> Opened:
    """Read one series of an upload into a case's folder."""
    opened = read.read_ct(
        upload,
        scratch=scratch,
        limits=limits,
        out=folder / VOXELS,
        created_at=created_at,
        series=series,
        progress=progress,
    )
    progress.stage("checking")
    return Opened(
        report=opened.report,
        series=opened.series,
        series_number=opened.series_number,
        provenance=replace(opened.volume.provenance, sha256=digest(opened.volume.voxels_hu)),
        affine_ras_mm=_flat(opened.volume.affine_ras_mm),
    )


def make_phantom(folder: Path, created_at: str, *, progress: Progress) -> Opened:
    """Build the phantom and its exact mask into a folder."""
    made = phantom.build_phantom(progress=progress)
    progress.stage("writing the phantom")
    np.save(folder / VOXELS, np.asfortranarray(made.voxels_hu))
    np.save(folder / TRUTH, np.asfortranarray(made.labels))
    volume = phantom.phantom_volume(made, created_at)
    grid = volume.grid
    report = CtReport(
        file_format="phantom",
        description="Phantom: a made-up trunk with structures of known volume",
        modality="CT (made up)",
        size=grid.shape,
        spacing_mm=grid.spacing_mm,
        orientation=grid.orientation,
        hu_range=(int(made.voxels_hu.min()), int(made.voxels_hu.max())),
        field_of_view_mm=_extent(grid.shape, grid.spacing_mm),
    )
    return Opened(
        report=report,
        provenance=replace(volume.provenance, sha256=digest(made.voxels_hu)),
        affine_ras_mm=_flat(volume.affine_ras_mm),
    )


def measure_case(files: CaseFiles, created_at: str, *, progress: Progress) -> Measurements:
    """Measure every structure of a case's mask."""
    return measure.measure(files.volume(), files.segmentation(), created_at=created_at, progress=progress)


def check_own_hu(files: CaseFiles, *, progress: Progress) -> tuple[HuCheck, ...]:
    """The median HU inside a synthetic CT's own labels."""
    return compare.check_hu(files.volume().voxels_hu, _labels(files, OWN_LABELS), progress=progress)


def compare_with_own(files: CaseFiles, labels: Sequence[int], *, progress: Progress) -> tuple[Agreement, ...]:
    """A synthetic CT's own labels against the second label map beside them."""
    own, second = _labels(files, OWN_LABELS), _labels(files, SECOND_LABELS)
    return compare.compare_labels(own, second, files.volume().grid, labels=labels, progress=progress)


def write_image(files: CaseFiles, path: Path, *, progress: Progress) -> None:
    """Write the CT as a clean gzipped NIfTI; the whole file or none of it."""
    progress.stage("writing the volume")
    volume = files.volume()
    part = path.with_name(f"part-{path.name}")
    write.write_volume_nifti(volume, part, description=_short(volume.provenance))
    part.replace(path)


def write_mask(files: CaseFiles, path: Path, *, progress: Progress) -> None:
    """Write the mask as a gzipped NIfTI on the CT's grid with its label table and provenance in the header."""
    progress.stage("writing the mask")
    segmentation = files.segmentation()
    names = {int(label): ORGANS[int(label)].name for label in np.unique(segmentation.labels) if int(label) in ORGANS}
    part = path.with_name(f"part-{path.name}")
    write.write_mask_nifti(
        segmentation.labels,
        segmentation.grid,
        part,
        description=_short(segmentation.provenance),
        label_names=names,
        extension_json=json.dumps({"labels": names, "provenance": segmentation.provenance.to_json()}),
    )
    part.replace(path)


def draw_figure(
    files: CaseFiles,
    kind: str,
    organ: OrganVolume | None,
    measurements: Measurements,
    dark: bool,
    *,
    progress: Progress,
) -> bytes:
    """A matplotlib figure as PNG: `histogram` and `area` of one organ, `ranges`, or `contact` of all."""
    progress.stage("drawing")
    mark = measurements.provenance.mark
    if kind == "ranges":
        return plots.ranges_figure(measurements, mark=mark, dark=dark)
    volume, labels = files.volume(), files.segmentation().labels
    if kind == "contact":
        return plots.contact_figure(volume, labels, measurements, mark=mark, dark=dark)
    if organ is None:
        raise ValueError(f"a {kind} is of one organ")
    if kind == "histogram":
        return plots.histogram_figure(volume, labels, organ, mark=mark, dark=dark)
    return plots.area_figure(labels, volume.grid, organ, mark=mark, dark=dark)


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's values in memory order, first index fastest."""
    return hashlib.sha256(array.ravel(order="K").view(np.uint8).data).hexdigest()


def export_tables(measurements: Measurements, record: SegmentationRecord, report: CtReport) -> Mapping[str, str]:
    """The volumes as CSV and JSON text; what was asked for and not found is in both."""
    made, missing = record.provenance, record.not_found
    return {
        "volumes.csv": exports.volumes_csv(
            measurements, segmentation_provenance=made, report=report, not_found=missing
        ),
        "volumes.json": exports.volumes_json(
            measurements, segmentation_provenance=made, report=report, not_found=missing
        ),
    }


def _labels(files: CaseFiles, name: str) -> NDArray[np.uint8]:
    mapped: NDArray[np.uint8] = np.load(files.folder / name, mmap_mode="r", allow_pickle=False)
    return mapped


def _flat(affine: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(each) for each in affine.ravel())


def _extent(shape: Sequence[int], spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (count * step for count, step in zip(shape, spacing_mm, strict=True))
    return x, y, z


def _short(provenance: Provenance) -> str:
    """At most 79 characters for a NIfTI header."""
    warning = "not a measurement" if provenance.is_mock else "no patient"
    marked = f"{provenance.mark}, {warning}: " if provenance.mark else ""
    text = f"{marked}{provenance.model} {provenance.version}"
    return f"{text}, {provenance.created_at}"[:79]
