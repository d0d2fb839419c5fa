"""Read any file that the library takes."""

from __future__ import annotations

from pathlib import Path

from workbench.domain.errors import InputError, TooLarge
from workbench.domain.progress import Progress
from workbench.knowledge.documents.json_lines import read_json_lines
from workbench.knowledge.documents.kinds import Kind, kind_of
from workbench.knowledge.documents.markdown import read_markdown
from workbench.knowledge.documents.nouns import (
    MB,
    DocumentLimits,
    ReadDocument,
    Reader,
    Reading,
    Unread,
    UnreadableDocument,
)
from workbench.knowledge.documents.pdf import read_pdf
from workbench.knowledge.documents.plain import read_plain
from workbench.knowledge.documents.web import read_web
from workbench.knowledge.documents.word import read_word

_READERS: dict[Kind, Reader] = {
    Kind.PDF: read_pdf,
    Kind.DOCX: read_word,
    Kind.HTML: read_web,
    Kind.MARKDOWN: read_markdown,
    Kind.TEXT: read_plain,
    Kind.JSON_LINES: read_json_lines,
}
_READ_IN_PIECES = frozenset({Kind.PDF, Kind.JSON_LINES, Kind.DOCX})
"""Kinds of which the reader itself watches the size."""


def read_file(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The documents of a file; one that cannot be read is among them with its reason, and raises nothing."""
    try:
        for document in _read(path, name, limits, progress):
            yield _checked(document, limits) if isinstance(document, ReadDocument) else document
    except InputError as error:
        yield Unread(name=name, why=" ".join(filter(None, (error.message, error.hint))))


def _read(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    kind = kind_of(path, name)
    if kind is Kind.ZIP:
        raise UnreadableDocument(
            "This is an archive inside an archive, which is not unpacked.", hint="Unpack it and add its files."
        )
    if kind not in _READ_IN_PIECES and path.stat().st_size > limits.most_file_bytes:
        raise TooLarge(
            f"The file has {path.stat().st_size / MB:,.0f} MB; at most {limits.most_file_bytes / MB:,.0f} MB are read "
            "as one document.",
            hint="Split it, or turn it into JSON Lines with one document a line.",
        )
    return _READERS[kind](path, name, limits, progress)


def _checked(document: ReadDocument, limits: DocumentLimits) -> ReadDocument | Unread:
    characters = sum(len(each.text) for each in document.paragraphs)
    if not any(map(str.isalnum, "".join(each.text for each in document.paragraphs))):
        return Unread(name=document.name, why="It holds no text.")
    if characters > limits.most_characters:
        why = (
            f"It has {characters / 1e6:,.1f} million characters; at most {limits.most_characters / 1e6:,.0f} million "
            "are read as one document. Split it."
        )
        return Unread(name=document.name, why=why)
    return document
