"""One contract, three indexes: in memory, Milvus Lite in this process, and a Milvus server over the wire."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.knowledge.milvus_made import EMBEDDER, NAME, document, hexadecimal, passage, unit, vectors
from tests.knowledge.milvus_server import milvus_server
from workbench.domain.errors import InvalidRequest, NotFound, StateConflict
from workbench.domain.library import EVERYBODY, EmbedderInfo, Scope
from workbench.knowledge.memory import MemoryIndex
from workbench.knowledge.milvus import MilvusIndex
from workbench.language.bm25 import idf
from workbench.language.terms import analyse

COMMONS = Scope()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with milvus_server(tmp_path_factory.mktemp("server") / "milvus") as running:
        yield running


@pytest.fixture(params=["memory", "embedded", "server"])
def index(request, tmp_path):
    if request.param == "memory":
        made = MemoryIndex()
    elif request.param == "embedded":
        made = MilvusIndex(str(tmp_path / "library" / "milvus.db"))
    else:
        made = MilvusIndex(request.getfixturevalue("server").uri)
    yield made
    if request.param == "server":
        for each in made.collections():
            made.drop(each.name)
    made.close()


@pytest.fixture
def library(index):
    index.create(NAME, description="Papers", embedder=EMBEDDER)
    return index


def ids(found):
    return [each.id for each, _ in found]


def test_a_new_index_holds_no_collections(index):
    assert index.collections() == ()


def test_a_collection_remembers_its_description_and_its_embedder(index):
    index.create(NAME, description="Größe, “quoted” \\ and 'more'", embedder=EMBEDDER)
    index.create("words_only", description="", embedder=None)
    first, second = index.collections()
    assert (first.name, first.description, first.embedder) == (NAME, "Größe, “quoted” \\ and 'more'", EMBEDDER)
    assert (second.name, second.embedder, second.documents, second.passages) == ("words_only", None, 0, 0)


def test_the_published_guides_collections_come_first(index):
    for name in ("zebra", "imaging_notes", "alpha", NAME):
        index.create(name, description="", embedder=None)
    assert [each.name for each in index.collections()] == [NAME, "imaging_notes", "alpha", "zebra"]


@pytest.mark.parametrize("wrong", ["", "1st", "my notes", "../up", "a-b", "größe", 'x" or "', "x" * 65, "a\n"])
def test_a_name_that_is_no_identifier_is_refused(index, wrong):
    with pytest.raises(InvalidRequest):
        index.create(wrong, description="", embedder=None)
    assert index.collections() == ()


def test_a_name_that_is_taken_is_refused(library):
    with pytest.raises(StateConflict):
        library.create(NAME, description="", embedder=None)


def test_every_question_about_an_unknown_collection_is_answered_alike(index):
    asked = [
        lambda: index.drop("nowhere"),
        lambda: index.put("nowhere", document("a", "text"), None),
        lambda: index.settle("nowhere"),
        lambda: index.remove("nowhere", "id"),
        lambda: index.documents("nowhere", COMMONS),
        lambda: index.near("nowhere", unit(1), COMMONS, 3),
        lambda: index.matching("nowhere", ["liver"], COMMONS, 3),
        lambda: index.rarity("nowhere", ["liver"]),
        lambda: index.passage("nowhere", "id"),
        lambda: index.around("nowhere", "id"),
    ]
    told = set()
    for ask in asked:
        with pytest.raises(NotFound) as error:
            ask()
        told.add((error.value.message, error.value.hint))
    assert len(told) == 1


def test_what_was_put_comes_back_field_by_field(library):
    whole = passage(
        "Größe 1 200 mL — “quoted”, \\ and \0 nothing lost.\n\nSecond paragraph.",
        section="3.1 Results",
        year=2021,
        url="https://example.org/a?b=c&d",
        page_start=3,
        page_end=4,
        page_label="iii",
        owner="anna",
        references=("One, 2019", "Two “2”"),
    )
    bare = passage("Nothing but a text.", document="bare")
    library.put(NAME, [whole, bare], vectors(2))
    assert library.passage(NAME, whole.id) == whole
    assert library.passage(NAME, bare.id) == bare
    reading = Scope(readers=("", "anna"))
    assert {each.id: each for each, _ in library.near(NAME, unit(1), reading, 5)} == {whole.id: whole, bare.id: bare}


def test_the_nearest_passages_come_first_with_their_cosine(library):
    put = document("angles", "same way", "slightly off", "at a right angle", "the other way")
    library.put(NAME, put, np.stack([unit(1), unit(1, 0.5), unit(0, 1), unit(-1)]))
    found = library.near(NAME, unit(1), COMMONS, 10)
    assert ids(found) == [each.id for each in put]
    assert [score for _, score in found] == pytest.approx([1.0, 1 / np.sqrt(1.25), 0.0, -1.0], abs=1e-5)


def test_no_more_passages_come_than_asked_for(library):
    library.put(NAME, document("many", *(f"liver text {n}" for n in range(30))), vectors(30))
    assert len(library.near(NAME, unit(1), COMMONS, 7)) == 7
    assert len(library.matching(NAME, ["liver"], COMMONS, 7)) == 7
    assert library.near(NAME, unit(1), COMMONS, 0) == ()
    assert library.matching(NAME, ["liver"], COMMONS, 0) == ()


def test_words_are_scored_by_bm25_worked_out_by_hand(library):
    texts = ["spleen spleen kidney", "spleen", "kidney"]
    put = [passage(text, document=f"doc {n}", title="A title") for n, text in enumerate(texts)]
    library.put(NAME, put, vectors(3))
    (term,) = analyse("spleen")
    found = dict(zip(ids(got := library.matching(NAME, [term], COMMONS, 5)), [s for _, s in got], strict=True))

    def expected(times: int, length: int) -> float:
        return idf(2, 3) * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / 80))

    in_title = len(analyse("A title"))
    assert found == pytest.approx(
        {put[0].id: expected(2, 3 + in_title), put[1].id: expected(1, 1 + in_title)}, rel=1e-4
    )


def test_a_title_is_searched_with_each_of_its_passages(library):
    library.put(NAME, document("a", "Nothing of that here.", title="Pancreatic volume"), vectors(1))
    assert len(library.matching(NAME, analyse("pancreatic"), COMMONS, 5)) == 1


def test_words_that_no_passage_holds_find_nothing(library):
    library.put(NAME, document("a", "The liver."), vectors(1))
    assert library.matching(NAME, analyse("submarine"), COMMONS, 5) == ()
    assert library.matching(NAME, [], COMMONS, 5) == ()


def test_a_term_given_twice_counts_once(library):
    library.put(NAME, document("a", "The liver."), vectors(1))
    ((_, once),) = library.matching(NAME, ["liver"], COMMONS, 5)
    ((_, twice),) = library.matching(NAME, ["liver", "liver"], COMMONS, 5)
    assert once == twice > 0


def test_an_empty_collection_can_be_searched(library):
    assert library.near(NAME, unit(1), COMMONS, 5) == ()
    assert library.matching(NAME, ["liver"], COMMONS, 5) == ()
    assert library.documents(NAME, COMMONS) == ()


def test_a_passage_without_a_single_term_is_kept_and_found_by_vector(library):
    empty = passage("—", title="...")
    library.put(NAME, [empty], unit(1)[None])
    assert library.passage(NAME, empty.id) == empty
    assert ids(library.near(NAME, unit(1), COMMONS, 5)) == [empty.id]
    assert library.matching(NAME, ["liver"], COMMONS, 5) == ()


def test_rarity_follows_what_is_put_and_removed(library):
    one, two = document("one", "spleen"), document("two", "spleen and kidney")
    library.put(NAME, one + two, vectors(2))
    spleen, kidney = analyse("spleen kidney")
    assert library.rarity(NAME, [spleen, kidney, "zzz"]) == pytest.approx(
        {spleen: idf(2, 2), kidney: idf(1, 2), "zzz": idf(0, 2)}
    )
    library.remove(NAME, two[0].document_id)
    assert library.rarity(NAME, [spleen, kidney]) == pytest.approx({spleen: idf(1, 1), kidney: idf(0, 1)})


def test_putting_a_passage_again_replaces_it(library):
    put = passage("The liver.")
    library.put(NAME, [put], vectors(1))
    changed = passage("The liver.", title="Another title about the spleen", year=1999)
    assert changed.id == put.id
    library.put(NAME, [changed], unit(1)[None])
    assert library.passage(NAME, put.id) == changed
    assert ids(library.near(NAME, unit(1), COMMONS, 5)) == [put.id]
    assert library.near(NAME, unit(1), COMMONS, 5)[0][1] == pytest.approx(1.0, abs=1e-5)
    assert library.matching(NAME, analyse("volumes"), COMMONS, 5) == ()
    assert library.rarity(NAME, analyse("spleen")) == pytest.approx({analyse("spleen")[0]: idf(1, 1)})
    assert [(each.title, each.passages) for each in library.documents(NAME, COMMONS)] == [(changed.title, 1)]


def test_removing_a_document_removes_its_passages_from_every_search(library):
    gone, kept = document("gone", "liver one", "liver two"), document("kept", "liver three")
    library.put(NAME, gone + kept, vectors(3))
    assert library.remove(NAME, gone[0].document_id) == 2
    assert ids(library.near(NAME, unit(1), COMMONS, 9)) == [kept[0].id]
    assert ids(library.matching(NAME, ["liver"], COMMONS, 9)) == [kept[0].id]
    assert library.around(NAME, gone[0].document_id) == ()
    with pytest.raises(NotFound):
        library.passage(NAME, gone[0].id)
    assert [each.id for each in library.documents(NAME, COMMONS)] == [kept[0].document_id]
    assert library.remove(NAME, gone[0].document_id) == 0


def test_documents_are_listed_with_their_facts_newest_first(library):
    old = document("old", "one", "two", added="2025-01-01T00:00:00+00:00", year=2001, page_start=1, references=("R",))
    new = document("new", "three", added="2026-01-01T00:00:00+00:00", title="New", url="https://example.org")
    library.put(NAME, old + new, vectors(3))
    first, second = library.documents(NAME, COMMONS)
    assert (first.title, first.passages, first.url, first.has_pages) == ("New", 1, "https://example.org", False)
    assert (second.id, second.passages, second.year, second.references) == (hexadecimal("old"), 2, 2001, ("R",))
    assert second.has_pages
    assert second.collection == NAME
    (told,) = library.collections()
    assert (told.documents, told.passages) == (2, 3)


def test_a_document_is_found_only_once_all_its_passages_are_there(library):
    put = document("slow", "liver one", "liver two", "liver three")
    library.put(NAME, document("whole", "liver whole"), unit(0, 1)[None])
    library.put(NAME, put[:2], vectors(2))
    assert [each.source for each in library.documents(NAME, COMMONS)] == ["whole.pdf"]
    assert {each.source for each, _ in library.near(NAME, unit(1), COMMONS, 9)} == {"whole.pdf"}
    assert {each.source for each, _ in library.matching(NAME, ["liver"], COMMONS, 9)} == {"whole.pdf"}
    assert (library.collections()[0].documents, library.collections()[0].passages) == (1, 1)
    library.put(NAME, put[2:], vectors(1))
    assert len(library.near(NAME, unit(1), COMMONS, 9)) == 4
    assert library.collections()[0].documents == 2


def test_an_unfinished_document_can_be_removed(library):
    put = document("slow", "one", "two")
    library.put(NAME, put[:1], vectors(1))
    assert library.remove(NAME, put[0].document_id) == 1
    assert library.around(NAME, put[0].document_id) == ()


def test_the_passages_of_a_document_come_in_their_order(library):
    put = document("long", *(f"part {n}" for n in range(12)))
    library.put(NAME, put[::-1], vectors(12))
    assert list(library.around(NAME, put[0].document_id)) == put


SCOPES = [
    (Scope(readers=("", "anna")), {"common", "annas"}),
    (Scope(readers=("anna",)), {"annas"}),
    (Scope(), {"common"}),
    (Scope(readers=()), set()),
    (Scope(readers=("", "anna", "ben")), {"common", "annas", "bens"}),
    (Scope(readers=("", "anna", "ben"), year_from=2010), {"annas", "bens"}),
    (Scope(readers=("", "anna", "ben"), year_to=2010), {"annas"}),
    (Scope(readers=("", "anna", "ben"), year_from=2011, year_to=2020), {"bens"}),
    (Scope(readers=("", "anna", "ben"), year_from=2030), set()),
    (Scope(readers=("", "anna", "ben"), sources=("common.pdf", "bens.pdf")), {"common", "bens"}),
    (Scope(readers=("", "anna"), sources=("bens.pdf",)), set()),
    (Scope(readers=(EVERYBODY,)), {"common", "annas", "bens"}),
    (Scope(readers=(EVERYBODY,), year_from=2015), {"bens"}),
]


@pytest.mark.parametrize(("scope", "expected"), SCOPES)
def test_searches_and_lists_keep_to_their_scope(library, scope, expected):
    library.put(NAME, document("common", "liver"), vectors(1))
    library.put(NAME, document("annas", "liver", owner="anna", year=2010), vectors(1, 1))
    library.put(NAME, document("bens", "liver", owner="ben", year=2020), vectors(1, 2))
    wanted = {f"{each}.pdf" for each in expected}
    assert {each.source for each, _ in library.near(NAME, unit(1), scope, 9)} == wanted
    assert {each.source for each, _ in library.matching(NAME, ["liver"], scope, 9)} == wanted
    assert {each.source for each in library.documents(NAME, scope)} == wanted


INJECTIONS = [
    '" or owner != "',
    '"] or owner in ["anna',
    '\\" or 1 == 1 or owner == "',
    "anna\\",
    "' or '1'='1",
    'x" or id like "%',
    "anna\nor true",
    "\\u0022 or true",
    "{x}",
]


@pytest.mark.parametrize("nasty", INJECTIONS)
def test_what_looks_like_a_filter_is_only_text(library, nasty):
    library.put(NAME, document("annas", "liver", owner="anna", year=2010), vectors(1))
    library.put(NAME, document("nasty", "liver", owner=nasty, source=nasty), unit(1)[None])
    for scope in (Scope(readers=(nasty,)), Scope(readers=("", nasty), sources=(nasty,))):
        assert [each.owner for each, _ in library.near(NAME, unit(1), scope, 9)] == [nasty]
        assert [each.owner for each, _ in library.matching(NAME, ["liver"], scope, 9)] == [nasty]
    assert library.near(NAME, unit(1), Scope(sources=(nasty,)), 9) == ()
    assert library.around(NAME, nasty) == ()
    assert library.remove(NAME, nasty) == 0
    with pytest.raises(NotFound):
        library.passage(NAME, nasty)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.ones((1, 4), dtype=np.float32) / 2, id="another dimension"),
        pytest.param(vectors(2), id="another number"),
        pytest.param(None, id="none"),
        pytest.param(np.full((1, 8), np.nan, dtype=np.float32), id="no numbers"),
        pytest.param(np.array([[np.inf, 0, 0, 0, 0, 0, 0, 0]], dtype=np.float32), id="infinite"),
        pytest.param(np.zeros((1, 8), dtype=np.float32), id="no direction"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_nothing_is_kept(library, wrong):
    put = document("a", "text")
    with pytest.raises(StateConflict):
        library.put(NAME, put, wrong)
    assert library.around(NAME, put[0].document_id) == ()


@pytest.mark.parametrize("wrong", [np.ones(4, dtype=np.float32) / 2, np.full(8, np.nan, dtype=np.float32)])
def test_a_question_that_cannot_be_compared_is_refused(library, wrong):
    with pytest.raises(StateConflict):
        library.near(NAME, wrong, COMMONS, 5)


def test_a_collection_without_an_embedder_is_searched_by_words_alone(index):
    index.create("words", description="", embedder=None)
    put = document("a", "The liver.")
    index.put("words", put, None)
    assert [each.text for each, _ in index.matching("words", ["liver"], COMMONS, 5)] == ["The liver."]
    with pytest.raises(StateConflict):
        index.near("words", unit(1), COMMONS, 5)
    with pytest.raises(StateConflict):
        index.put("words", put, vectors(1))


def test_a_dropped_collection_can_be_made_again_with_another_embedder(library):
    library.put(NAME, document("a", "one", "two"), vectors(2))
    assert library.drop(NAME) == 2
    with pytest.raises(NotFound):
        library.documents(NAME, COMMONS)
    other = EmbedderInfo(model="another", dimension=4)
    library.create(NAME, description="", embedder=other)
    assert library.collections()[0].embedder == other
    assert library.documents(NAME, COMMONS) == ()
    library.put(NAME, document("a", "one"), np.array([[1, 0, 0, 0]], dtype=np.float32))
    assert library.collections()[0].passages == 1


def test_collections_do_not_see_each_other(library):
    library.create("other", description="", embedder=EMBEDDER)
    library.put(NAME, document("a", "liver"), vectors(1))
    assert library.near("other", unit(1), COMMONS, 5) == ()
    assert library.matching("other", ["liver"], COMMONS, 5) == ()
    assert library.remove("other", hexadecimal("a")) == 0
    assert len(library.documents(NAME, COMMONS)) == 1


def test_searches_go_on_while_documents_are_added_and_miss_nothing_that_was_there(library):
    library.put(NAME, document("first", "spleen"), unit(1)[None])
    stop, missed, failed = threading.Event(), [], []

    def search() -> None:
        try:
            while not stop.is_set():
                if "first.pdf" not in {each.source for each, _ in library.near(NAME, unit(1), COMMONS, 500)}:
                    missed.append("near")
                if "first.pdf" not in {each.source for each, _ in library.matching(NAME, ["spleen"], COMMONS, 500)}:
                    missed.append("matching")
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failed.append(error)

    readers = [threading.Thread(target=search) for _ in range(3)]
    for each in readers:
        each.start()
    for n in range(12):
        library.put(NAME, document(f"doc {n}", *(f"liver {n} {m}" for m in range(5))), vectors(5, n))
        library.settle(NAME)
    stop.set()
    for each in readers:
        each.join()
    assert (missed, failed) == ([], [])
    assert library.collections()[0].passages == 61


def test_two_writers_at_once_lose_nothing(library):
    def write(who: str) -> None:
        for n in range(6):
            library.put(NAME, document(f"{who} {n}", "liver one", "liver two"), vectors(2))
            library.settle(NAME)

    writers = [threading.Thread(target=write, args=(who,)) for who in ("a", "b", "c")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert (library.collections()[0].documents, library.collections()[0].passages) == (18, 36)
    assert len(library.matching(NAME, ["liver"], COMMONS, 100)) == 36
