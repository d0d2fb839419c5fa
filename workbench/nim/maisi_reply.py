"""What MAISI answers: pairs of image and label map in a zip, read in a worker process into arrays."""

from __future__ import annotations

import contextlib
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workbench.domain.errors import NimReplyInvalid
from workbench.domain.progress import Progress
from workbench.domain.synthesis import Drawn, Numbering, SynthesisRequest
from workbench.nim.complaint import clean, complaint
from workbench.nim.maisi_failure import SETTING
from workbench.nim.maisi_numbering import legend
from workbench.nim.zip_members import MOST_MEMBERS, extension, is_safe, open_member

EXTENSIONS = (".nii.gz", ".nii", ".nrrd")
_NAME = re.compile(r"(?P<sample>.*?)_?(?P<kind>image|label)\Z", re.IGNORECASE)
_HEAD_BYTES = 1 << 16
_SAME_MM = 1e-3
_ELSEWHERE = (
    "The workbench asks for the result in the answer itself. A NIM or a gateway that is set to write results to a "
    "folder or an upload address keeps them there: take that setting out, or open the files under "
    "Segment."
)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The samples of an answer, how their masks were numbered, and remarks for the person."""

    drawn: tuple[Drawn, ...]
    numbering: Numbering
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Pair:
    image: zipfile.ZipInfo
    label: zipfile.ZipInfo


def most_bytes(request: SynthesisRequest) -> int:
    """The most an answer can take: eight bytes a voxel for image and labels each, and room for headers."""
    return request.num_output_samples * (16 * request.voxels + (2 << 20))


def read_answer(
    path: Path, request: SynthesisRequest, folder: Path, max_voxels: int, *, progress: Progress
) -> Answered:
    """Read the zip at `path`; arrays go into `folder`, and none stays there after an error.

    Images and labels are unpacked straight from the zip, block by block; nothing is written by a member's name.

    Raises:
        NimReplyInvalid: no zip of pairs, damaged, more than was asked for, or masks that mean nothing known.
        StorageFull: no room on the disk.
    """
    written: list[Path] = []
    try:
        with _damage_told(), _opened(path) as archive:
            pairs = _pairs(archive.infolist(), request)
            return _read(archive, pairs, request, folder, max_voxels, written, progress)
    except BaseException:
        for each in written:
            each.unlink(missing_ok=True)
        raise


def _read(
    archive: zipfile.ZipFile,
    pairs: list[_Pair],
    request: SynthesisRequest,
    folder: Path,
    max_voxels: int,
    written: list[Path],
    progress: Progress,
) -> Answered:
    # Loads SimpleITK's companions, which the process that serves the page does not need.
    from workbench.imaging.read.synthetic import read_synthetic, translate_array  # noqa: PLC0415

    found = []
    for number, pair in enumerate(pairs, 1):
        progress.stage(f"reading sample {number} of {len(pairs)}")
        voxels, labels = folder / f"sample-{number}.npy", folder / f"sample-{number}-labels.npy"
        written += [voxels, labels]
        found.append(
            read_synthetic(
                partial(open_member, archive, pair.image),
                partial(open_member, archive, pair.label),
                voxels_out=voxels,
                labels_out=labels,
                max_voxels=min(max_voxels, request.voxels),
                progress=progress,
            )
        )
    meaning = legend(frozenset().union(*(each.values for each in found)), request)
    drawn = []
    for number, each in enumerate(found, 1):
        progress.stage("naming the labels")
        labels = folder / f"sample-{number}-labels.npy"
        renamed = any(meaning.label_of_value[value] != value for value in each.values)
        digest = translate_array(labels, meaning.label_of_value.tobytes() if renamed else None)
        present = {int(meaning.label_of_value[value]) for value in each.values}
        drawn.append(
            Drawn(
                voxels_file=folder / f"sample-{number}.npy",
                labels_file=labels,
                affine_ras_mm=tuple(each.grid.affine_ras_mm.ravel().tolist()),
                voxels_sha256=each.voxels_sha256,
                labels_sha256=digest,
                report=each.report,
                not_found=tuple(label for label in request.labels if label not in present),
            )
        )
    return Answered(
        drawn=tuple(drawn),
        numbering=meaning.numbering,
        warnings=(*meaning.warnings, *_remarks(drawn, request)),
    )


def _remarks(drawn: list[Drawn], request: SynthesisRequest) -> Iterator[str]:
    if len(drawn) < request.num_output_samples:
        yield f"MAISI made {len(drawn)} of the {request.num_output_samples} samples that were asked for."
    for number, each in enumerate(drawn, 1):
        which = f"Sample {number}" if len(drawn) > 1 else "The CT"
        if each.report.size != request.output_size:
            sizes = (" x ".join(map(str, size)) for size in (each.report.size, request.output_size))
            yield "{} has {} voxels, not the {} that were asked for.".format(which, *sizes)
        elif not all(
            math.isclose(got, asked, abs_tol=_SAME_MM)
            for got, asked in zip(each.report.spacing_mm, request.spacing_mm, strict=True)
        ):
            steps = (
                " x ".join(f"{step:g}" for step in every) for every in (each.report.spacing_mm, request.spacing_mm)
            )
            yield "{} has voxels of {} mm, not the {} that were asked for.".format(which, *steps)
        if each.not_found and len(each.not_found) == len(request.labels):
            yield f"{which} holds none of the structures that were asked for: its mask is empty."


def _opened(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK"):
        return zipfile.ZipFile(path)
    start = head[:512].lstrip().lower()
    if not start:
        raise NimReplyInvalid("MAISI answered without content.", hint="Its log may say why.")
    if start.startswith((b"{", b"[")):
        raise _message(head)
    if start.startswith(b"<"):
        said = complaint(head)[:120]
        raise NimReplyInvalid(
            f"What answers at the address of MAISI is a web page: “{said}”.", hint=f"Check {SETTING}."
        )
    raise NimReplyInvalid("MAISI answered with something that is no zip.", hint=f"Check {SETTING}.")


def _message(head: bytes) -> NimReplyInvalid:
    """MAISI may answer 200 with a message, for one that the result was written elsewhere."""
    said = complaint(head) or _any_text(head)
    what = f"a message instead of a volume: “{said}”" if said else "a message instead of a volume"
    return NimReplyInvalid(f"MAISI answered with {what}.", hint=_ELSEWHERE)


def _any_text(head: bytes) -> str:
    """The texts of a JSON object whose keys are not known."""
    try:
        body: Any = json.loads(head)
    except (ValueError, RecursionError):
        return ""
    values = body.values() if isinstance(body, dict) else []
    return clean("; ".join(each for each in values if isinstance(each, str)))


def _pairs(members: list[zipfile.ZipInfo], request: SynthesisRequest) -> list[_Pair]:
    """The image and the label map of each sample, in the order of their names, which hold the time of making."""
    if len(members) > MOST_MEMBERS:
        raise NimReplyInvalid(f"The zip that MAISI answered with holds {len(members)} files, far more than samples.")
    samples: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for member in filter(is_safe, members):
        ending = extension(member.filename, EXTENSIONS)
        named = _NAME.fullmatch(member.filename[: -len(ending)]) if ending else None
        if named is None:
            continue
        kinds = samples.setdefault(named["sample"].lower(), {})
        if named["kind"].lower() in kinds:
            raise NimReplyInvalid("The zip that MAISI answered with holds two files for one sample under one name.")
        kinds[named["kind"].lower()] = member
    _complete(samples, request)
    return [_Pair(image=kinds["image"], label=kinds["label"]) for _, kinds in sorted(samples.items())]


def _complete(samples: dict[str, dict[str, zipfile.ZipInfo]], request: SynthesisRequest) -> None:
    again = "Send the request again. If it stays, the NIM's log may say what went wrong."
    if not samples:
        raise NimReplyInvalid(
            "The zip that MAISI answered with holds no image and label map (.nii.gz, .nii or .nrrd).", hint=again
        )
    if any("label" not in kinds for kinds in samples.values()):
        raise NimReplyInvalid("The zip that MAISI answered with holds an image without its label map.", hint=again)
    if any("image" not in kinds for kinds in samples.values()):
        raise NimReplyInvalid("The zip that MAISI answered with holds a label map without its image.", hint=again)
    if len(samples) > request.num_output_samples:
        raise NimReplyInvalid(
            f"The zip that MAISI answered with holds {len(samples)} samples; {request.num_output_samples} were asked "
            "for.",
            hint=again,
        )


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Turn what zipfile and zlib raise over damaged archives into words."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NimReplyInvalid(
            "The zip that MAISI answered with is damaged or cut short.",
            hint="Send the request again. If it stays, something between here and the NIM cuts long answers.",
        ) from error
