"""Keyword weights agree with the published formula, worked out by hand."""

from __future__ import annotations

import math

import pytest

from workbench.language.bm25 import idf, passage_weights, term_id


def test_a_term_is_told_by_its_crc_32() -> None:
    assert term_id("123456789") == 0xCBF43926  # the published check value of CRC-32


def test_weights_follow_the_formula_with_eighty_terms_as_the_usual_length() -> None:
    weights = passage_weights(["liver", "liver", "spleen", *[f"x{n}" for n in range(77)]])
    # 80 terms: the length part is 1, so tf * 2.2 / (tf + 1.2)
    assert weights[term_id("liver")] == pytest.approx(2 * 2.2 / 3.2)
    assert weights[term_id("spleen")] == pytest.approx(1.0)
    assert passage_weights(["liver"])[term_id("liver")] == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 / 80)))


def test_a_passage_without_terms_weighs_nothing() -> None:
    assert passage_weights([]) == {}


def test_rare_terms_weigh_more_and_none_weighs_less_than_nothing() -> None:
    assert idf(0, 10) == pytest.approx(math.log(1 + 10.5 / 0.5))
    assert idf(1, 10) > idf(5, 10) > idf(10, 10) > 0
    assert idf(12, 10) > 0  # counts that are a little out of date
    assert idf(0, 0) > 0
