"""What VISTA-3D answers: the mask in its reply, and what the mask's values mean."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import NimReplyInvalid
from workbench.domain.organs import EVERYTHING, NOT_EVALUATED, ORGANS
from workbench.domain.volume import Grid
from workbench.nim.complaint import complaint
from workbench.nim.zip_members import MOST_MEMBERS, extension, is_safe

EXTENSIONS = (".nii.gz", ".nii", ".nrrd")
"""Mask files by preference."""

_ZIP = b"PK"
_GZIP = b"\x1f\x8b"
_NRRD = b"NRRD000"
_CHECK_URL = "Check the base URL of VISTA-3D (IMAGING_NIM_VISTA3D_URL)."


def most_bytes(grid: Grid) -> int:
    """The most a mask on this grid can take: eight bytes a voxel (float64), and room for headers."""
    return 8 * grid.shape[0] * grid.shape[1] * grid.shape[2] + (1 << 20)


def read_reply(body: bytes, grid: Grid, *, scratch: Path, max_voxels: int) -> NDArray[np.uint8]:
    """The labels in a reply, uint8 on `grid`, indexed (i, j, k).

    The body is a zip, a NIfTI (gzipped or not) or an NRRD, told apart by content.

    Raises:
        NimReplyInvalid: anything else, damaged, too large, or not on the grid.
    """
    from workbench.imaging.read import read_mask  # noqa: PLC0415 - opening a client must not load image readers

    return read_mask(mask_file(body, max_bytes=most_bytes(grid)), grid, scratch=scratch, max_voxels=max_voxels)


def mask_file(body: bytes, *, max_bytes: int) -> bytes:
    """The bytes of the mask file in a reply, unpacked from its zip in memory. Nothing is written by a member's name.

    Raises:
        NimReplyInvalid: the reply holds no mask file, several, or a damaged or oversized one.
    """
    if body.startswith(_ZIP):
        return _from_zip(body, max_bytes)
    if body.startswith((_GZIP, _NRRD)) or _is_nifti(body):
        return body
    raise _not_a_mask(body)


def _is_nifti(body: bytes) -> bool:
    return body[344:348] in (b"n+1\0", b"ni1\0") or body[4:8] == b"n+2\0"


def _not_a_mask(body: bytes) -> NimReplyInvalid:
    start = body[:512].lstrip().lower()
    if not start:
        return NimReplyInvalid("VISTA-3D answered without content.", hint="Its log may say why.")
    if start.startswith((b"{", b"[")):
        said = complaint(body)
        what = f"a message instead of a mask: “{said}”" if said else "a message instead of a mask"
        return NimReplyInvalid(f"VISTA-3D answered with {what}.", hint=_CHECK_URL)
    if start.startswith(b"<"):
        return NimReplyInvalid(
            f"What answers at the address of VISTA-3D is a web page: “{complaint(body)[:120]}”.", hint=_CHECK_URL
        )
    return NimReplyInvalid("VISTA-3D answered with something that is neither a zip, NIfTI nor NRRD.", hint=_CHECK_URL)


def _from_zip(body: bytes, max_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            member = _choose(archive.infolist())
            with archive.open(member) as file:
                content = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise NimReplyInvalid(
            "The zip that VISTA-3D answered with is damaged or cut short.",
            hint="Run again. If it stays, something between here and the NIM cuts long answers.",
        ) from error
    if len(content) > max_bytes:
        raise NimReplyInvalid("The mask in the answer of VISTA-3D unpacks to more than this CT can have.")
    return content


def _choose(members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(members) > MOST_MEMBERS:
        raise NimReplyInvalid(f"The zip that VISTA-3D answered with holds {len(members)} files; a mask is one.")
    usable = [each for each in members if is_safe(each)]
    for wanted in EXTENSIONS:
        found = [each for each in usable if extension(each.filename, EXTENSIONS) == wanted]
        if len(found) > 1:
            raise NimReplyInvalid(
                f"The zip that VISTA-3D answered with holds {len(found)} {wanted} files. Which is the mask of this "
                "CT cannot be known."
            )
        if found:
            return found[0]
    raise NimReplyInvalid("The zip that VISTA-3D answered with holds no mask (.nii.gz, .nii or .nrrd).")


@dataclass(frozen=True, kw_only=True, eq=False)
class Meaning:
    """The labels fit for use, those asked for that hold no voxel, and remarks for the person."""

    labels: NDArray[np.uint8]
    not_found: tuple[int, ...]
    warnings: tuple[str, ...]


def interpret(labels: NDArray[np.uint8], *, asked: tuple[int, ...] | None, zero_shot: int | None = None) -> Meaning:
    """Hold a mask's values to the VISTA-3D dictionary.

    255 (not evaluated) becomes background, and how much of the scan that was is told. A structure that was not
    asked for is kept and told. `asked` is None for everything; `zero_shot` is a label beyond the dictionary that
    was clicked.

    Raises:
        NimReplyInvalid: a value that is no structure of VISTA-3D.
    """
    counts = _counts(labels)
    present = [label for label in np.flatnonzero(counts).tolist() if label not in (0, NOT_EVALUATED)]
    unknown = [label for label in present if label not in ORGANS and label != zero_shot]
    if unknown:
        values = ", ".join(map(str, unknown[:8]))
        raise NimReplyInvalid(
            f"The mask holds values that are no structure of VISTA-3D: {values}.",
            hint="Is it VISTA-3D that answers at IMAGING_NIM_VISTA3D_URL?",
        )
    if counts[NOT_EVALUATED]:
        labels = np.where(labels == NOT_EVALUATED, np.uint8(0), labels)
    expected = EVERYTHING if asked is None else asked
    return Meaning(
        labels=labels,
        not_found=tuple(label for label in expected if label not in present),
        warnings=tuple(_warnings(present, int(counts[NOT_EVALUATED]), labels.size, asked)),
    )


def _counts(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    # bincount widens to eight bytes a voxel: slice by slice, so that it never widens the whole mask.
    total = np.zeros(256, dtype=np.int64)
    for k in range(labels.shape[2]):
        total += np.bincount(labels[:, :, k].ravel(order="K"), minlength=256)
    return total


def _warnings(present: list[int], not_evaluated: int, size: int, asked: tuple[int, ...] | None) -> list[str]:
    said = []
    if not_evaluated:
        said.append(
            f"VISTA-3D did not evaluate {not_evaluated:,} voxels ({100 * not_evaluated / size:.1f} % of the scan); "
            "they count as background."
        )
    extra = [label for label in present if asked is not None and label not in asked]
    if extra:
        names = ", ".join(_name(label) for label in extra)
        said.append(f"VISTA-3D also returned structures that were not asked for; they are kept: {names}.")
    if not present:
        said.append(
            "VISTA-3D answered, and found none of the structures in this scan: the mask is empty. That is a normal "
            "answer when they lie outside the field of view or are not recognised."
        )
    return said


def _name(label: int) -> str:
    return ORGANS[label].name if label in ORGANS else f"label {label}"
