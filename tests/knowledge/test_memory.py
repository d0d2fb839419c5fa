"""What the index in memory promises beyond the contract that it shares with Milvus."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.knowledge.milvus_made import EMBEDDER, NAME, document, unit, vectors
from workbench.domain.errors import NotFound
from workbench.domain.library import Scope
from workbench.knowledge.memory import MemoryIndex

EVERYBODY = Scope()


@pytest.fixture
def index() -> MemoryIndex:
    made = MemoryIndex()
    made.create(NAME, description="", embedder=EMBEDDER)
    return made


def test_near_is_exact_and_in_order(index: MemoryIndex) -> None:
    put = document("many", *(f"text {number}" for number in range(300)))
    rows = vectors(300, seed=5)
    index.put(NAME, put, rows)
    query = vectors(1, seed=6)[0]
    expected = np.argsort(-(rows @ query), kind="stable")[:7]
    found = index.near(NAME, query, EVERYBODY, 7)
    assert [passage.id for passage, _ in found] == [put[row].id for row in expected]
    assert [score for _, score in found] == pytest.approx((rows @ query)[expected], abs=1e-6)


def test_equal_scores_keep_the_order_in_which_they_were_put(index: MemoryIndex) -> None:
    put = document("same", *("liver" for _ in range(20)))
    put = [each.__class__(**{**each.__dict__, "id": f"{number:032x}"}) for number, each in enumerate(put)]
    index.put(NAME, put, np.tile(unit(1), (20, 1)))
    assert [passage.id for passage, _ in index.near(NAME, unit(1), EVERYBODY, 5)] == [each.id for each in put[:5]]
    assert [passage.id for passage, _ in index.matching(NAME, ["liver"], EVERYBODY, 5)] == [each.id for each in put[:5]]


def test_more_scopes_than_are_remembered_still_select_rightly(index: MemoryIndex) -> None:
    for year in range(1980, 2030):
        index.put(NAME, document(f"of {year}", f"liver {year}", year=year), vectors(1, seed=year))
    for _ in range(2):
        for year in range(1980, 2030):
            found = index.matching(NAME, ["liver"], Scope(year_from=year, year_to=year), 5)
            assert [passage.year for passage, _ in found] == [year]


def test_a_search_sees_a_whole_put_or_none_of_it(index: MemoryIndex) -> None:
    """A document counts once all its passages are there, so every search finds a multiple of three."""
    stop, wrong = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            found = len(index.matching(NAME, ["liver"], EVERYBODY, 1000))
            if found % 3:
                wrong.append(found)

    readers = [threading.Thread(target=search) for _ in range(3)]
    for each in readers:
        each.start()
    for number in range(40):
        index.put(NAME, document(f"d{number}", "liver a", "liver b", "liver c"), vectors(3, seed=number))
    stop.set()
    for each in readers:
        each.join()
    assert wrong == []
    assert len(index.matching(NAME, ["liver"], EVERYBODY, 1000)) == 120


def test_closing_forgets(index: MemoryIndex) -> None:
    index.close()
    assert index.collections() == ()
    with pytest.raises(NotFound):
        index.documents(NAME, EVERYBODY)
