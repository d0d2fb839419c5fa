"""Text to terms: the words of a text in the one form in which questions and passages are compared.

A term is a lower-case stem. `contrast-enhanced` gives its parts and the joined form, `5mm` a number and a unit,
`1,200` the same as `1200`; an identifier such as `T2` or `99mTc` stays whole.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from snowballstemmer.english_stemmer import EnglishStemmer

from workbench.language.spelling import APOSTROPHES, HYPHENS, INVISIBLE, UNITS, folded, plain
from workbench.language.stop_words import ACRONYMS, STOP_WORDS

ANALYSER = "english-medical-2"
"""Changes whenever a text gives other terms than before: passages indexed with another one must be indexed again."""

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:[.\u00b7]\d+)?"
_LETTER = rf"[\w\u0300-\u036f{INVISIBLE}]"
_WORD = re.compile(rf"{_NUMBER}{_LETTER}*|{_LETTER}+(?:[{APOSTROPHES}]{_LETTER}+)*")
"""Over a text whose underscores were made spaces."""
_HYPHEN = re.compile(rf"[{HYPHENS}]")
_POSSESSIVE = re.compile(rf"[{APOSTROPHES}][sS]$")
_QUANTITY = re.compile(r"([\d.,]+)([^\W\d_]+[23]?)")
_UNIT_NAMES = """
    bq ci cm cm2 cm3 db dl fr g gb gbq gev gy hrs hu hz iu kbq kda kev kg khz kv kvp l m m2 ma mas mb mbq mci mev
    mg mgy mhz min ml mm mm2 mm3 mmhg mmol mol ms msec msv mv nm nmol pg ppm px rpm s sec sv t tb ug ul um usv v yo
    yr yrs
    """
_UNITS = frozenset(_UNIT_NAMES.split())
_LONGEST_WORD = 64
"""Longer runs of letters are no words: encoded data, broken extraction."""
_MOST_PARTS = 4
"""More words than this linked by hyphens are a chain, and its joined form is nobody's word."""

_stemmer = EnglishStemmer()
_stemming = threading.Lock()  # the stemmer keeps the word in hand as its own state


class Term(NamedTuple):
    """A term, and where the characters it was made from stand in the text."""

    term: str
    start: int
    end: int


class Word(NamedTuple):
    """A word as written, hyphens included: the terms of its parts, and the joined form where it has several."""

    parts: tuple[Term, ...]
    joined: str | None
    start: int
    end: int

    @property
    def terms(self) -> tuple[Term, ...]:
        """The parts, then the joined form over the whole word."""
        return self.parts if self.joined is None else (*self.parts, Term(self.joined, self.start, self.end))


def analyse(text: str) -> list[str]:
    """The terms of a text in their order, stop words left out."""
    found: list[str] = []
    linked: list[str] = []
    after = -1
    for match in _WORD.finditer(text.replace("_", " ")):
        start, end = match.span()
        if start == after + 1 and _HYPHEN.match(text, after):
            linked.append(match[0])
        else:
            if len(linked) > 1:
                found.extend(_joined(linked))
            linked = [match[0]]
        found.extend([term for term, _, _ in _terms(match[0])])
        after = end
    return [*found, *_joined(linked)]


def spans(text: str) -> list[tuple[str, int, int]]:
    """Terms as `analyse` gives them, each with where it stands: (term, start, end) in the text as given."""
    return [each for word in words(text) for each in word.terms]


def words(text: str) -> Iterator[Word]:
    """The words of a text that are no stop words."""
    linked: list[re.Match[str]] = []
    for found in _WORD.finditer(text.replace("_", " ")):
        if linked and not (found.start() == linked[-1].end() + 1 and _HYPHEN.match(text, linked[-1].end())):
            yield from _word(linked)
            linked = []
        linked.append(found)
    yield from _word(linked)


def stem(word: str) -> str:
    """A plain word without its ending; both spellings and both plurals of a word give one stem."""
    with _stemming:
        return str(_stemmer.stemWord(folded(word)))


def _word(linked: list[re.Match[str]]) -> Iterator[Word]:
    parts = tuple(
        Term(term, found.start() + first, found.end() if last is None else found.start() + last)
        for found in linked
        for term, first, last in _terms(found[0])
    )
    joined = next(iter(_joined([each[0] for each in linked])), None)
    if parts or joined:
        yield Word(parts, joined, linked[0].start(), linked[-1].end())


def _joined(linked: list[str]) -> list[str]:
    """The term of several words written as one; none where the first is a number, as in 5-10 and 3-month."""
    if not 1 < len(linked) <= _MOST_PARTS or linked[0][0].isdigit():
        return []
    return [term for term, _, _ in _terms("".join(linked))]


@lru_cache(maxsize=1 << 16)
def _terms(word: str) -> tuple[tuple[str, int, int | None], ...]:
    """(term, start, end) within a word without hyphens; an end of None is the word's own."""
    if len(word) > _LONGEST_WORD:
        return ()
    text = plain(_POSSESSIVE.sub("", word)).replace("\u00b7", ".")
    if text[:1].isdigit():
        quantity = _QUANTITY.fullmatch(text)
        if quantity is not None and quantity[2] in _UNITS:
            cut = len(quantity[1])
            unit = stem(quantity[2]) if quantity[2] in UNITS else quantity[2]
            return (quantity[1].replace(",", ""), 0, cut), (unit, cut, None)
        return ((text.replace(",", ""), 0, None),)
    if text in STOP_WORDS and word not in ACRONYMS:
        return ()
    return ((stem(text), 0, None),) if text else ()
