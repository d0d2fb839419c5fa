"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import clean, decoded, folded, short
from workbench.knowledge.documents.nouns import DocumentLimits, Paragraph, ReadDocument, Reading

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*|\f")
_LIST_ITEM = re.compile(r"\n(?=[^\S\n]*(?:[-*•‣▪–]|\(?\d{1,3}[.)])\s+\S)")
LONGEST_TITLE = 160


def read_plain(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The one document of a text file. Its first line is its title where it stands alone and ends no sentence."""
    text, note = decoded(path.read_bytes())
    blocks = paragraphs_of(text)
    title = stem_of(name)
    if len(blocks) > 1 and is_title(blocks[0]):
        title = blocks.pop(0)
    yield ReadDocument(
        name=name,
        title=title,
        source=name,
        paragraphs=tuple(Paragraph(text=each) for each in blocks),
        notes=(note,) if note else (),
    )


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a text, each in one line; items of a list are paragraphs of their own."""
    lines = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    blocks = (item for block in _BLANK_LINE.split(lines) for item in _LIST_ITEM.split(block))
    return [line for line in map(folded, blocks) if line]


def is_title(line: str) -> bool:
    """Whether a line reads as a title: short, with letters, ending no sentence."""
    return len(line) <= LONGEST_TITLE and not line.endswith((".", ";", ",", ":")) and any(map(str.isalpha, line))


def stem_of(name: str) -> str:
    """A file's name as a title, for want of a better one."""
    return short(PurePosixPath(name).stem.replace("_", " "), LONGEST_TITLE) or "Untitled"
