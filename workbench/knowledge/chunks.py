"""Cut a document into passages: whole sentences packed to 120 words, one sentence of overlap, one heading each.

120 words are at most 211 tokens in 95 of 100 passages, below the 256 that the packaged model reads (measured over
2,453 passages of abstracts). A passage ends early where a page does, so that its page can be cited.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.knowledge.documents.nouns import Paragraph
from workbench.language.sentences import sentences

WORDS = 120
_MOST_SENTENCE_WORDS = 160
"""A longer sentence is a table, a list or broken text, and is cut, at a clause where there is one."""
_MOST_BYTES = 4_000
"""Of a sentence or a passage in UTF-8: a text without spaces is not one word for ever."""
_OVERLAP_WORDS = 40
"""A longer sentence is not repeated in the next passage: it would be a third of it."""
_ENOUGH_WORDS = 40
"""A passage with so many ends where its page does; with fewer it goes on, for a scrap answers nothing."""
_CLAUSE_END = re.compile(r"(?<=[;:,])\s+|\s+(?=[(\[•–-])")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage's text and place. Pages count from 1; `label` is printed on the first."""

    text: str
    section: str = ""
    page_start: int | None = None
    page_end: int | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Sentence:
    text: str
    words: int
    section: str
    paragraph: int
    page_start: int | None
    page_end: int | None
    label: str | None


def chunks(paragraphs: Sequence[Paragraph]) -> Iterator[Chunk]:
    """The passages of a document in order. Every word of it is in one of them; none mixes two headings."""
    held: list[_Sentence] = []
    repeated = 0
    for sentence in _sentences(paragraphs):
        if held and _begins_new(held, sentence):
            yield _chunk(held)
            held = _overlap(held, sentence)
            repeated = len(held)
        held.append(sentence)
    if len(held) > repeated:
        yield _chunk(held)


def _begins_new(held: list[_Sentence], sentence: _Sentence) -> bool:
    last = held[-1]
    if sentence.section != last.section:
        return True
    words = sum(each.words for each in held)
    turns = sentence.page_start is not None and sentence.page_start != last.page_end
    if turns and words >= _ENOUGH_WORDS:
        return True
    size = sum(len(each.text.encode()) + 2 for each in held) + len(sentence.text.encode())
    return words + sentence.words > WORDS or size > _MOST_BYTES


def _overlap(held: list[_Sentence], sentence: _Sentence) -> list[_Sentence]:
    """The last sentence once more, if it stands under the same heading, on the same page, and leaves room."""
    last = held[-1]
    fits = last.words <= _OVERLAP_WORDS and last.words + sentence.words <= WORDS
    same = last.section == sentence.section and last.page_start == sentence.page_start
    return [last] if fits and same and len(held) > 1 else []


def _chunk(held: list[_Sentence]) -> Chunk:
    text = held[0].text
    for before, each in itertools.pairwise(held):
        text += (" " if each.paragraph == before.paragraph else "\n\n") + each.text
    return Chunk(
        text=text,
        section=held[0].section,
        page_start=held[0].page_start,
        page_end=held[-1].page_end,
        label=held[0].label,
    )


def _sentences(paragraphs: Sequence[Paragraph]) -> Iterator[_Sentence]:
    for number, run in enumerate(_runs(paragraphs)):
        text = " ".join(each.text for each in run)
        begins = [0]
        for each in run[:-1]:
            begins.append(begins[-1] + len(each.text) + 1)
        for start, end in sentences(text):
            for piece_start, piece_end in _pieces(text, start, end):
                first = run[bisect_right(begins, piece_start) - 1]
                last = run[bisect_right(begins, piece_end - 1) - 1]
                content = text[piece_start:piece_end]
                yield _Sentence(
                    text=content,
                    words=len(content.split()),
                    section=first.section,
                    paragraph=number,
                    page_start=first.page,
                    page_end=last.page,
                    label=first.label,
                )


def _runs(paragraphs: Sequence[Paragraph]) -> Iterator[list[Paragraph]]:
    """Paragraphs that are one text, each with those that go on from it."""
    run: list[Paragraph] = []
    for each in paragraphs:
        if run and not (each.goes_on and each.section == run[-1].section):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentence itself, or pieces of one that is too long to be one."""
    while not _fits(text, start, end):
        cut = _cut(text, start, end)
        yield start, _without_space(text, cut)
        start = cut
    yield start, end


def _fits(text: str, start: int, end: int) -> bool:
    if end - start > _MOST_BYTES:
        return False
    sentence = text[start:end]
    return len(sentence.split()) <= _MOST_SENTENCE_WORDS and len(sentence.encode()) <= _MOST_BYTES


def _cut(text: str, start: int, end: int) -> int:
    """Where the first piece of a long sentence ends: after a clause if it can, else after a word, else anywhere."""
    window = text[start : min(end, start + _MOST_BYTES)].encode()[:_MOST_BYTES].decode(errors="ignore")
    words = [start + each.start() for each in re.finditer(r"\S+", window)]
    if len(words) < 2:
        return start + len(window)
    full, early = words[min(WORDS, len(words) // 2)], words[len(words) // 4]
    clauses = [each.end() for each in _CLAUSE_END.finditer(text, early, full)]
    return max((each for each in clauses if each > start), default=full)


def _without_space(text: str, at: int) -> int:
    while text[at - 1].isspace():
        at -= 1
    return at
