"""What reading a file gives: documents as paragraphs that know their page and heading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.domain.errors import InputError
from workbench.domain.progress import Progress

MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """How much one ingest and one of its documents may cost: bytes, files, pages of a PDF, characters, seconds.

    `most_bytes` is of everything, unpacked; `most_file_bytes` of one file that has to be in memory as a whole.
    """

    most_bytes: int = 2048 * MB
    most_files: int = 20_000
    most_file_bytes: int = 64 * MB
    most_pages: int = 4_000
    most_characters: int = 20_000_000
    most_seconds: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Text that belongs together, white space folded, under a heading.

    `page` counts the file's pages from 1, `label` is the number printed there. `goes_on` where the text continues the
    paragraph before it, over a page's end.
    """

    text: str
    section: str = ""
    page: int | None = None
    label: str | None = None
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadDocument:
    """A document as its file tells it.

    `name` is what a report calls it, `source` where it comes from. A `record` is one of many in its file, so that its
    source is shared with others. `notes` are for the person: what was guessed, and what could not be read.
    """

    name: str
    title: str
    source: str
    paragraphs: tuple[Paragraph, ...]
    year: int | None = None
    url: str | None = None
    references: tuple[str, ...] = ()
    record: bool = False
    has_pages: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A document that could not be read, and why."""

    name: str
    why: str


Reading = Iterator[ReadDocument | Unread]
Reader = Callable[[Path, str, DocumentLimits, Progress], Reading]
"""Reads the documents of a file, which the person knows by the name given. Raises `InputError` for the whole file."""


class UnreadableDocument(InputError):
    """The file is damaged, protected, holds no text, or is of no kind that is read here."""
