"""Counts that neither wait for a store that hangs nor go stale while it answers."""

from __future__ import annotations

import threading

from workbench.domain.errors import KnowledgeUnavailable
from workbench.usecases.library_counts import LibraryCounts


def test_each_answer_is_fresh_while_the_store_answers():
    held = {"imaging_literature": 1}
    counts = LibraryCounts(lambda: held)

    assert counts().total == 1
    held["imaging_notes"] = 4

    assert counts().by_collection == {"imaging_literature": 1, "imaging_notes": 4}
    assert counts().reachable


def test_a_store_that_cannot_be_reached_is_told_with_the_last_known_counts():
    held: dict[str, int] | None = {"imaging_literature": 7}

    def read():
        if held is None:
            raise KnowledgeUnavailable("The server is away.")
        return held

    counts = LibraryCounts(read)
    assert counts().total == 7
    held = None

    assert (counts().total, counts().reachable) == (7, False)


def test_a_store_that_hangs_is_asked_once_and_holds_nobody_up():
    answer, asked = threading.Event(), []

    def read():
        asked.append(1)
        answer.wait(30)
        return {"imaging_literature": 3}

    counts = LibraryCounts(read, patience_s=0.05)
    first, second = counts(), counts()

    assert (first.reachable, second.reachable) == (False, False)
    assert asked == [1]
    answer.set()
    patient = LibraryCounts(read, patience_s=30)
    assert patient().total == 3
