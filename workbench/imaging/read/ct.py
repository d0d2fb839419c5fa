"""An upload becomes a list of series, and one of them a CT volume without a patient's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.domain.errors import InputError, InvalidRequest, UnreadableImage, UnsupportedVolume
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import CtReport, Grid, Series, Volume
from workbench.imaging.read import dicom, files
from workbench.imaging.read.canvas import kept_only_when_whole
from workbench.imaging.read.dicom_series import Stack
from workbench.imaging.read.limits import ReadLimits
from workbench.imaging.read.raster import Raster
from workbench.imaging.read.report import build_report
from workbench.imaging.read.sniff import IMAGES, Kind
from workbench.imaging.read.unpack import Found, opened

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadCt:
    """A CT as read, what to know of it, and everything else that was in the upload.

    `series_number` is the number, among `series`, of the one that was read.
    """

    volume: Volume
    report: CtReport
    series: tuple[Series, ...]
    series_number: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    series: Series
    source: Raster | Stack | None
    error: InputError | None = None


def survey(
    upload: Sequence[Path], *, scratch: Path, limits: ReadLimits, progress: Progress | None = None
) -> tuple[Series, ...]:
    """Every image series in `upload`, usable or not, numbered from 1.

    Args:
        upload: the uploaded files under any names, or folders of them; zips are unpacked into `scratch`.
        scratch: an empty private folder; empty again afterwards, whatever happens.
        limits: what the upload may cost.
        progress: told the stages; may raise `Cancelled`.

    Raises:
        UnreadableImage: nothing in the upload is an image that is read here, or a zip is unfit.
        TooLarge: over a limit.
        StorageFull: no room to unpack.
    """
    progress = progress or Silent()
    with opened(upload, scratch, limits, progress) as found:
        return tuple(each.series for each in _candidates(found, limits, progress)[0])


def read_ct(
    upload: Sequence[Path],
    *,
    scratch: Path,
    limits: ReadLimits,
    out: Path,
    created_at: str,
    series: int | None = None,
    progress: Progress | None = None,
) -> ReadCt:
    """Read one series of `upload` into `out`, an int16 .npy in HU, (i, j, k), i fastest.

    Args:
        upload: as in `survey`.
        scratch: as in `survey`.
        limits: what the upload and the volume may cost.
        out: written, mode 0600; it does not remain after an error.
        created_at: the time for the volume's provenance, ISO 8601.
        series: its number in `survey`, None for the likeliest.
        progress: told the stages; may raise `Cancelled`.

    Returns:
        The volume, memory-mapped from `out`. DICOM axes are i along the rows, j along the columns, k along the
        normal; other formats keep their array order. Padding and everything below -1024 HU is -1024.

    Raises:
        UnreadableImage: damaged, cut short, or not an image that is read here.
        UnsupportedVolume: readable, and not one CT volume.
        TooLarge: over a limit.
        StorageFull: no room on the disk.
        InvalidRequest: no series of that number.
    """
    progress = progress or Silent()
    with kept_only_when_whole(out), opened(upload, scratch, limits, progress) as found:
        candidates, remarks = _candidates(found, limits, progress)
        chosen = _choose(candidates, series)
        if isinstance(chosen.source, Stack):
            canvas, affine, source = dicom.read_stack(chosen.source, out, scratch, limits, progress)
        elif isinstance(chosen.source, Raster):
            canvas, affine, source = files.read_raster(chosen.source, out, limits, progress)
        else:
            raise AssertionError("a usable series has a source")
        grid = Grid(shape=canvas.shape, affine_ras_mm=affine)
        report = build_report(replace(source, warnings=(*remarks, *source.warnings)), canvas, grid)
    del canvas
    volume = Volume(
        voxels_hu=np.load(out, mmap_mode="r"),
        affine_ras_mm=affine,
        provenance=Provenance(
            origin=Origin.UPLOAD,
            model="upload",
            version=report.file_format,
            created_at=created_at,
            parameters={"reader": "workbench"},
        ),
    )
    return ReadCt(
        volume=volume,
        report=report,
        series=tuple(each.series for each in candidates),
        series_number=chosen.series.number,
    )


def _candidates(
    found: Sequence[Found], limits: ReadLimits, progress: Progress
) -> tuple[list[_Candidate], tuple[str, ...]]:
    """Everything that might be a volume, numbered, the likeliest marked; and remarks on files left out."""
    images = [each for each in found if each.kind in IMAGES]
    stacks, damaged = dicom.find_stacks([each.path for each in images if each.kind is Kind.DICOM], progress)
    candidates = [_of_stack(each) for each in stacks]
    for each in images:
        if each.kind is not Kind.DICOM:
            candidates.append(_of_file(each, found))
    if not candidates:
        raise _nothing(found, damaged)
    usable = [each for each in candidates if each.error is None]
    likeliest = max(
        usable, key=lambda each: (each.series.modality == "CT", int(np.prod(each.series.size))), default=None
    )
    numbered = [
        replace(each, series=replace(each.series, number=number, likeliest=each is likeliest))
        for number, each in enumerate(candidates, 1)
    ]
    return numbered, (_left_out(damaged),) if damaged else ()


def _of_stack(stack: Stack) -> _Candidate:
    error = None
    if stack.why_not is not None:
        error = UnsupportedVolume(
            f"This DICOM series cannot be used as a CT volume: {stack.why_not}.",
            hint="Choose another series, or upload the whole axial CT series.",
        )
    return _Candidate(
        series=Series(
            number=0,
            description=stack.description,
            modality=stack.modality,
            size=stack.size,
            spacing_mm=stack.layout.spacing_mm if stack.layout is not None else None,
            slices=stack.slices,
            why_not=stack.why_not,
        ),
        source=stack,
        error=error,
    )


def _of_file(found: Found, all_files: Sequence[Found]) -> _Candidate:
    try:
        raster = files.read_header(found, all_files)
        spacing = Grid(shape=raster.shape, affine_ras_mm=raster.affine_ras_mm).spacing_mm
    except InputError as error:
        nothing = Series(
            number=0,
            description=found.kind.value,
            modality="unknown",
            size=(),
            spacing_mm=None,
            slices=0,
            why_not=error.message,
        )
        return _Candidate(series=nothing, source=None, error=error)
    error_or_none = files.why_not_ct(found, raster)
    shown = Series(
        number=0,
        description=raster.file_format,
        modality="unknown",
        size=raster.shape,
        spacing_mm=spacing,
        slices=raster.shape[2],
        why_not=error_or_none.message if error_or_none else None,
    )
    return _Candidate(series=shown, source=raster, error=error_or_none)


def _choose(candidates: Sequence[_Candidate], number: int | None) -> _Candidate:
    if number is not None:
        if not 1 <= number <= len(candidates):
            raise InvalidRequest(
                f"There is no series {number} in the upload; it has {len(candidates)}, counted from 1."
            )
        chosen = candidates[number - 1]
        if chosen.error is not None:
            raise chosen.error
        return chosen
    for each in candidates:
        if each.series.likeliest:
            return each
    if len(candidates) == 1 and candidates[0].error is not None:
        raise candidates[0].error
    reasons = "; ".join(
        f"{each.series.number}: {(each.series.why_not or '').rstrip('.')}" for each in candidates[:_MOST_NAMED]
    )
    more = f"; and {len(candidates) - _MOST_NAMED} more" if len(candidates) > _MOST_NAMED else ""
    raise UnsupportedVolume(
        f"None of the {len(candidates)} series in the upload is a CT volume that can be used ({reasons}{more}).",
        hint="Upload the axial CT series.",
    )


def _nothing(found: Sequence[Found], damaged: int) -> UnreadableImage:
    hint = "Read here: DICOM, NIfTI, NRRD and MetaImage, alone or in a zip."
    if damaged:
        return UnreadableImage(
            f"The DICOM {'file is' if damaged == 1 else f'files ({damaged}) are'} damaged: "
            "the header cannot be understood, or ends early.",
            hint="Export the series again.",
        )
    kinds = {each.kind for each in found}
    if kinds == {Kind.DICOM}:
        return UnreadableImage(
            "The upload has a DICOM directory, but none of the images that it lists.",
            hint="Upload the whole folder or disc, not only DICOMDIR.",
        )
    if len(found) == 1:
        return UnreadableImage(f"The file is not a CT: it is {found[0].kind.value}.", hint=hint)
    return UnreadableImage(f"None of the {len(found)} files in the upload is a medical image.", hint=hint)


def _left_out(damaged: int) -> str:
    files_were = "1 DICOM file was" if damaged == 1 else f"{damaged} DICOM files were"
    return f"{files_were} damaged and left out; slices may be missing."
