"""Who answers where no Llama-3 does: it quotes. Sentences of the passages and lines of the case, word for word."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from workbench.domain.clock import Clock
from workbench.domain.dialogue import (
    CASE,
    NOT_IN_LITERATURE,
    AnswerStream,
    CaseSheet,
    ChatRequest,
    Turn,
)
from workbench.domain.library import Evidence, Found
from workbench.domain.nim import NimStatus, Service
from workbench.language.bm25 import idf
from workbench.language.followup import self_contained
from workbench.language.sentences import sentences
from workbench.language.terms import analyse
from workbench.nim.mock import mock_provenance, mock_status
from workbench.nim.recital import Recital, by_words

MODEL = "mock Llama-3"
LEAD_IN = "From the library:"
"""The only words of its own."""

MOST_QUOTES = 3
_MOST_CASE_LINES = 4
_FEWEST_TERMS = 3
_MOST_WORDS = 80
_PASSAGE_WEIGHT = 0.5
_LEAST_OF_BEST = 0.5
_SAME = 0.8
_LEAST_LINE = 0.34
# A mark of the document's own reference list would read as a citation of ours.
_MARK = re.compile(r"\s*\[\s*(?:\d{1,4}|case)(?:\s*[,;\u2013-]\s*(?:\d{1,4}|case))*\s*\]\s*", re.IGNORECASE)
_SIDES = frozenset(analyse("left right upper lower middle"))
_THE_CASE = re.compile(r"\b(?:case|scan|patient|study|ct)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Words of a passage: its number in the request, where they begin in its text, and how well they fit, 0 to 1.5."""

    number: int
    start: int
    text: str
    terms: frozenset[str]
    score: float


