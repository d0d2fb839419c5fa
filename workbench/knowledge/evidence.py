"""Whether the library answers a question at all, judged from what was found before any model is asked.

The nearest passage's cosine tells questions of another subject apart; it cannot tell that the one right document is
missing while its neighbours are there. `none` therefore needs a cosine that is low, or lowish with the question's
rarest words in none of the passages found. `weak` warns, and never refuses.

Measured on the packaged model with texts of the NIH (172 topics, 3,220 passages) and lists of questions of our own:
all of 60 questions of other subjects and 40 that only sound medical are refused, while 98.8 % of 82 lay questions and
95 % of 300 single sentences out of hidden passages are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from workbench.domain.library import Evidence, Found
from workbench.knowledge.admission import indexed_text
from workbench.language.coverage import share, stands_in
from workbench.language.terms import Word, analyse, words

LOOKED_AT = 5
"""Passages that are judged, the best: as many as an answer rests on."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Where the cosine of the nearest passage says something, for one embedding model.

    Below `unrelated` there is no evidence whatever the words; below `doubtful`, none unless one passage holds most
    of the question's words; below `close`, none if its rarest words are in no passage, and weak otherwise.
    """

    unrelated: float
    doubtful: float
    close: float

    def nearness(self, cosine: float) -> float:
        """A cosine of this model as the packaged one would give it, by the lines of both; straight between and beyond.

        Models differ in how near they put unrelated texts; nearness compares over models and with keyword scores.
        """
        slope = (PACKAGED.close - PACKAGED.unrelated) / max(self.close - self.unrelated, _LEAST_WAY)
        return PACKAGED.unrelated + (cosine - self.unrelated) * slope


PACKAGED = Lines(unrelated=0.38, doubtful=0.45, close=0.60)
"""Of all-MiniLM-L6-v2."""

LINES: Mapping[str, Lines] = {"all-MiniLM-L6-v2-int8": PACKAGED}
"""Measured, by the model id that a collection keeps. Any other model is calibrated (`calibration`)."""

_LEAST_WAY = 0.01
_MOST_WORDS = 0.60
"""Coverage by one passage that outweighs a doubtful cosine: above it lie 5 % of questions of other subjects."""
_HALF = 0.50
_THIN = 0.45
"""Coverage by the best passage under which evidence is weak however near it is."""
_KEYWORDS_NONE = 0.60
_KEYWORDS_STRONG = 0.90
"""BM25 over the question's summed rarity; a usual passage that holds every word once has 1. With words alone, .60
refuses 93 % of questions of other subjects and keeps 90 % of lay questions."""
_FEWEST_WORDS = 3
"""One or two words that a passage holds prove little without their meaning."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How well the question is answered, and its words that stand in none of those passages, as written."""

    evidence: Evidence
    missing: tuple[str, ...]


def judge(
    question: str,
    found: Sequence[Found],
    rarity: Mapping[str, float],
    *,
    nearness: float | None,
    standing: float,
) -> Verdict:
    """Judge what was found for a question.

    Args:
        question: as searched for.
        found: the passages, best first.
        rarity: inverse document frequency of the question's terms.
        nearness: of the nearest passage (`Lines.nearness`); None where no vectors were compared.
        standing: the best BM25 score over the summed rarity of the question's terms.
    """
    said = _distinct(words(question))
    held = [_held(indexed_text(each.passage)) for each in found[:LOOKED_AT]]
    together: frozenset[str] = frozenset().union(*held)
    missing = tuple(question[word.start : word.end] for word in said if not stands_in(word, together))
    if not said or not held:
        return Verdict(evidence=Evidence.NONE, missing=missing)
    best = max(share(said, each, rarity) for each in held)
    if nearness is None:
        return Verdict(evidence=_by_words(standing, best, len(said)), missing=missing)
    gone = not any(stands_in(each, together) for each in _rarest(said, rarity))
    lost = gone and share(said, together, rarity) < _HALF
    return Verdict(evidence=_by_nearness(nearness, best, lost=lost), missing=missing)


@lru_cache(maxsize=1024)
def _held(text: str) -> frozenset[str]:
    """The terms of a passage; the same few are found again and again."""
    return frozenset(analyse(text))


def _by_nearness(nearness: float, best: float, *, lost: bool) -> Evidence:
    if nearness < PACKAGED.unrelated or (nearness < PACKAGED.doubtful and best < _MOST_WORDS):
        return Evidence.NONE
    if nearness < PACKAGED.close:
        return Evidence.NONE if lost else Evidence.WEAK
    return Evidence.WEAK if best < _THIN else Evidence.STRONG


def _by_words(standing: float, best: float, said: int) -> Evidence:
    if standing < _KEYWORDS_NONE:
        return Evidence.NONE
    whole = said >= _FEWEST_WORDS and standing >= _KEYWORDS_STRONG and best >= _MOST_WORDS
    return Evidence.STRONG if whole else Evidence.WEAK


def _rarest(said: Sequence[Word], rarity: Mapping[str, float]) -> list[Word]:
    """The two words that say most; the first written where words are equally rare."""
    return sorted(said, key=lambda word: -max(rarity.get(each.term, 0.0) for each in word.terms))[:2]


def _distinct(said: Iterable[Word]) -> list[Word]:
    """Each word where it is first written."""
    seen: dict[tuple[str, ...], Word] = {}
    for word in said:
        seen.setdefault(tuple(each.term for each in word.terms), word)
    return list(seen.values())
