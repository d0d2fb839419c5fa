"""PDF: text with its pages, as they are counted and as they are numbered in print. Pictures of text are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from workbench.domain.errors import TooLarge
from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import short, web_address
from workbench.knowledge.documents.nouns import DocumentLimits, Paragraph, ReadDocument, Reading, UnreadableDocument
from workbench.knowledge.documents.outline import Outline
from workbench.knowledge.documents.pdf_lines import (
    UNMARKED,
    joined_hyphens,
    lines_of,
    paragraphs_of,
    without_running_lines,
)
from workbench.knowledge.documents.pdf_title import printed_title
from workbench.knowledge.documents.plain import stem_of

_LEAST_LETTERS = 25
"""A whole PDF with fewer letters is a scan: a stamp or a page number is all that is text in it."""
_MOST_UNMARKED = 0.3
_LOOKED_FOR_PICTURES = 5
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>{}|\\^`]*[^\s\"<>{}|\\^`.,;:)\]'’]")
_PUBLISHED = re.compile(
    r"(?:published(?: online)?|publication date|©|\(c\)|copyright)[^\d\n]{0,30}?(?:\d{1,2}[^\d\n]{1,12})?"
    r"((?:19|20)\d\d)(?!\d)",
    re.I,
)
_JUNK_TITLE = re.compile(
    r"untitled.*|microsoft word.*|powerpoint.*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|rtf|ps)|[\W\d_]*|"
    r"(?:document|slide) ?\d*",
    re.I,
)
_PASSWORD, _SECURITY = 4, 5
"""FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY of pdfium's fpdfview.h."""


def read_pdf(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The one document of a PDF file.

    Raises:
        UnreadableDocument: broken, protected by a password, or a scan without text.
        TooLarge: more pages or text than allowed.
    """
    with opened(path) as pdf:
        count = len(pdf)
        if count > limits.most_pages:
            raise TooLarge(
                f"The PDF has {count:,} pages; at most {limits.most_pages:,} are read as one document.",
                hint="Split it into parts.",
            )
        pages, broken = _pages(pdf, limits, progress)
        _refuse_without_text(pdf, pages)
        # A PDF that prints no numbers of its own is labelled 1, 2, 3 or not at all.
        labels = [_label(pdf, number) for number in range(count)]
        first = "\n".join(pages[0])
        title = _title(pdf, name)
        paragraphs = _paragraphs(pages, labels, _headings(pdf, count), title)
    empty = count - broken - sum(1 for page in pages if any(map(str.isalnum, "".join(page))))
    yield ReadDocument(
        name=name,
        title=title,
        source=name,
        paragraphs=paragraphs,
        year=_year(first),
        url=_doi(first),
        has_pages=True,
        notes=tuple(_notes(count, broken, empty)),
    )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The PDF, closed at the end.

    Raises:
        UnreadableDocument: broken, or protected by a password.
    """
    import pypdfium2 as pdfium  # noqa: PLC0415 - only where a PDF is read

    try:
        pdf = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise UnreadableDocument(
                "The PDF is encrypted with a password.", hint="Save a copy without the password and add that."
            ) from error
        if error.err_code == _SECURITY:
            raise UnreadableDocument("The PDF is protected in a way that is not read here.") from error
        raise UnreadableDocument(
            "The PDF is broken or cut short.", hint="Download it again, or print it to a new PDF."
        ) from error
    with closing(pdf):
        yield pdf


def _pages(pdf: Any, limits: DocumentLimits, progress: Progress) -> tuple[list[list[str]], int]:
    """The lines of each page, and how many pages could not be opened."""
    import pypdfium2 as pdfium  # noqa: PLC0415 - only where a PDF is read

    pages: list[list[str]] = []
    broken = characters = 0
    for number in range(len(pdf)):
        progress.stage("reading", number / len(pdf))
        try:
            with closing(pdf[number]) as page, closing(page.get_textpage()) as text:
                lines = lines_of(text.get_text_range())
        except pdfium.PdfiumError:
            broken += 1
            lines = []
        characters += sum(map(len, lines))
        if characters > limits.most_characters:
            raise TooLarge(
                f"The PDF has more than {limits.most_characters / 1e6:,.0f} million characters.",
                hint="Split it into parts.",
            )
        pages.append(lines)
    if broken and broken == len(pages):
        raise UnreadableDocument("The PDF is broken: none of its pages can be opened.", hint="Download it again.")
    return without_running_lines(joined_hyphens(pages)), broken


def _refuse_without_text(pdf: Any, pages: list[list[str]]) -> None:
    text = "".join("".join(page) for page in pages)
    letters = sum(map(str.isalnum, text))
    unmarked = len(UNMARKED.findall(text))
    if unmarked > _MOST_UNMARKED * (letters + unmarked) and unmarked > _LEAST_LETTERS:
        raise UnreadableDocument(
            "The letters of this PDF cannot be told: its fonts do not say which letters they draw.",
            hint="Print it to a new PDF with text recognition (OCR), and add that.",
        )
    if letters >= _LEAST_LETTERS:
        return
    if _has_pictures(pdf):
        raise UnreadableDocument(
            "This is a scan without text: its pages are pictures.",
            hint="Recognise the text with another program (OCR), and add the result.",
        )
    raise UnreadableDocument("The PDF holds no text.")


def _has_pictures(pdf: Any) -> bool:
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE  # noqa: PLC0415 - only where a PDF is read

    for number in range(min(len(pdf), _LOOKED_FOR_PICTURES)):
        with closing(pdf[number]) as page:
            if next(iter(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE])), None) is not None:
                return True
    return False


