"""Collects the paragraphs of a document whose headings have levels."""

from __future__ import annotations

from dataclasses import replace

from workbench.knowledge.documents.cleaned import folded, short
from workbench.knowledge.documents.nouns import Paragraph

_LONGEST_SECTION = 120
_ENDS = (".", "!", "?", ":", "…", ".”", '."', ".)")


class Outline:
    """Paragraphs in order, each with the headings that it stands under: the innermost two, `Methods › Scanner`."""

    def __init__(self) -> None:
        self._headings: dict[int, str] = {}
        self._paragraphs: list[Paragraph] = []
        self.first_heading = ""

    def heading(self, level: int, text: str) -> None:
        """A heading begins; those of its level and below end."""
        line = short(text, _LONGEST_SECTION)
        if not line:
            return
        self.first_heading = self.first_heading or line
        self._headings = {each: held for each, held in self._headings.items() if each < level} | {level: line}

    def paragraph(self, text: str, *, page: int | None = None, label: str | None = None, goes_on: bool = False) -> None:
        """Text that belongs together, and its place where the file has pages."""
        line = folded(text)
        if line:
            section = self._section()
            self._paragraphs.append(
                Paragraph(text=line, section=section, page=page, label=label, goes_on=goes_on and self._ends_open())
            )

    def without(self, title: str) -> tuple[Paragraph, ...]:
        """All paragraphs; the document's title is not told again as the heading of each."""
        prefix = f"{title} › "
        return tuple(
            replace(each, section="" if each.section == title else each.section.removeprefix(prefix))
            for each in self._paragraphs
        )

    def _ends_open(self) -> bool:
        """Whether the last paragraph breaks off in a sentence."""
        return bool(self._paragraphs) and not self._paragraphs[-1].text.endswith(_ENDS)

    def _section(self) -> str:
        levels = sorted(self._headings)[-2:]
        return " › ".join(self._headings[level] for level in levels)
