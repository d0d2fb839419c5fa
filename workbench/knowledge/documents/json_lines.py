"""JSON Lines: one document a line, `{"title", "text", "source", "year", "url"}`, of which only the text must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import decoded, short, texts, web_address, year_of
from workbench.knowledge.documents.nouns import (
    MB,
    DocumentLimits,
    Paragraph,
    ReadDocument,
    Reading,
    Unread,
    UnreadableDocument,
)
from workbench.knowledge.documents.plain import LONGEST_TITLE, paragraphs_of

_LONGEST_LINE = 16 * MB
_MOST_BAD_LINES = 1000
_TITLE_FROM_TEXT = 80


def read_json_lines(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """A document a line. A line that cannot be read is told, and the others go on."""
    size, done, bad = max(path.stat().st_size, 1), 0, 0
    for number, line in enumerate(_lines(path), 1):
        done += len(line)
        progress.stage("reading", min(done / size, 1.0))
        if not line.strip():
            continue
        called = f"{name}, line {number:,}"
        try:
            document = _document(line, called, name)
        except UnreadableDocument as error:
            bad += 1
            yield Unread(name=called, why=error.message)
            if bad >= _MOST_BAD_LINES:
                yield Unread(name=name, why=f"{bad:,} lines could not be read; what comes after them was left out.")
                return
            continue
        yield document


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of the file; a file in UTF-16 is told apart by its mark and turned into UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            text, _ = decoded(file.read())
            yield from (line.encode() for line in text.splitlines())
            return
        if head.startswith(b"\xef\xbb\xbf"):
            file.seek(3)
        while line := file.readline(_LONGEST_LINE + 1):
            yield line
            while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
                line = file.readline(_LONGEST_LINE + 1)  # the rest of a line that is refused anyway


def _document(line: bytes, called: str, file: str) -> ReadDocument:
    fields = _fields(line)
    text = fields.get("text")
    if not isinstance(text, str) or not text.strip():
        raise UnreadableDocument("The key “text” is missing, empty or no text.")
    blocks = paragraphs_of(text)
    title = fields.get("title")
    url = fields.get("url")
    source = fields.get("source")
    year = fields.get("year")
    notes = []
    if url not in (None, "") and web_address(url) is None:
        notes.append("Its url is no http address and was left out.")
    if year not in (None, "") and year_of(year) is None:
        notes.append("Its year is no year and was left out.")
    return ReadDocument(
        name=called,
        title=short(title, 512) if isinstance(title, str) and title.strip() else _title_from(blocks),
        source=_source(source, url, file),
        paragraphs=tuple(Paragraph(text=each) for each in blocks),
        year=year_of(year),
        url=web_address(url),
        references=texts(fields["references"]) if isinstance(fields.get("references"), list) else (),
        record=True,
        notes=tuple(notes),
    )


def _fields(line: bytes) -> dict[str, Any]:
    if len(line) > _LONGEST_LINE:
        raise UnreadableDocument(f"The line is longer than {_LONGEST_LINE // MB} MB.")
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnreadableDocument("The line is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument("The line is not JSON.") from error
    if not isinstance(fields, dict):
        raise UnreadableDocument("The line is JSON, and no object with the keys title, text, source, year and url.")
    return fields


def _source(source: object, url: object, file: str) -> str:
    for each in (source, url):
        if isinstance(each, str) and each.strip():
            return short(each, 1000)
    return file


def _title_from(blocks: list[str]) -> str:
    begin = short(blocks[0], min(_TITLE_FROM_TEXT, LONGEST_TITLE)) if blocks else "Untitled"
    return f"{begin} …" if blocks and len(begin) < len(blocks[0]) else begin
