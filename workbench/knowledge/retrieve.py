"""Finds the passages that answer a question: by meaning and by words over several collections, then reranked.

Whatever part does not answer is left out and told: words alone still find.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from workbench.domain.dialogue import MOST_QUESTION_CHARACTERS
from workbench.domain.errors import NimError, NimReplyInvalid
from workbench.domain.library import (
    Collection,
    Embedder,
    EmbedderInfo,
    Found,
    PassageIndex,
    Reranker,
    Retrieval,
    Scope,
    Vectors,
)
from workbench.domain.progress import Progress, Silent
from workbench.knowledge.admission import indexed_text, unknown_collection
from workbench.knowledge.calibration import calibrated
from workbench.knowledge.evidence import LINES, Lines, judge
from workbench.knowledge.fusion import Hit, fused, spread_out
from workbench.language.bm25 import idf
from workbench.language.terms import analyse

DEPTH = 50
"""Passages taken from each search before they are joined; 100 found nothing more."""
RERANKED = 40
"""Passages a reranker is shown."""

_MOST_TERMS = 64
"""Terms searched for, the rarest: a pasted page says no more with its other words."""
_GROWN = 2.0
"""A collection that grew or shrank by this factor is calibrated again."""


class Retriever:
    """A `Library` over an index.

    `embedder` is None where words alone are searched, and `no_embedder` says why, to a person. `reranker` is None
    where none is configured. Any number of threads may search.
    """

    def __init__(
        self,
        index: PassageIndex,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None = None,
        no_embedder: str | None = None,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._reranker = reranker
        self._no_embedder = no_embedder or "No embedding model is set up, so only words were searched."
        self._lines: dict[tuple[str, str], tuple[int, Lines]] = {}
        self._calibrating = threading.Lock()

    def retrieve(
        self,
        query: str,
        *,
        collections: Sequence[str] = (),
        scope: Scope,
        limit: int = 8,
        per_document: int = 2,
        progress: Progress,
    ) -> Retrieval:
        """The best passages; no collections named means all.

        Raises:
            NotFound: a collection that does not exist.
            KnowledgeUnavailable: the index cannot be reached.
            Cancelled: a person stopped it.
        """
        search = _Search(asked=query)
        with search.timed("total"):
            progress.stage("Searching the library")
            self._look(search, self._chosen(collections), scope, max(DEPTH, limit), progress)
            candidates = fused(search.hits, depth=max(DEPTH, limit))
            if candidates and self._reranker is not None:
                progress.stage("Reranking")
                candidates = self._reranked(search, candidates, self._reranker)
            verdict = judge(
                search.query,
                candidates,
                search.rarity,
                nearness=search.nearness,
                standing=search.standing,
            )
        return Retrieval(
            query=search.query,
            found=tuple(spread_out(candidates, per_document=per_document)[:limit]),
            evidence=verdict.evidence,
            missing=verdict.missing,
            notices=tuple(search.notices),
            timings_ms=search.timings_ms,
        )

    def rarity(self, terms: Sequence[str], collections: Sequence[str] = ()) -> Mapping[str, float]:
        """The inverse document frequency of analysed terms over those collections, all of them where none is named."""
        chosen = self._chosen(collections)
        return _over_all([(each.passages, self._index.rarity(each.name, terms)) for each in chosen], terms)

    def warm_up(self) -> None:
        """Do what makes a first question slow: load the model, open the collections, calibrate.

        Raises:
            KnowledgeUnavailable: the index cannot be reached.
        """
        self.retrieve("computed tomography", scope=Scope(), progress=Silent())

    def _chosen(self, names: Sequence[str]) -> list[Collection]:
        there = {each.name: each for each in self._index.collections()}
        for name in names:
            if name not in there:
                raise unknown_collection(name)
        return [there[name] for name in dict.fromkeys(names or there)]

    def _look(
        self, search: _Search, collections: Sequence[Collection], scope: Scope, depth: int, progress: Progress
    ) -> None:
        """Both searches over every collection that holds anything."""
        filled = [each for each in collections if each.passages]
        if not filled:
            search.notices.append("The library holds no documents yet.")
            return
        if not search.query:
            return
        if search.cut:
            search.notices.append(
                f"Only the first {MOST_QUESTION_CHARACTERS:,} characters of the question were searched for."
            )
        terms = list(dict.fromkeys(analyse(search.query)))
        if not terms:
            search.notices.append("The question holds no word that says what it is about.")
        by_collection = [(each, self._index.rarity(each.name, terms)) for each in filled]
        search.rarity = _over_all([(each.passages, rarity) for each, rarity in by_collection], terms)
        terms = sorted(terms, key=lambda term: -search.rarity[term])[:_MOST_TERMS]
        comparable, vector = self._vector(search, filled)
        for each, rarity in by_collection:
            total = sum(rarity[term] for term in terms)
            compared = each.name in comparable
            with search.timed("keyword"):
                matching = self._index.matching(each.name, terms, scope, depth) if terms else ()
            search.hits += [
                Hit(passage=passage, keyword=score, standing=score / total, compared=compared)
                for passage, score in matching
            ]
            if compared and vector is not None:
                with search.timed("dense"):
                    near = self._index.near(each.name, vector, scope, depth)
                lines = self._lines_for(search, each, scope, progress)
                search.judged_by_words |= lines is None
                search.hits += [
                    Hit(passage=passage, cosine=cosine, nearness=lines.nearness(cosine) if lines else cosine)
                    for passage, cosine in near
                ]

    def _vector(self, search: _Search, collections: Sequence[Collection]) -> tuple[frozenset[str], Vectors | None]:
        """The question's vector, and the collections it may be compared in."""
        if self._embedder is None:
            search.notices.append(self._no_embedder)
            return frozenset(), None
        try:
            info = self._embedder.info
            misfits = {each.name: why for each in collections if (why := misfit(each, info)) is not None}
            search.notices += misfits.values()
            if len(misfits) == len(collections):
                return frozenset(), None
            with search.timed("embed"):
                vector = self._embedder.queries([search.query])
        except NimError as error:
            search.notices.append(f"The embedding model did not answer, so only words were searched: {error.message}")
            return frozenset(), None
        search.model = info.model
        return frozenset(each.name for each in collections if each.name not in misfits), vector

    def _reranked(self, search: _Search, candidates: list[Found], reranker: Reranker) -> list[Found]:
        """The best candidates in the reranker's order, the others after them."""
        shown, rest = candidates[:RERANKED], candidates[RERANKED:]
        try:
            with search.timed("rerank"):
                scores = reranker.scores(search.query, [indexed_text(each.passage) for each in shown])
            if len(scores) != len(shown) or not all(map(math.isfinite, scores)):
                raise NimReplyInvalid("it did not score every passage.")
        except NimError as error:
            search.notices.append(f"The reranker did not answer, so the search's own order stands: {error.message}")
            return candidates
        scored = [replace(each, rerank=score) for each, score in zip(shown, scores, strict=True)]
        return sorted(scored, key=lambda each: -(each.rerank or 0.0)) + rest

    def _lines_for(self, search: _Search, collection: Collection, scope: Scope, progress: Progress) -> Lines | None:
        """What a cosine says, for the model that was used; None where that cannot be found out now."""
        if search.model is None or self._embedder is None:
            return None
        if search.model in LINES:
            return LINES[search.model]
        size = collection.passages
        with self._calibrating:
            kept = self._lines.get((search.model, collection.name))
            if kept is not None and size < kept[0] * _GROWN and kept[0] < size * _GROWN:
                return kept[1]
            progress.stage("Finding out how near unrelated questions come")
            try:
                with search.timed("calibrate"):
                    lines = calibrated(self._index, collection.name, self._embedder, Scope(readers=scope.readers))
            except NimError:
                return None  # asked again at the next question
            if lines is not None:
                self._lines[search.model, collection.name] = (size, lines)
            return lines


