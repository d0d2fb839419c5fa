"""The files of an ingest, zips unpacked into a private folder.

What endangers the machine refuses the whole archive: growing like a bomb, names that lead outside. What is merely
not readable (an archive within, a link, a password) is told of that file. Either way the others go on.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workbench.cases.store import telling_disk_full
from workbench.domain.errors import TooLarge
from workbench.domain.library import SourceFile
from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import clean
from workbench.knowledge.documents.kinds import Kind, kind_of
from workbench.knowledge.documents.nouns import MB, DocumentLimits, Unread, UnreadableDocument

_BLOCK = 1 << 20
_MOST_RATIO = 200
"""Most times that a zip may grow: text stays below 20, bombs start at 1000 (deflate's own limit is 1032)."""
_FREE_OF_RATIO = 64 * MB
"""Unpacked bytes below which the ratio does not matter."""
_ENCRYPTED = 0x1
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_LONGEST_NAME = 240


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """The plain files in the order found, and what was left out."""

    files: tuple[SourceFile, ...]
    left_out: tuple[Unread, ...]


def unpack(upload: Sequence[SourceFile], scratch: Path, limits: DocumentLimits, *, progress: Progress) -> Unpacked:
    """The files of `upload`, those of zips laid into `scratch`.

    Raises:
        TooLarge: more files or bytes than allowed.
        StorageFull: the disk has no room.
    """
    budget = _Budget(limits)
    files: list[SourceFile] = []
    left_out: list[Unread] = []
    for number, each in enumerate(upload):
        progress.stage("unpacking", number / len(upload))
        name = tidy_name(each.name)
        budget.file()
        if _is_zip(each.path, name):
            into = scratch / f"zip{number}"
            try:
                found = list(_unzipped(each.path, name, into, budget, progress))
            except UnreadableDocument as error:
                shutil.rmtree(into, ignore_errors=True)
                found = [Unread(name=name, why=" ".join(filter(None, (error.message, error.hint))))]
            files += [one for one in found if isinstance(one, SourceFile)]
            left_out += [one for one in found if isinstance(one, Unread)]
        else:
            budget.spend(each.path.stat().st_size)
            files.append(SourceFile(path=each.path, name=name))
    return Unpacked(files=tuple(files), left_out=tuple(left_out))


def tidy_name(name: str) -> str:
    """A name as it is shown and cited: relative, with `/`, without what cannot be seen. Never used as a path."""
    parts = [clean(part).strip() for part in name.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part not in ("", ".", ".."))[-_LONGEST_NAME:] or "unnamed"


def is_litter(name: str) -> bool:
    """Whether a file is one that desktops leave lying about."""
    return any(part in _LITTER or part.startswith("._") for part in PurePosixPath(name).parts)


def _is_zip(path: Path, name: str) -> bool:
    try:
        return kind_of(path, name) is Kind.ZIP
    except UnreadableDocument:
        return False  # told when it is read, with its reason


class _Budget:
    """Counts files and bytes of one ingest, and stops at the limits."""

    def __init__(self, limits: DocumentLimits) -> None:
        self._limits = limits
        self._files = 0
        self._bytes = 0

    def file(self) -> None:
        self._files += 1
        if self._files > self._limits.most_files:
            raise TooLarge(
                f"There are more than {self._limits.most_files:,} files.",
                hint="Add them in parts, or turn them into JSON Lines with one document a line.",
            )

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._limits.most_bytes:
            raise TooLarge(
                f"The files unpack to more than {self._limits.most_bytes / MB:,.0f} MB, the most that is read at once.",
                hint="Add them in parts, or raise IMAGING_MAX_UPLOAD_MB.",
            )


def _unzipped(path: Path, name: str, into: Path, budget: _Budget, progress: Progress) -> Iterator[SourceFile | Unread]:
    try:
        with telling_disk_full(), zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir() and not is_litter(each.filename)]
            if not members:
                yield Unread(name=name, why="The zip is empty: there is no file in it.")
                return
            for member in members:
                _refuse_outside(member)
            into.mkdir(mode=0o700)
            unpacked = 0
            for number, member in enumerate(members):
                progress.stage("unpacking", number / len(members))
                budget.file()
                found, size = _member(archive, member, into / f"{number:06d}", budget, unpacked, path.stat().st_size)
                unpacked += size
                yield found
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise UnreadableDocument(
            "The zip is damaged, cut short, or packed in a way that is not read here.",
            hint="Zip the folder again with the ordinary method (deflate).",
        ) from error


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: _Budget, before: int, packed: int
) -> tuple[SourceFile | Unread, int]:
    """One file of a zip, and how many bytes it took."""
    name = tidy_name(member.filename)
    if member.flag_bits & _ENCRYPTED:
        return Unread(name=name, why="It is encrypted with a password. Zip it again without one."), 0
    if stat.S_ISLNK(member.external_attr >> 16):
        return Unread(name=name, why="It is a symbolic link in place of a file. Zip the file itself."), 0
    size = 0
    with archive.open(member) as source, target.open("xb") as sink:
        while block := source.read(_BLOCK):
            size += len(block)
            budget.spend(len(block))
            _refuse_bomb(before + size, packed)
            sink.write(block)
    return SourceFile(path=target, name=name), size


def _refuse_outside(member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or (name.parts and name.parts[0].endswith(":")):
        raise UnreadableDocument(
            "The zip names a file outside its own folder. Archives made by ordinary programs do not; "
            "it was not unpacked."
        )


def _refuse_bomb(unpacked: int, packed: int) -> None:
    if unpacked > _FREE_OF_RATIO and unpacked > _MOST_RATIO * packed:
        raise UnreadableDocument(
            f"The zip unpacks to more than {_MOST_RATIO} times its size, as no texts do; unpacking was stopped.",
            hint="Zip the original files again.",
        )
