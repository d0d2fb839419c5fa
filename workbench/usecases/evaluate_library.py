"""Measure how well the library is searched and how honestly it answers, on questions whose answers are known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from workbench.domain.dialogue import Answer, Support
from workbench.domain.errors import InvalidRequest
from workbench.domain.library import Evidence, Retrieval
from workbench.domain.ranking import Share, difference, hit, ndcg, recall, reciprocal_rank, share

DEEPEST = 10
"""How many documents of a ranking are looked at."""

_CITED = re.compile(r"\[(\d+)\]")
_QUOTED_LEAD_IN = "From the library:"

_MEASURES: Mapping[str, Callable[[Sequence[str], set[str]], float]] = {
    "hit@1": lambda ranked, relevant: hit(ranked, relevant, 1),
    "hit@5": lambda ranked, relevant: hit(ranked, relevant, 5),
    "recall@10": lambda ranked, relevant: recall(ranked, relevant, 10),
    "MRR": reciprocal_rank,
    "nDCG@10": lambda ranked, relevant: ndcg(ranked, relevant, 10),
}


class Kind(StrEnum):
    """What is known of a question: it is answered in the library's words, in everyday words, nearly, or not at all."""

    ANSWERABLE = "answerable"
    LAY = "lay"
    NEAR_MISS = "near_miss"
    OFF_TOPIC = "off_topic"

    @property
    def has_answer(self) -> bool:
        """Whether a document of the library answers it."""
        return self in (Kind.ANSWERABLE, Kind.LAY)


@dataclass(frozen=True, kw_only=True)
class KnownQuestion:
    """A question, the document that answers it (its source without folder and ending), and the sentence that does."""

    question: str
    kind: Kind
    article: str | None = None
    sentence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A measure of the library's search, of BM25 alone on the same passages, and their paired difference."""

    library: Share
    words_alone: Share
    gain: Share


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured. Shares are 0..1 with 95 % intervals; refusals are answers with evidence none."""

    questions: Mapping[str, int]
    ranking: Mapping[str, Mapping[str, Comparison]]
    refused: Mapping[str, Share]
    cites_right_document: Mapping[str, Share]
    citation_numbers_valid: Share
    sentences_supported: Share
    quotes_verbatim: Share
    answered_by: str
    is_mock: bool
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass
class _Seen:
    """One value a question, gathered under a name."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def shares(self, prefix: str) -> dict[str, Share]:
        return {name.removeprefix(prefix): share(each) for name, each in self.values.items() if name.startswith(prefix)}

    def share(self, name: str) -> Share:
        return share(self.values.get(name, []))


def read_questions(lines: Iterable[str]) -> tuple[KnownQuestion, ...]:
    """Read JSON Lines of `{question, kind, article, sentence}`.

    Raises:
        InvalidRequest: a line that is none.
    """
    read = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            read.append(KnownQuestion(**{**(given := json.loads(line)), "kind": Kind(given["kind"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidRequest(f"Line {number} of the questions cannot be read.") from error
    return tuple(read)


def evaluate(
    questions: Sequence[KnownQuestion],
    *,
    retrieve: Callable[[str], Retrieval],
    words_alone: Callable[[str], Retrieval],
    answer: Callable[[str], Answer],
    tell: Callable[[int], None],
) -> Evaluation:
    """Ask every question three times: the library's search, BM25 alone, and for an answer.

    Args:
        questions: what to ask.
        retrieve: the library's search, `DEEPEST` documents deep, one passage a document.
        words_alone: the same with BM25 alone over the same passages.
        answer: the checked answer.
        tell: called with how many questions are done.
    """
    seen, notes = _Seen(), dict[str, None]()
    answered_by, is_mock = "", False
    for done, each in enumerate(questions, start=1):
        if each.kind.has_answer and each.article is not None:
            _rank(each, retrieve(each.question), words_alone(each.question), seen)
        told = answer(each.question)
        _judge(each, told, seen)
        if told.finish is not None:
            answered_by, is_mock = told.provenance.model, told.is_mock
        notes.update(dict.fromkeys(told.notices))
        tell(done)
    return Evaluation(
        questions={kind.value: sum(each.kind is kind for each in questions) for kind in Kind},
        ranking={kind.value: _compared(seen, kind) for kind in Kind if f"{kind}/library/MRR" in seen.values},
        refused=seen.shares("refused/"),
        cites_right_document=seen.shares("right/"),
        citation_numbers_valid=seen.share("valid"),
        sentences_supported=seen.share("supported"),
        quotes_verbatim=seen.share("verbatim"),
        answered_by=answered_by or "nobody",
        is_mock=is_mock,
        notes=tuple(notes),
    )


def _rank(each: KnownQuestion, found: Retrieval, by_words: Retrieval, seen: _Seen) -> None:
    relevant = {str(each.article)}
    for way, retrieval in (("library", found), ("words", by_words)):
        ranked = [_stem(one.passage.source) for one in retrieval.found]
        for name, measure in _MEASURES.items():
            seen.add(f"{each.kind}/{way}/{name}", measure(ranked, relevant))


def _judge(each: KnownQuestion, told: Answer, seen: _Seen) -> None:
    is_refused = told.evidence is Evidence.NONE
    seen.add(f"refused/{each.kind.value}", float(is_refused))
    if is_refused:
        return
    known = {citation.n for citation in told.citations}
    seen.add("valid", float(told.removed == 0 and all(int(n) in known for n in _CITED.findall(told.text))))
    for sentence in told.sentences:
        if sentence.support is not Support.NO_CLAIM:
            seen.add("supported", float(sentence.support is Support.SUPPORTED))
    if each.kind.has_answer:
        cited = {_stem(citation.found.passage.source) for citation in told.citations}
        seen.add(f"right/{each.kind.value}", float(each.article in cited))
    if told.is_mock:
        seen.add("verbatim", float(_is_verbatim(told)))


def _is_verbatim(told: Answer) -> bool:
    """Whether every sentence stands word for word in what it cites; what a stand-in promises."""
    by_number = {citation.n: _folded(citation.found.passage.text) for citation in told.citations}
    return all(
        any(
            _folded(_CITED.sub("", sentence.text).removeprefix(_QUOTED_LEAD_IN)) in by_number[n] for n in sentence.cites
        )
        for sentence in told.sentences
        if sentence.cites
    )


def _compared(seen: _Seen, kind: Kind) -> dict[str, Comparison]:
    compared = {}
    for name in _MEASURES:
        ours, theirs = seen.values[f"{kind}/library/{name}"], seen.values[f"{kind}/words/{name}"]
        compared[name] = Comparison(library=share(ours), words_alone=share(theirs), gain=difference(ours, theirs))
    return compared


def _stem(source: str) -> str:
    return PurePosixPath(source).stem if source.endswith((".md", ".txt", ".html", ".pdf")) else source


def _folded(text: str) -> str:
    return " ".join(text.split())
