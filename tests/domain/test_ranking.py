"""Measures of a ranking, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from workbench.domain.ranking import difference, hit, ndcg, recall, reciprocal_rank, share

RANKED = ["a", "b", "c", "d"]


def test_a_hit_needs_one_relevant_among_the_first_k():
    assert hit(RANKED, {"c"}, 2) == 0.0
    assert hit(RANKED, {"c", "z"}, 3) == 1.0


def test_recall_is_the_share_of_the_relevant_that_was_found():
    assert recall(RANKED, {"a", "d", "z"}, 3) == pytest.approx(1 / 3)
    assert recall(RANKED, set(), 3) == 0.0


def test_the_reciprocal_rank_counts_from_one():
    assert reciprocal_rank(RANKED, {"c", "d"}) == pytest.approx(1 / 3)
    assert reciprocal_rank(RANKED, {"z"}) == 0.0


def test_ndcg_equals_the_value_worked_out_by_hand():
    # Relevant at places 1 and 3: (1 + 1/2) over (1 + 1/log2 3).
    assert ndcg(RANKED, {"a", "c"}, 10) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert ndcg(RANKED, {"a", "b"}, 10) == pytest.approx(1.0)
    assert ndcg(RANKED, {"z"}, 10) == 0.0


def test_an_interval_holds_its_mean_and_is_the_same_every_time():
    values = [1.0] * 90 + [0.0] * 10

    first, again = share(values), share(values)

    assert first == again
    assert first.mean == pytest.approx(0.9)
    assert 0.80 < first.low < 0.9 < first.high < 0.98
    assert first.count == 100


def test_a_difference_of_equals_is_nothing_with_no_width():
    same = difference([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])

    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)


def test_nothing_measured_is_not_a_number():
    assert math.isnan(share([]).mean)
