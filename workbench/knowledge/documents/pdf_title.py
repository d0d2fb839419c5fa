"""A PDF's title as it is printed: the first lines of the first page in its largest letters."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from workbench.knowledge.documents.cleaned import short
from workbench.knowledge.documents.pdf_lines import lines_of

_MOST_CHARACTERS = 4_000
_LEAST_LETTERS = 6
_SAME_SIZE = 0.92
_LARGER = 1.15
_LONGEST = 300


def printed_title(text_page: Any) -> str:
    """The title, empty where no line stands out.

    Args:
        text_page: pdfium's text of the first page.
    """
    lines = [(text, size) for text, size in _sized_lines(text_page) if sum(map(str.isalpha, text)) >= _LEAST_LETTERS]
    if not lines:
        return ""
    sizes = [size for text, size in lines for _ in text]
    largest = max(size for _, size in lines)
    if largest < _LARGER * median(sizes):
        return ""
    title: list[str] = []
    for text, size in lines:
        if size >= _SAME_SIZE * largest:
            title.append(text)
        elif title:
            break
    whole = " ".join(lines_of("\n".join(title)))
    return short(whole.replace("\x02", ""), 512) if len(whole) <= _LONGEST else ""


def _sized_lines(text_page: Any) -> Iterator[tuple[str, float]]:
    """The lines of the page with the median height of their letters, in points."""
    from pypdfium2.raw import FPDFText_GetUnicode  # noqa: PLC0415 - only where a PDF is read

    letters: list[str] = []
    heights: list[float] = []
    for number in range(min(text_page.count_chars(), _MOST_CHARACTERS)):
        letter = chr(FPDFText_GetUnicode(text_page, number))
        if letter in "\r\n":
            if heights:
                yield "".join(letters), median(heights)
            letters, heights = [], []
            continue
        letters.append(letter)
        if not letter.isspace():
            _, bottom, _, top = text_page.get_charbox(number, loose=True)
            heights.append(top - bottom)
    if heights:
        yield "".join(letters), median(heights)