def misfit(collection: Collection, embedder: EmbedderInfo) -> str | None:
    """Why a collection cannot be searched by meaning with this embedding model, to a person; None where it can."""
    if collection.embedder == embedder:
        return None
    if collection.embedder is None:
        return f"{collection.name} was indexed without an embedding model, so only its words were searched."
    return (
        f"{collection.name} was indexed with {collection.embedder.model} ({collection.embedder.dimension} numbers) and "
        f"the model in use is {embedder.model} ({embedder.dimension}), so only its words were searched. "
        "Index it again to search it by meaning."
    )


@dataclass(kw_only=True)
class _Search:
    """One question under way."""

    asked: str
    query: str = field(init=False)
    cut: bool = field(init=False)
    hits: list[Hit] = field(default_factory=list)
    rarity: Mapping[str, float] = field(default_factory=dict)
    model: str | None = None
    judged_by_words: bool = False
    notices: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # valid Unicode: a lone surrogate, which JSON may carry, breaks tokenizers
        clean = " ".join(self.asked.encode("utf-8", "replace").decode("utf-8").split())
        self.query = clean[:MOST_QUESTION_CHARACTERS]
        self.cut = len(self.query) < len(clean)

    @property
    def nearness(self) -> float | None:
        """Of the nearest passage; None where it says nothing."""
        if self.judged_by_words:
            return None
        return max((each.nearness for each in self.hits if each.nearness is not None), default=None)

    @property
    def standing(self) -> float:
        return max((each.standing for each in self.hits if each.standing is not None), default=0.0)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[what] = self.timings_ms.get(what, 0.0) + (time.perf_counter() - began) * 1e3


def _over_all(parts: Sequence[tuple[int, Mapping[str, float]]], terms: Sequence[str]) -> Mapping[str, float]:
    """Rarity over several collections, from each one's own: the counts are found back and added."""
    if len(parts) == 1:
        return parts[0][1]
    total = sum(count for count, _ in parts)
    holding = {term: sum(_holding(count, rarity[term]) for count, rarity in parts) for term in terms}
    return {term: idf(round(count), total) for term, count in holding.items()}


def _holding(passages: int, rarity: float) -> float:
    """How many of so many passages hold a term of that rarity: `bm25.idf` turned round."""
    return (passages + 1.0) / math.exp(rarity) - 0.5