class LlmStandIn:
    """Answers without Llama-3, a `Talker`. The same request gives the same answer; nothing is sent anywhere."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def status(self) -> NimStatus:
        """Always mock: no socket is opened."""
        return mock_status(Service.LLM, MODEL, "It quotes the library word for word and writes nothing itself.")

    def run(self, request: ChatRequest, /) -> AnswerStream:
        """Quotes for the question, in pieces of a word each."""
        start = time.monotonic()
        recital = Recital(by_words(recite(request)))
        return AnswerStream(
            tokens=recital.tokens(),
            finish=recital.finish,
            close=recital.close,
            provenance=mock_provenance(MODEL, self._clock, start),
        )

    def rewrite(self, question: str, history: Sequence[Turn], /) -> str:
        """The question with the words of the one before it, where it leans on that, by rule."""
        return self_contained(question, history)


def recite(request: ChatRequest) -> str:
    """The whole answer: lines of the case's table that the question asks for, then up to three quoted sentences.

    With evidence none the passages are no answer and are not quoted; with nothing to quote it says so in the one
    agreed word.
    """
    parts = [f"{line} [{CASE}]" for line in case_lines(request.case, request.question)] if request.case else []
    passages = () if request.evidence is Evidence.NONE else request.passages
    quotes = best_quotes(request.question, passages)
    if quotes:
        parts += [LEAD_IN, *(f"{each.text} [{each.number}]" for each in quotes)]
    return "\n\n".join(parts) or NOT_IN_LITERATURE


def best_quotes(question: str, passages: Sequence[Found]) -> tuple[Quote, ...]:
    """Up to three sentences that answer best, as they stand in the passages, in the passages' order.

    A sentence counts for the share of the question's words that it holds, the rare ones among these sentences weighing
    most; for the same share with its passage's title in front, which names what the text does not repeat; and half as
    much for its passage's score. Sentences that hold none of the words stand in only for want of others; what says
    nearly the same as a better one is left out.
    """
    candidates = [
        (number, start, text, set(analyse(text)))
        for number, found in enumerate(passages, start=1)
        for start, text in _quotable(found.passage.text)
    ]
    weights = _rarity([terms for *_, terms in candidates], set(analyse(question)))
    titles = [set(analyse(found.passage.title)) for found in passages]
    any_held = any(terms & set(weights) for *_, terms in candidates)
    ranked = sorted(
        (
            Quote(
                number=number,
                start=start,
                text=text,
                terms=frozenset(terms),
                score=(_share(weights, terms) + _share(weights, terms | titles[number - 1])) / 2
                + _PASSAGE_WEIGHT * passages[number - 1].score,
            )
            for number, start, text, terms in candidates
            if terms & set(weights) or not any_held
        ),
        key=lambda each: (-each.score, each.number, each.start),
    )
    chosen: list[Quote] = []
    for quote in ranked:
        if len(chosen) == MOST_QUOTES or quote.score < _LEAST_OF_BEST * ranked[0].score:
            break
        if not any(_alike(quote.terms, each.terms) for each in chosen):
            chosen.append(quote)
    return tuple(sorted(chosen, key=lambda each: (each.number, each.start)))


def case_lines(case: CaseSheet, question: str) -> tuple[str, ...]:
    """The lines of the case's sheet that the question asks for, as they stand there.

    Those about a structure that it names, its warnings included; else those that share enough of its words; else,
    where it asks about the case at all, the first ones.
    """
    lines = [line.strip() for line in case.text.splitlines() if line.strip()]
    asked = set(analyse(question))
    structures = {term for fact in case.facts for term in analyse(fact.structure)}
    terms = [set(analyse(line)) for line in lines]
    if asked & structures - _SIDES:
        return tuple(lines[at] for at in _covering(asked & structures, terms, structures))
    weights = _rarity(terms, asked)
    held = {at: _share(weights, each) for at, each in enumerate(terms)} if asked - _SIDES else {}
    near = sorted((at for at in held if held[at] >= _LEAST_LINE), key=lambda at: (-held[at], at))[:2]
    if not near and _THE_CASE.search(question):
        near = list(range(min(MOST_QUOTES, len(lines))))
    return tuple(lines[at] for at in sorted(near))


def _covering(wanted: set[str], terms: Sequence[set[str]], structures: Collection[str]) -> list[int]:
    """Lines that between them hold every name wanted: the fullest first, and with it those that hold just as much."""
    held_by = Counter(term for each in terms for term in each & wanted)
    left = wanted - _SIDES
    chosen: list[int] = []
    while left and len(chosen) < _MOST_CASE_LINES:
        # The side decides between two kidneys; then the line about fewer structures is more about this one.
        ranks = {
            at: (
                -sum(1 / held_by[term] for term in held & left),
                -len(held & wanted & _SIDES),
                len(held & set(structures) - _SIDES),
            )
            for at, held in enumerate(terms)
            if held & left and at not in chosen
        }
        if not ranks:
            break
        best = min(ranks.values())
        tied = [at for at, rank in ranks.items() if rank == best]
        chosen += tied[: _MOST_CASE_LINES - len(chosen)]
        left -= set().union(*(terms[at] for at in tied))
    return sorted(chosen)


def _quotable(text: str) -> Iterator[tuple[int, str]]:
    """(start, words) of each sentence that can stand by itself; around the document's own marks, its longest part."""
    for start, end in sentences(text):
        first, words = start, text[start:end]
        if _MARK.search(words):
            first, words = max(_between_marks(text, start, end), key=lambda part: len(part[1]))
        if len(words.split()) <= _MOST_WORDS and len(analyse(words)) >= _FEWEST_TERMS:
            yield first, words


def _between_marks(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    at = start
    for mark in _MARK.finditer(text, start, end):
        yield at, text[at : mark.start()]
        at = mark.end()
    yield at, text[at:end]


def _rarity(texts: Sequence[Set[str]], wanted: Set[str]) -> dict[str, float]:
    """How seldom each wanted term stands in the texts given, as BM25 weighs it."""
    held = Counter(term for terms in texts for term in terms & wanted)
    return {term: idf(held[term], len(texts)) for term in wanted}


def _share(weights: Mapping[str, float], held: Set[str]) -> float:
    """The weighted share of the terms that are held, 0..1."""
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in held) / total if total else 0.0


def _alike(one: Set[str], other: Set[str]) -> bool:
    return len(one & other) >= _SAME * min(len(one), len(other))
