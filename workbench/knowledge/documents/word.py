"""DOCX: paragraphs, lists and tables under their headings. A DOCX has no pages until a program lays it out."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.domain.errors import TooLarge
from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import short
from workbench.knowledge.documents.nouns import DocumentLimits, ReadDocument, Reading, UnreadableDocument
from workbench.knowledge.documents.outline import Outline
from workbench.knowledge.documents.plain import stem_of
from workbench.knowledge.documents.tables import table_lines

_HEADING = re.compile(r"heading\s+([1-9])", re.I)
_MOST_PARTS = 10_000
_MOST_NESTED = 5
_NAMELESS = re.compile(r"(?:word document|document\d*|untitled|microsoft word.*)?", re.I)


def read_word(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The one document of a DOCX file."""
    _refuse_bomb(path, limits)
    outline = Outline()
    document = _opened(path)
    first_title = ""
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            for line in _table_lines(block):
                outline.paragraph(line)
            continue
        style = _style(block)
        level = _HEADING.fullmatch(style)
        if style.lower() == "title" and not first_title:
            first_title = short(block.text, 512)
        elif level:
            outline.heading(int(level[1]), block.text)
        else:
            outline.paragraph(block.text)
    title = _told_title(document) or first_title or outline.first_heading or stem_of(name)
    yield ReadDocument(name=name, title=title, source=name, paragraphs=outline.without(title))


def _opened(path: Path) -> Any:
    """The document.

    Raises:
        UnreadableDocument: it is damaged.
    """
    import docx  # noqa: PLC0415 - only where a DOCX is read
    from docx.opc.exceptions import OpcError  # noqa: PLC0415 - likewise

    # What the XML parser raises is a SyntaxError.
    damaged = (OpcError, SyntaxError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, AttributeError, EOFError)
    try:
        return docx.Document(str(path))
    except damaged as error:
        raise UnreadableDocument("The DOCX is damaged.", hint="Open and save it again, or save it as PDF.") from error


def _refuse_bomb(path: Path, limits: DocumentLimits) -> None:
    """The parts of a DOCX are unpacked into memory by the library, so their sizes are looked at before."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableDocument("The DOCX is damaged.", hint="Open and save it again.") from error
    text_bytes = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
    if text_bytes > limits.most_file_bytes or len(parts) > _MOST_PARTS:
        raise TooLarge(
            f"The DOCX unpacks to {text_bytes / 1e6:,.0f} MB of text and markup; at most "
            f"{limits.most_file_bytes / 1e6:,.0f} MB are read here.",
            hint="Split the document.",
        )
    everything = sum(part.file_size for part in parts)
    if everything > 20 * limits.most_file_bytes:
        raise TooLarge(f"The DOCX unpacks to {everything / 1e6:,.0f} MB.", hint="Take the pictures out.")


def _style(paragraph: Any) -> str:
    try:
        return str(paragraph.style.name or "")
    except (AttributeError, KeyError, ValueError):  # a style that the document does not define
        return ""


def _table_lines(table: Any, depth: int = 0) -> Iterator[str]:
    rows: list[list[str]] = []
    nested: list[str] = []
    for row in table.rows:
        cells: list[str] = []
        seen: set[int] = set()
        for cell in row.cells:
            # A cell that spans columns is given once for each of them.
            if id(cell._tc) in seen:
                continue
            seen.add(id(cell._tc))
            cells.append(cell.text)
            if depth < _MOST_NESTED:
                for inner in cell.tables:
                    nested.extend(_table_lines(inner, depth + 1))
        rows.append(cells)
    yield from table_lines(rows, has_header=True)
    yield from nested


def _told_title(document: Any) -> str:
    try:
        told = short(document.core_properties.title or "", 512)
    except (KeyError, ValueError, AttributeError):
        return ""
    return "" if _NAMELESS.fullmatch(told) else told
