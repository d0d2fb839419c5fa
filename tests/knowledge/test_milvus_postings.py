"""The keyword index in memory against sums worked out one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from workbench.knowledge.milvus_postings import Postings


def everything(_id: str) -> bool:
    return True


def worked_out(held: dict[str, dict[int, float]], query: dict[int, float]) -> dict[str, float]:
    sums = {
        id_: sum(np.float32(weights[term]) * np.float32(weight) for term, weight in query.items() if term in weights)
        for id_, weights in held.items()
    }
    return {id_: float(each) for id_, each in sums.items() if each > 0}


def filled(random_: random.Random, postings: Postings, held: dict[str, dict[int, float]], ids: range) -> None:
    for n in ids:
        weights = {random_.randrange(60): random_.uniform(0.5, 2.0) for _ in range(random_.randrange(8))}
        postings.put(f"{n}", weights)
        held[f"{n}"] = weights


def compared(postings: Postings, held: dict[str, dict[int, float]]) -> None:
    assert len(postings) == len(held)
    for query in ({3: 1.0}, {1: 2.0, 7: 0.5, 59: 1.5}, {1_000: 1.0}, {}):
        found = dict(postings.best(query, everything, 10**6))
        assert found == pytest.approx(worked_out(held, query), rel=1e-5)
    for term in range(60):
        assert postings.holding(term) == sum(term in each for each in held.values())


def test_scores_and_counts_stay_right_while_passages_come_go_and_are_replaced():
    random_, postings, held = random.Random(3), Postings(), {}  # noqa: S311 - the same numbers in every run
    filled(random_, postings, held, range(400))
    compared(postings, held)
    for n in random_.sample(range(400), 150):
        postings.discard(f"{n}")
        del held[f"{n}"]
    compared(postings, held)
    filled(random_, postings, held, range(300, 500))
    compared(postings, held)


def test_the_rows_of_removed_passages_are_given_back():
    random_, postings, held = random.Random(4), Postings(), {}  # noqa: S311 - likewise
    filled(random_, postings, held, range(3_000))
    for n in range(2_600):
        postings.discard(f"{n}")
        del held[f"{n}"]
    compared(postings, held)
    filled(random_, postings, held, range(5_000, 5_100))
    compared(postings, held)
    # 2,001 holes are closed in one go; those made since are fewer than would be worth it.
    assert len(postings.best(dict.fromkeys(range(60), 1.0), everything, 10**6)) <= 500
    assert postings.rows() < 3_100 - 2_000


def test_the_best_come_first_equal_ones_in_the_order_they_were_put_and_no_more_than_asked_for():
    postings = Postings()
    for id_, weight in (("b", 1.0), ("a", 1.0), ("best", 2.0), ("worst", 0.1)):
        postings.put(id_, {5: weight})
    assert [id_ for id_, _ in postings.best({5: 1.0}, everything, 3)] == ["best", "b", "a"]
    assert [id_ for id_, _ in postings.best({5: 1.0}, lambda id_: id_ != "best", 2)] == ["b", "a"]
    assert postings.best({5: 1.0}, everything, 0) == []


def test_taking_out_what_is_not_there_changes_nothing():
    postings = Postings()
    postings.discard("nothing")
    assert len(postings) == 0
    assert postings.best({1: 1.0}, everything, 5) == []