def _paragraphs(
    pages: list[list[str]], labels: list[str | None], headings: dict[int, list[tuple[int, str]]], title: str
) -> tuple[Paragraph, ...]:
    outline = Outline()
    for number, lines in enumerate(pages):
        told = headings.get(number, [])
        is_first = True
        for text, level in paragraphs_of(lines, told, guesses=not headings):
            if level is not None:
                outline.heading(level, text)
            else:
                outline.paragraph(text, page=number + 1, label=labels[number], goes_on=is_first)
                is_first = False
    return outline.without(title)


def _headings(pdf: Any, count: int) -> dict[int, list[tuple[int, str]]]:
    """The bookmarks of the PDF: (level, title) by page, counted from 0."""
    import pypdfium2 as pdfium  # noqa: PLC0415 - only where a PDF is read

    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for bookmark in pdf.get_toc(max_depth=6):
            place = bookmark.get_dest()
            page = place.get_index() if place is not None else None
            title = short(bookmark.get_title() or "", 200)
            if page is not None and 0 <= page < count and title:
                found.setdefault(page, []).append((bookmark.level + 1, title))
    except pdfium.PdfiumError:
        return {}
    return found


def _label(pdf: Any, number: int) -> str | None:
    label = short(pdf.get_page_label(number) or "", 32)
    return label if label and label != str(number + 1) else None


def _title(pdf: Any, name: str) -> str:
    told = short(pdf.get_metadata_value("Title") or "", 512)
    if len(told) > 3 and not _JUNK_TITLE.fullmatch(told):
        return told
    with closing(pdf[0]) as page, closing(page.get_textpage()) as text:
        return printed_title(text) or stem_of(name)


def _year(first_page: str) -> int | None:
    """The year of publication, where the first page prints one as such."""
    found = _PUBLISHED.search(first_page)
    return int(found[1]) if found else None


def _doi(first_page: str) -> str | None:
    """The address of the only DOI on the first page: of several, one may be another work's."""
    found = {each.lower(): each for each in _DOI.findall(first_page)}
    return web_address(f"https://doi.org/{next(iter(found.values()))}") if len(found) == 1 else None


def _notes(count: int, broken: int, empty: int) -> Iterator[str]:
    if broken:
        yield f"{broken:,} of {count:,} pages are broken and were left out."
    if empty > 0:
        yield f"{empty:,} of {count:,} pages hold no text (empty, or pictures) and cannot be found."
