"""One order out of two lists, worked out by hand."""

from __future__ import annotations

import pytest

from tests.knowledge.milvus_made import passage
from workbench.domain.library import Passage
from workbench.knowledge.fusion import MEANING, Hit, fused, spread_out

WORDS = 1.0 - MEANING


def of(name: str, *, ordinal: int = 0, collection: str = "imaging_literature") -> Passage:
    made = passage(name, document=name, ordinal=ordinal, total=9)
    return Passage(**{**made.__dict__, "collection": collection, "id": f"{collection}-{made.id}"})


def near(name: str, nearness: float, **more: object) -> Hit:
    return Hit(passage=of(name, **more), cosine=nearness, nearness=nearness)  # type: ignore[arg-type]


def matching(name: str, standing: float, *, compared: bool = True, **more: object) -> Hit:
    return Hit(passage=of(name, **more), keyword=standing * 10, standing=standing, compared=compared)  # type: ignore[arg-type]


def scores(*hits: Hit, depth: int = 50) -> dict[str, float]:
    return {each.passage.text: each.score for each in fused(hits, depth=depth)}


def test_the_score_is_the_weighted_sum_of_both() -> None:
    found = scores(near("a", 0.8), near("b", 0.4), matching("a", 0.5), matching("b", 1.0))
    assert found == pytest.approx({"a": MEANING * 0.8 + WORDS * 0.5, "b": MEANING * 0.4 + WORDS * 1.0})
    assert list(found) == ["a", "b"]


def test_a_passage_that_a_full_list_lacks_gets_its_lowest_score() -> None:
    found = scores(near("a", 0.8), near("b", 0.7), matching("c", 0.9), matching("a", 0.6), depth=2)
    assert found == pytest.approx(
        {"a": MEANING * 0.8 + WORDS * 0.6, "b": MEANING * 0.7 + WORDS * 0.6, "c": MEANING * 0.7 + WORDS * 0.9}
    )


def test_a_passage_that_a_short_word_list_lacks_holds_none_of_the_words() -> None:
    assert scores(near("a", 0.8), near("b", 0.7), matching("b", 0.9))["a"] == pytest.approx(MEANING * 0.8)


def test_only_so_many_of_each_kind_count() -> None:
    hits = [near(f"n{number}", 0.9 - number / 100) for number in range(10)]
    hits += [matching(f"m{number}", 0.9 - number / 100) for number in range(10)]
    assert set(scores(*hits, depth=3)) == {"n0", "n1", "n2", "m0", "m1", "m2"}


def test_words_alone_and_meaning_alone_keep_their_order() -> None:
    assert list(scores(matching("a", 0.2), matching("b", 0.9))) == ["b", "a"]
    assert list(scores(near("a", 0.2), near("b", 0.9))) == ["b", "a"]
    assert fused([], depth=50) == []


def test_a_collection_without_vectors_is_not_buried_by_one_that_has_them() -> None:
    """By words it stands highest of all, so it gets the highest nearness of the others."""
    found = scores(
        near("a", 0.8),
        near("b", 0.4),
        matching("a", 0.5),
        matching("c", 1.0, compared=False, collection="imaging_notes"),
    )
    assert found["c"] == pytest.approx(MEANING * 0.8 + WORDS * 1.0)
    assert next(iter(found)) == "c"


def test_a_document_in_two_collections_is_found_once() -> None:
    hits = [near("a", 0.8), near("a", 0.8, collection="imaging_notes"), matching("a", 0.5, collection="imaging_notes")]
    (found,) = fused(hits, depth=50)
    assert (found.cosine, found.keyword) == (0.8, 5.0)


def test_scores_stay_between_nought_and_one() -> None:
    assert list(scores(near("a", 1.4), near("b", -0.6), matching("a", 2.0)).values()) == [1.0, 0.0]


def test_equal_scores_always_come_in_the_same_order() -> None:
    hits = [near(name, 0.5, ordinal=number) for name in "abc" for number in range(3)]
    assert fused(hits, depth=50) == fused(reversed(hits), depth=50)


def test_at_most_so_many_passages_of_a_document_are_kept() -> None:
    hits = [near("a", 0.9 - number / 100, ordinal=number) for number in range(4)] + [near("b", 0.1)]
    kept = spread_out(fused(hits, depth=50), per_document=2)
    assert [(each.passage.text, each.passage.ordinal) for each in kept] == [("a", 0), ("a", 1), ("b", 0)]
