"""Read a file in a worker process: its passages go into a spool file, only what is known of its documents comes back.

A set of 5,000 documents would otherwise cross the process boundary as one message, and stop the page for its time.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workbench.cases.store import telling_disk_full
from workbench.domain.library import COMMON, SourceFile
from workbench.domain.progress import Progress
from workbench.knowledge.chunks import Chunk, chunks
from workbench.knowledge.documents.nouns import DocumentLimits, ReadDocument, Unread
from workbench.knowledge.documents.read import read_file

_GROUP = 32
"""Passages in one line of a spool file."""
_BYTES = {"title": 500, "source": 1000, "section": 250, "label": 60}
"""UTF-8 bytes kept of each; the store's columns hold a little more, and cutting here cuts everywhere alike."""


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """A document that was read. Its passages are `count` in `spool`, from byte `offset` on.

    `common_id` is the id that the same text has where everybody owns it. `original` is its PDF.
    """

    id: str
    common_id: str
    name: str
    title: str
    source: str
    year: int | None
    url: str | None
    references: tuple[str, ...]
    record: bool
    notes: tuple[str, ...]
    count: int
    spool: Path
    offset: int
    original: Path | None

    def passages(self) -> Iterator[list[tuple[str, Chunk]]]:
        """(passage id, text and place) in groups, in their order."""
        left = self.count
        with self.spool.open("rb") as file:
            file.seek(self.offset)
            while left > 0:
                rows = json.loads(file.readline())
                left -= len(rows)
                yield [
                    (row[0], Chunk(text=row[1], section=row[2], page_start=row[3], page_end=row[4], label=row[5]))
                    for row in rows
                ]


def read_to_spool(
    file: SourceFile, spool: Path, collection: str, owner: str, limits: DocumentLimits, *, progress: Progress
) -> list[Spooled | Unread]:
    """Read the documents of a file, in their order.

    Raises:
        StorageFull: the disk has no room.
    """
    found: list[Spooled | Unread] = []
    with telling_disk_full(), spool.open("xb") as out:
        for document in read_file(file.path, file.name, limits, progress):
            if isinstance(document, Unread):
                found.append(document)
                continue
            text = "\n".join(each.text for each in document.paragraphs)
            id_ = document_id(owner, text)
            offset, count = out.tell(), 0
            ids = _passage_ids(collection, id_, chunks(document.paragraphs))
            while group := list(islice(ids, _GROUP)):
                out.write(json.dumps([_row(*each) for each in group], ensure_ascii=False).encode() + b"\n")
                count += len(group)
            found.append(_spooled(document, id_, document_id(COMMON, text), file.path, spool, offset, count))
    return found


def document_id(owner: str, text: str) -> str:
    """The id of a text in the library of an owner: the same for the same words, whatever file they came in."""
    return _digest(owner, normalised(text))


def normalised(text: str) -> str:
    """A text in the form in which two are the same: compatible letters made one, white space folded (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def cut(text: str, field: str) -> str:
    """At most so many bytes as are kept of a field, no character in half."""
    return text.encode("utf-8", "replace")[: _BYTES[field]].decode("utf-8", "ignore").strip()


def _passage_ids(collection: str, id_: str, found: Iterator[Chunk]) -> Iterator[tuple[str, Chunk]]:
    for ordinal, chunk in enumerate(found):
        page = "" if chunk.page_start is None else str(chunk.page_start)
        yield _digest(collection, id_, page, str(ordinal), normalised(chunk.text)), chunk


def _row(id_: str, chunk: Chunk) -> list[str | int | None]:
    label = None if chunk.label is None else cut(chunk.label, "label")
    return [id_, chunk.text, cut(chunk.section, "section"), chunk.page_start, chunk.page_end, label]


def _spooled(
    document: ReadDocument, id_: str, common_id: str, path: Path, spool: Path, offset: int, count: int
) -> Spooled:
    return Spooled(
        id=id_,
        common_id=common_id,
        name=document.name,
        title=cut(document.title, "title") or "Untitled",
        source=cut(document.source, "source"),
        year=document.year,
        url=document.url,
        references=document.references,
        record=document.record,
        notes=document.notes,
        count=count,
        spool=spool,
        offset=offset,
        original=path if document.has_pages else None,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
