"""Retrieval over several collections: what is found, in which order, and what is told when a part does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.knowledge.conftest import ByWords
from tests.knowledge.milvus_made import document
from workbench.domain.dialogue import MOST_QUESTION_CHARACTERS
from workbench.domain.errors import Cancelled, KnowledgeUnavailable, NimReplyInvalid, NimUnavailable, NotFound
from workbench.domain.library import Evidence, Passage, Retrieval, Scope, Vectors
from workbench.domain.progress import Silent
from workbench.knowledge.admission import indexed_text
from workbench.knowledge.memory import MemoryIndex
from workbench.knowledge.retrieve import RERANKED, Retriever, misfit
from workbench.language.terms import analyse

PAPERS, PROTOCOLS, NOTES = "imaging_literature", "imaging_protocols", "imaging_notes"


def put(index: MemoryIndex, collection: str, embedder: ByWords | None, passages: Sequence[Passage]) -> None:
    there = {each.name for each in index.collections()}
    if collection not in there:
        index.create(collection, description="", embedder=embedder.info if embedder else None)
    mine = [replace(each, collection=collection, id=f"{collection}-{each.id}") for each in passages]
    index.put(collection, mine, embedder.passages([indexed_text(each) for each in mine]) if embedder else None)


def papers() -> list[Passage]:
    return [
        *document("liver", "The volume of the liver.", "The liver again.", "More of the liver.", title="A", year=2001),
        *document("kidney", "The volume of the kidney.", title="B", year=2011),
        *document("lung", "The lung holds air.", title="C", year=2021, owner="anna"),
        *document("dose", "The dose of a scan.", title="D"),
    ]


@pytest.fixture
def index(by_words: ByWords) -> MemoryIndex:
    made = MemoryIndex()
    put(made, PAPERS, by_words, papers())
    put(made, PROTOCOLS, by_words, document("protocol", "Scan the aorta at a low dose.", title="E"))
    return made


def ask(retriever: Retriever, query: str, **more: object) -> Retrieval:
    given: dict[str, object] = {"scope": Scope(), "progress": Silent(), **more}
    return retriever.retrieve(query, **given)  # type: ignore[arg-type]


def titles(found: Retrieval) -> list[str]:
    return [each.passage.title for each in found.found]


def test_the_passage_that_answers_comes_first_with_both_scores(index: MemoryIndex, by_words: ByWords) -> None:
    found = ask(Retriever(index, embedder=by_words), "What is the volume of a kidney?")
    first = found.found[0]
    assert first.passage.title == "B"
    assert first.cosine == pytest.approx(1.0, abs=0.02)
    assert first.keyword is not None
    assert first.keyword > 0
    assert found.evidence is Evidence.STRONG
    assert found.notices == ()
    assert [each.score for each in found.found] == sorted((each.score for each in found.found), reverse=True)


def test_all_collections_are_searched_where_none_is_named(index: MemoryIndex, by_words: ByWords) -> None:
    retriever = Retriever(index, embedder=by_words)
    assert titles(ask(retriever, "dose"))[:2] == ["D", "E"]
    assert titles(ask(retriever, "dose", collections=[PROTOCOLS, PROTOCOLS])) == ["E"]
    assert "E" not in titles(ask(retriever, "dose", collections=[PAPERS]))


def test_an_unknown_collection_is_refused(index: MemoryIndex, by_words: ByWords) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        ask(Retriever(index, embedder=by_words), "dose", collections=[PAPERS, "nowhere"])


def test_at_most_so_many_passages_of_one_document_and_in_all(index: MemoryIndex, by_words: ByWords) -> None:
    retriever = Retriever(index, embedder=by_words)
    assert titles(ask(retriever, "liver")).count("A") == 2
    assert titles(ask(retriever, "liver", per_document=1)).count("A") == 1
    assert titles(ask(retriever, "liver", per_document=9)).count("A") == 3
    assert len(ask(retriever, "liver", limit=1).found) == 1


def test_only_documents_in_scope_are_found(index: MemoryIndex, by_words: ByWords) -> None:
    retriever = Retriever(index, embedder=by_words)
    assert "C" not in titles(ask(retriever, "lung"))
    assert titles(ask(retriever, "lung", scope=Scope(readers=("", "anna"))))[0] == "C"
    assert set(titles(ask(retriever, "volume", scope=Scope(year_from=2005, year_to=2015)))) == {"B"}
    assert set(titles(ask(retriever, "volume", scope=Scope(sources=("dose.pdf",))))) == {"D"}


def test_without_an_embedder_words_are_searched_and_it_is_told(index: MemoryIndex) -> None:
    found = ask(Retriever(index, embedder=None, no_embedder="No model, words only."), "volume of the kidney")
    assert titles(found)[0] == "B"
    assert {each.cosine for each in found.found} == {None}
    assert found.notices == ("No model, words only.",)


class Failing(ByWords):
    """An embedding NIM that is not there."""

    def queries(self, texts: Sequence[str], /) -> Vectors:
        raise NimUnavailable("The embedding NIM refused the connection.")


class Nameless(ByWords):
    """An embedding NIM that cannot even say what it is."""

    @property
    def info(self):  # type: ignore[override]
        raise NimUnavailable("The embedding NIM refused the connection.")

    @info.setter
    def info(self, _: object) -> None:
        pass


@pytest.mark.parametrize("broken", [Failing, Nameless])
def test_an_embedder_that_does_not_answer_leaves_words_and_is_told(index: MemoryIndex, broken: type[ByWords]) -> None:
    found = ask(Retriever(index, embedder=broken()), "volume of the kidney")
    assert titles(found)[0] == "B"
    assert len(found.notices) == 1
    assert "only words were searched: The embedding NIM refused the connection." in found.notices[0]


def test_a_collection_of_another_model_is_searched_by_words_and_told(index: MemoryIndex, by_words: ByWords) -> None:
    put(index, NOTES, ByWords("another"), document("note", "Aorta, aorta: the dose of an aorta scan.", title="F"))
    found = ask(Retriever(index, embedder=by_words), "dose of an aorta scan")
    assert "F" in titles(found)[:2]
    assert next(each for each in found.found if each.passage.title == "F").cosine is None
    assert next(each for each in found.found if each.passage.title == "E").cosine is not None
    assert len(found.notices) == 1
    assert found.notices[0].startswith("imaging_notes was indexed with another (10 numbers)")


def test_misfits_are_told_apart(index: MemoryIndex, by_words: ByWords) -> None:
    index.create(NOTES, description="", embedder=None)
    notes, paper = (next(each for each in index.collections() if each.name == name) for name in (NOTES, PAPERS))
    assert misfit(paper, by_words.info) is None
    assert "Index it again" in (misfit(paper, replace(by_words.info, dimension=11)) or "")
    assert "without an embedding model" in (misfit(notes, by_words.info) or "")


class Reversing:
    """A reranker that likes the last passage best, and remembers what it was shown."""

    def __init__(self, scores: list[float] | None = None) -> None:
        self.shown: list[str] = []
        self._scores = scores

    def scores(self, query: str, passages: Sequence[str], /) -> list[float]:
        self.shown = list(passages)
        return [float(number) for number in range(len(passages))] if self._scores is None else self._scores


def test_the_rerankers_order_stands_and_its_logits_are_kept(index: MemoryIndex, by_words: ByWords) -> None:
    reranker = Reversing()
    plain = ask(Retriever(index, embedder=by_words), "volume", per_document=9)
    found = ask(Retriever(index, embedder=by_words, reranker=reranker), "volume", per_document=9)
    assert titles(found) == titles(plain)[::-1]
    assert reranker.shown[0] == indexed_text(plain.found[0].passage)
    assert [each.rerank for each in found.found] == sorted((each.rerank or 0.0 for each in found.found), reverse=True)
    assert found.notices == ()


def test_a_reranker_is_shown_so_many_and_the_others_follow(by_words: ByWords) -> None:
    index = MemoryIndex()
    put(index, PAPERS, by_words, [each for n in range(RERANKED + 5) for each in document(f"d{n}", f"liver {n}")])
    reranker = Reversing()
    found = ask(Retriever(index, embedder=by_words, reranker=reranker), "liver", limit=100)
    assert len(reranker.shown) == RERANKED
    assert [each.rerank is None for each in found.found] == [False] * RERANKED + [True] * 5


class FailingReranker:
    def scores(self, query: str, passages: Sequence[str], /) -> list[float]:
        raise NimReplyInvalid("The reranking NIM answered with a web page.")


@pytest.mark.parametrize("reranker", [FailingReranker(), Reversing([1.0]), Reversing([float("nan")] * 7)])
def test_a_reranker_that_fails_leaves_the_order_and_is_told(
    index: MemoryIndex, by_words: ByWords, reranker: Reversing
) -> None:
    plain = ask(Retriever(index, embedder=by_words), "volume")
    found = ask(Retriever(index, embedder=by_words, reranker=reranker), "volume")
    assert found.found == plain.found
    assert len(found.notices) == 1
    assert "the search's own order stands" in found.notices[0]


def test_an_empty_library_says_so_and_has_no_evidence(by_words: ByWords) -> None:
    index = MemoryIndex()
    for _ in range(2):  # without a collection, then with an empty one
        found = ask(Retriever(index, embedder=by_words), "the liver")
        assert (found.found, found.evidence) == ((), Evidence.NONE)
        assert found.notices == ("The library holds no documents yet.",)
        if not index.collections():
            index.create(PAPERS, description="", embedder=by_words.info)


@pytest.mark.parametrize("query", ["", "   \n", "what is it?", "?!", "\x00"])
def test_a_question_that_says_nothing_finds_no_evidence(index: MemoryIndex, by_words: ByWords, query: str) -> None:
    assert ask(Retriever(index, embedder=by_words), query).evidence is Evidence.NONE


@pytest.mark.parametrize("query", ["\ud800 liver", "liver\x00volume", "肝臓 liver", "liver\u202e", "' or 1 == 1 liver"])
def test_odd_characters_are_searched_around(index: MemoryIndex, minilm, query: str) -> None:
    made = MemoryIndex()
    made.create(PAPERS, description="", embedder=minilm.info)
    passages = papers()
    made.put(PAPERS, passages, minilm.passages([indexed_text(each) for each in passages]))
    assert "A" in titles(ask(Retriever(made, embedder=minilm), query))


def test_a_question_of_50_000_characters_is_cut_and_told(index: MemoryIndex, by_words: ByWords) -> None:
    found = ask(Retriever(index, embedder=by_words), "kidney volume " + "wombat " * 8_000)
    assert len(found.query) == MOST_QUESTION_CHARACTERS
    assert titles(found)[0] == "B"
    assert found.notices == ("Only the first 4,000 characters of the question were searched for.",)


def test_a_pasted_page_is_searched_for_by_its_rarest_words(by_words: ByWords) -> None:
    index = MemoryIndex()
    put(index, PAPERS, by_words, papers())
    asked: list[Sequence[str]] = []

    class Watching(MemoryIndex):
        def matching(self, collection, terms, scope, limit):
            asked.append(terms)
            return super().matching(collection, terms, scope, limit)

    watching = Watching()
    put(watching, PAPERS, by_words, papers())
    found = ask(Retriever(watching, embedder=by_words), " ".join(f"word{n}" for n in range(400)) + " kidney")
    assert len(asked[0]) == 64
    assert set(asked[0]) <= set(analyse(found.query))


def test_an_index_that_cannot_be_reached_is_told_as_it_is(by_words: ByWords) -> None:
    class Gone(MemoryIndex):
        def matching(self, *_: object):
            raise KnowledgeUnavailable("The Milvus server went away.")

    gone = Gone()
    put(gone, PAPERS, by_words, papers())
    with pytest.raises(KnowledgeUnavailable, match="went away"):
        ask(Retriever(gone, embedder=by_words), "liver")


def test_a_person_can_stop_a_search(index: MemoryIndex, by_words: ByWords) -> None:
    class Stopped:
        def stage(self, name: str, fraction: float | None = None) -> None:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        ask(Retriever(index, embedder=by_words), "liver", progress=Stopped())


def test_every_part_is_timed(index: MemoryIndex, by_words: ByWords) -> None:
    retriever = Retriever(index, embedder=by_words, reranker=Reversing())
    retriever.warm_up()
    timings = ask(retriever, "liver").timings_ms
    assert set(timings) == {"embed", "dense", "keyword", "rerank", "total"}
    assert sum(value for name, value in timings.items() if name != "total") <= timings["total"]


def test_a_model_nobody_measured_is_calibrated_once_and_again_when_the_library_grew(by_words: ByWords) -> None:
    index = MemoryIndex()
    put(index, PAPERS, by_words, papers())
    retriever = Retriever(index, embedder=by_words)
    assert "calibrate" in ask(retriever, "liver").timings_ms
    assert "calibrate" not in ask(retriever, "kidney").timings_ms
    put(index, PAPERS, by_words, [each for n in range(20) for each in document(f"more{n}", f"lung {n}", title=f"T{n}")])
    assert "calibrate" in ask(retriever, "liver").timings_ms
    assert "calibrate" not in ask(retriever, "liver").timings_ms


def test_how_near_unrelated_texts_come_changes_nothing_that_a_person_sees() -> None:
    """The same geometry, once with unrelated texts at .05 and once at .8: same order, same evidence."""
    found = []
    for model, lift in (("low", 0.05), ("high", 0.8)):
        embedder = ByWords(model, lift=lift)
        index = MemoryIndex()
        put(index, PAPERS, embedder, papers())
        put(
            index,
            PAPERS,
            embedder,
            [each for n in range(12) for each in document(f"b{n}", f"bone {n}", title=f"Bone {n}")],
        )
        retriever = Retriever(index, embedder=embedder)
        questions = ("volume of the kidney", "dose of the liver", "how tall is a tree", "aorta", "bone of contention")
        found.append([(titles(each), each.evidence) for each in (ask(retriever, question) for question in questions)])
    assert found[0] == found[1]
    assert {evidence for _, evidence in found[0]} >= {Evidence.NONE, Evidence.STRONG}


def test_rarity_over_collections_is_that_of_their_passages_together(index: MemoryIndex, by_words: ByWords) -> None:
    together = MemoryIndex()
    put(together, PAPERS, by_words, papers())
    put(together, PAPERS, by_words, document("protocol", "Scan the aorta at a low dose.", title="E"))
    terms = [*analyse("dose liver aorta volume"), "zzz"]
    apart = Retriever(index, embedder=by_words).rarity(terms)
    assert apart == pytest.approx(Retriever(together, embedder=by_words).rarity(terms))
    assert apart == pytest.approx(together.rarity(PAPERS, terms))
    assert Retriever(index, embedder=by_words).rarity(terms, [PROTOCOLS]) == index.rarity(PROTOCOLS, terms)
    assert np.isfinite(list(Retriever(MemoryIndex(), embedder=by_words).rarity(terms).values())).all()
