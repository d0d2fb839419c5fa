"""The files of an upload, zips unpacked into a private folder that is empty again afterwards."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workbench.domain.errors import TooLarge, UnreadableImage
from workbench.domain.progress import Progress
from workbench.imaging.read.limits import ReadLimits, in_words, storing
from workbench.imaging.read.sniff import Kind, kind_of, kind_of_bytes

_BLOCK = 1 << 20
_MOST_RATIO = 200
"""Most times that a zip may grow: CT slices of air stay below 100, bombs start at 1000 (deflate's own limit)."""
_FREE_OF_RATIO = 64 * _BLOCK
"""Unpacked bytes below which the ratio does not matter."""
_ENCRYPTED = 0x1
_DESKTOP_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One file of an upload: where its bytes lie, the name it came with (folders included), and what it is."""

    path: Path
    name: PurePosixPath
    kind: Kind


@contextmanager
def opened(
    upload: Sequence[Path], scratch: Path, limits: ReadLimits, progress: Progress
) -> Iterator[tuple[Found, ...]]:
    """The files of `upload`, zips unpacked into `scratch`, which is emptied at the end, come what may.

    Raises:
        UnreadableImage: a zip that is empty, damaged, encrypted, nested, or leads outside.
        TooLarge: more files or bytes than allowed, or a zip that grows like a bomb.
        StorageFull: the disk has no room.
    """
    try:
        yield tuple(_all_files(upload, scratch, limits, progress))
    finally:
        empty(scratch)


def empty(folder: Path) -> None:
    """Remove everything inside `folder`, not the folder itself."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _all_files(upload: Sequence[Path], scratch: Path, limits: ReadLimits, progress: Progress) -> list[Found]:
    budget = _Budget(limits)
    found: list[Found] = []
    for path, name in _plain_files(upload):
        budget.file()
        kind = kind_of(path)
        if kind is Kind.ZIP:
            found += _unzip(path, scratch / f"zip{len(found)}", budget, progress)
        else:
            budget.spend(path.stat().st_size)
            found.append(Found(path=path, name=name, kind=kind))
    return found


def _plain_files(upload: Sequence[Path]) -> Iterator[tuple[Path, PurePosixPath]]:
    for each in upload:
        if each.is_dir():
            inside = (path for path in sorted(each.rglob("*")) if path.is_file() and not path.is_symlink())
            yield from ((path, PurePosixPath(path.relative_to(each).as_posix())) for path in inside)
        elif each.is_file():
            yield each, PurePosixPath(each.name)
        else:
            raise UnreadableImage("One of the files given is not there, or is not a plain file.")


class _Budget:
    """Counts files and bytes of one upload, and stops at the limits."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._files = 0
        self._bytes = 0

    def file(self) -> None:
        self._files += 1
        if self._files > self._limits.max_files:
            raise TooLarge(
                f"The upload holds more than {self._limits.max_files:,} files.", hint="Upload one study at a time."
            )

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._limits.max_bytes:
            raise TooLarge(
                f"The upload unpacks to more than {in_words(self._limits.max_bytes)}, the most that is read here.",
                hint="Upload only the series that is needed, or raise IMAGING_MAX_UPLOAD_MB.",
            )


def _unzip(path: Path, into: Path, budget: _Budget, progress: Progress) -> list[Found]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if _is_wanted(each)]
            if not members:
                raise UnreadableImage("The zip is empty: there is no file in it.", hint="Zip the folder again.")
            with storing("the unpacked files"):
                into.mkdir(mode=0o700)
                return _members(archive, members, path.stat().st_size, into, budget, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise UnreadableImage(
            "The zip is damaged, cut short, or packed in a way that is not read here.",
            hint="Zip the folder again with the ordinary method (deflate), and upload it again.",
        ) from error


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    return not member.is_dir() and not any(part in _DESKTOP_LITTER or part.startswith("._") for part in name.parts)


def _members(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    packed_bytes: int,
    into: Path,
    budget: _Budget,
    progress: Progress,
) -> list[Found]:
    found = []
    unpacked = 0
    for number, member in enumerate(members):
        progress.stage("Unpacking", number / len(members))
        budget.file()
        name = _safe_name(member)
        target = into / f"{number:06d}"  # names from outside never become paths here
        head = b""
        with archive.open(member) as source, target.open("xb") as sink:
            while block := source.read(_BLOCK):
                if not head:
                    head = block
                    _refuse_nested(head)
                unpacked += len(block)
                budget.spend(len(block))
                _refuse_bomb(unpacked, packed_bytes)
                sink.write(block)
        found.append(Found(path=target, name=name, kind=kind_of_bytes(head)))
    return found


def _safe_name(member: zipfile.ZipInfo) -> PurePosixPath:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or (name.parts and name.parts[0].endswith(":")):
        raise UnreadableImage(
            "The zip names a file outside its own folder. Archives made by ordinary programs do not; "
            "it was not unpacked."
        )
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableImage("The zip is encrypted with a password.", hint="Zip the folder again without a password.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UnreadableImage(
            "The zip holds a symbolic link in place of a file.", hint="Zip the files themselves, not links to them."
        )
    return name


def _refuse_nested(head: bytes) -> None:
    if kind_of_bytes(head) in (Kind.ZIP, Kind.OTHER_ARCHIVE):
        raise UnreadableImage(
            "There is an archive inside the zip. Archives within archives are not unpacked.",
            hint="Unpack the inner archive and upload its files, or one zip of them.",
        )


def _refuse_bomb(unpacked: int, packed: int) -> None:
    if unpacked > _FREE_OF_RATIO and unpacked > _MOST_RATIO * packed:
        raise TooLarge(
            f"The zip of {in_words(packed)} unpacks to more than {_MOST_RATIO} times its size, as no scan does; "
            "unpacking was stopped.",
            hint="Zip the original files again.",
        )
