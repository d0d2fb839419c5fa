"""What worker processes do with picture files: top-level functions, called through `WorkerPool`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.domain.errors import InvalidRequest
from workbench.domain.picture import Modality
from workbench.domain.progress import Progress
from workbench.imaging.picture import Drawn, encode_picture
from workbench.imaging.read.picture import is_picture, read_picture
from workbench.imaging.read.picture_kinds import format_of
from workbench.imaging.read.sniff import IMAGES, Kind, kind_of
from workbench.imaging.slices import Window

_NEITHER = frozenset({Kind.EMPTY, Kind.TEXT, Kind.PDF, Kind.UNKNOWN})
"""Kinds from which neither a picture nor a volume can come."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadPicture:
    """A picture file as it is sent, and what was found out about it; `notes` say what was done to its pixels."""

    drawn: Drawn
    modality: Modality | None
    burned_in: str | None
    notes: tuple[str, ...]


def read_and_encode(
    path: Path, scratch: Path, window: tuple[float, float] | None, *, progress: Progress
) -> ReadPicture:
    """Read a picture file and encode it anew: nothing but its pixels goes on. `window` is centre and width in HU.

    Raises:
        InvalidRequest: it is a volume.
        InputError: it is no picture, damaged, or too large.
    """
    progress.stage("reading the picture")
    if (kind := kind_of(path)) in IMAGES - {Kind.DICOM}:
        raise InvalidRequest(
            f"The file is a volume ({kind.value}), not a picture.",
            hint="Open it in Segment, and ask about the slice on screen.",
        )
    chosen = None if window is None else Window(center=window[0], width=window[1])
    found = read_picture(path, scratch=scratch, window=chosen)
    drawn = encode_picture(found.pixels, mark=None, mm_per_px=found.mm_per_px)
    return ReadPicture(
        drawn=drawn, modality=found.modality, burned_in=found.burned_in, notes=(*found.notes, *drawn.notes)
    )


def lone_picture(files: Sequence[Path], *, progress: Progress) -> bool:
    """Whether the files are one picture, to be asked about as it is, and no CT.

    True also for one file from which neither can come: `read_and_encode` says so in words about pictures.

    Raises:
        InvalidRequest: they are several pictures.
    """
    progress.stage("looking at the file")
    if len(files) == 1:
        return is_picture(files[0]) or kind_of(files[0]) in _NEITHER
    if files and all(format_of(each) is not None for each in files):
        raise InvalidRequest(
            f"A question is about one picture, and {len(files)} were given.", hint="Choose the one that you mean."
        )
    return False
