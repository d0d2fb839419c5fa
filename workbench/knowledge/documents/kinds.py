"""What kind of document a file is: by its first bytes, then by the ending of its name."""

from __future__ import annotations

import re
import zipfile
import zlib
from enum import StrEnum
from pathlib import Path, PurePosixPath

from workbench.knowledge.documents.nouns import UnreadableDocument

READ = "PDF, DOCX, HTML, Markdown, text, JSON Lines, and a zip or folder of these"


class Kind(StrEnum):
    """What is read here."""

    PDF = "pdf"
    DOCX = "docx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    JSON_LINES = "jsonl"
    ZIP = "zip"


_BY_ENDING = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    **dict.fromkeys((".md", ".markdown"), Kind.MARKDOWN),
    **dict.fromkeys((".txt", ".text", ".rst", ".log", ".csv", ".tsv"), Kind.TEXT),
    **dict.fromkeys((".jsonl", ".ndjson", ".jsonlines"), Kind.JSON_LINES),
}
_SAVE_AS = "Save it as PDF or DOCX and add that."
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Office file (.doc), or an Office file with a password", _SAVE_AS),
    (b"{\\rtf", "a Rich Text file (.rtf)", _SAVE_AS),
    (b"\x89PNG", "a picture (PNG)", "A picture of a page needs text recognition (OCR) first."),
    (b"\xff\xd8\xff", "a picture (JPEG)", "A picture of a page needs text recognition (OCR) first."),
    (b"GIF8", "a picture (GIF)", "A picture of a page needs text recognition (OCR) first."),
    (b"II*\0", "a picture (TIFF)", "A picture of a page needs text recognition (OCR) first."),
    (b"MM\0*", "a picture (TIFF)", "A picture of a page needs text recognition (OCR) first."),
    (b"\x1f\x8b", "a gzip file", "Unpack it, or use a zip."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it, or use a zip."),
    (b"Rar!", "a RAR archive", "Unpack it, or use a zip."),
    (b"%!PS", "a PostScript file", "Turn it into a PDF first."),
)
_HTML_BEGINS = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_INSIDE = (
    ("word/document.xml", Kind.DOCX, ""),
    ("xl/workbook.xml", None, "a spreadsheet (XLSX)"),
    ("ppt/presentation.xml", None, "a presentation (PPTX)"),
    ("META-INF/container.xml", None, "an e-book (EPUB)"),
    ("content.xml", None, "an OpenDocument file"),
)


def kind_of(path: Path, name: str) -> Kind:
    """The kind of the file at `path`, which the person calls `name`.

    Raises:
        UnreadableDocument: it is empty, or of a kind that is not read here; the message says which.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b"\0 \t\r\n"):
        raise UnreadableDocument("The file is empty.")
    if b"%PDF-" in head[:1024]:
        return Kind.PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _packed(path)
    if head[128:132] == b"DICM":
        raise _not_read("a DICOM file", "Images are opened on the Segment tab.")
    for magic, what, hint in _OTHERS:
        if head.startswith(magic):
            raise _not_read(what, hint)
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".pdf":
        raise UnreadableDocument("The PDF is broken: it does not begin as a PDF does.", hint="Download it again.")
    if ending == ".docx":
        raise UnreadableDocument("The DOCX is broken: it is not packed as a DOCX is.", hint="Save it again.")
    if _HTML_BEGINS.match(head):
        return Kind.HTML
    return _BY_ENDING.get(ending, Kind.TEXT)


def _packed(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise UnreadableDocument(
            "The zip or DOCX is damaged or cut short.", hint="Make or download it again."
        ) from error
    for member, kind, what in _INSIDE:
        if member in names:
            if kind is None:
                raise _not_read(what, _SAVE_AS)
            return kind
    return Kind.ZIP


def _not_read(what: str, hint: str) -> UnreadableDocument:
    return UnreadableDocument(f"This is {what}, which is not read here.", hint=hint)
