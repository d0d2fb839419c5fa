"""One order out of two searches: by meaning (cosine) and by words (BM25).

A convex sum of scores, not of ranks: it keeps how much better one passage is than the next (Bruch, Gai and Ingber, An
Analysis of Fusion Functions for Hybrid Retrieval, 2023). BM25 is divided by the summed rarity of the question's words
and not by the best score found, so that words decide little where even the best passage holds few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workbench.domain.library import Found, Passage

MEANING = 0.65
"""The cosine's part. From .6 to .7 nDCG@10 moved by .02 at most on questions and answers of the NIH."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage and what the searches said of it.

    `nearness` is its cosine on the packaged model's scale (`evidence.Lines.nearness`). `standing` is its BM25 score
    over the summed rarity of the question's words: 1 for a usual passage that holds each of them once. `compared`
    says whether its collection was searched by meaning.
    """

    passage: Passage
    cosine: float | None = None
    nearness: float | None = None
    keyword: float | None = None
    standing: float | None = None
    compared: bool = True


def fused(hits: Iterable[Hit], *, depth: int) -> list[Found]:
    """The hits of all searches in one order, best first; a passage that lies in two collections counts once.

    The `depth` best of each kind count. One that a full list lacks gets that list's lowest score; one that no word
    list needed to leave out holds none of the words. Where a collection was not searched by meaning, its passages
    stand among the others' by meaning where they stand by words.
    """
    one = _one_each(hits)
    near = sorted((each.nearness for each in one if each.nearness is not None), reverse=True)[:depth]
    told = sorted((each.standing for each in one if each.standing is not None), reverse=True)[:depth]
    ranges = _Ranges(
        nearnesses=(near[-1], near[0]) if near else None,
        standings=(told[-1] if len(told) >= depth else 0.0, told[0]) if told else None,
    )
    scored = [(ranges.score(each), each) for each in one if ranges.counts(each)]
    scored.sort(key=lambda pair: (-pair[0], pair[1].passage.document_id, pair[1].passage.ordinal))
    return [
        Found(passage=each.passage, score=min(max(score, 0.0), 1.0), cosine=each.cosine, keyword=each.keyword)
        for score, each in scored
    ]


def spread_out(found: Sequence[Found], *, per_document: int) -> list[Found]:
    """The same order with at most so many passages of one document."""
    taken: dict[str, int] = {}
    kept = []
    for each in found:
        document = each.passage.document_id
        taken[document] = taken.get(document, 0) + 1
        if taken[document] <= per_document:
            kept.append(each)
    return kept


@dataclass(frozen=True, kw_only=True)
class _Ranges:
    """(lowest, highest) of each list; None for a list that is empty."""

    nearnesses: tuple[float, float] | None
    standings: tuple[float, float] | None

    def counts(self, hit: Hit) -> bool:
        near = hit.nearness is not None and self.nearnesses is not None and hit.nearness >= self.nearnesses[0]
        return near or (hit.standing is not None and self.standings is not None and hit.standing >= self.standings[0])

    def score(self, hit: Hit) -> float:
        if self.standings is None:
            return hit.nearness or 0.0
        lowest, highest = self.standings
        standing = lowest if hit.standing is None else max(hit.standing, lowest)
        if self.nearnesses is None:
            return standing
        return MEANING * self._nearness(hit, standing / highest if highest else 0.0) + (1.0 - MEANING) * standing

    def _nearness(self, hit: Hit, place: float) -> float:
        assert self.nearnesses is not None  # noqa: S101 - asked for by the caller only then
        lowest, highest = self.nearnesses
        if not hit.compared:
            return lowest + (highest - lowest) * place
        return lowest if hit.nearness is None else max(hit.nearness, lowest)


def _one_each(hits: Iterable[Hit]) -> list[Hit]:
    """What several searches said of one passage, brought together."""
    one: dict[tuple[str, int | None, int], Hit] = {}
    for hit in hits:
        # the same text in two collections has two ids
        key = (hit.passage.document_id, hit.passage.page_start, hit.passage.ordinal)
        one[key] = _together(one[key], hit) if key in one else hit
    return list(one.values())


def _together(first: Hit, second: Hit) -> Hit:
    return replace(
        first,
        cosine=_higher(first.cosine, second.cosine),
        nearness=_higher(first.nearness, second.nearness),
        keyword=_higher(first.keyword, second.keyword),
        standing=_higher(first.standing, second.standing),
        compared=first.compared or second.compared,
    )


def _higher(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)
