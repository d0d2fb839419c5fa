"""What Milvus Lite and pymilvus get wrong, one test each, so that a new version of them is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.knowledge.milvus_made import EMBEDDER, NAME, document, passage, unit, vectors
from tests.knowledge.milvus_server import milvus_server
from workbench.domain.errors import InvalidRequest, KnowledgeUnavailable
from workbench.domain.library import Scope
from workbench.knowledge import milvus_rows as rows
from workbench.knowledge.milvus import MilvusIndex
from workbench.language.terms import analyse

ROOT = Path(__file__).resolve().parents[2]
EVERYBODY = Scope()


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "library" / "milvus.db")


@pytest.fixture
def library(folder):
    index = MilvusIndex(folder)
    index.create(NAME, description="Papers", embedder=EMBEDDER)
    yield index
    index.close()


def run(code: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter; warnings are errors there as well."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in ("http_proxy", "grpc_proxy")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_keyword_scores_are_positive_and_the_same_embedded_and_over_the_wire(library, tmp_path):
    texts = ["spleen spleen kidney", "spleen and liver", "kidney stones", "liver"]
    put = [passage(text, document=f"doc {n}") for n, text in enumerate(texts)]
    library.put(NAME, put, vectors(4))
    with milvus_server(tmp_path / "server") as server:
        other = MilvusIndex(server.uri)
        other.create(NAME, description="", embedder=EMBEDDER)
        other.put(NAME, put, vectors(4))
        for question in ("spleen", "kidney liver", "spleen stones"):
            here = {each.id: score for each, score in library.matching(NAME, analyse(question), EVERYBODY, 9)}
            there = {each.id: score for each, score in other.matching(NAME, analyse(question), EVERYBODY, 9)}
            assert here == pytest.approx(there, rel=1e-5)
            assert all(score > 0 for score in here.values())
        other.close()


def test_a_library_that_was_closed_is_searched_at_once_when_it_is_opened_again(library, folder):
    put = document("a", "liver one", "liver two")
    library.put(NAME, put, vectors(2))
    library.close()
    again = MilvusIndex(folder)
    assert {each.id for each, _ in again.near(NAME, unit(1), EVERYBODY, 9)} == {each.id for each in put}
    assert {each.id for each, _ in again.matching(NAME, ["liver"], EVERYBODY, 9)} == {each.id for each in put}
    assert list(again.around(NAME, put[0].document_id)) == put
    assert again.documents(NAME, EVERYBODY)[0].passages == 2
    again.close()


@given(st.text())
def test_a_literal_in_a_filter_is_read_back_as_the_text_it_was(text):
    from milvus_lite.search.filter.tokens import tokenize

    token, end = tokenize(rows.literal(text))
    assert token.value == text.encode("utf-8", "replace").decode("utf-8")
    assert end.kind.name == "EOF"


def test_lite_would_take_a_vector_of_no_numbers_and_is_not_given_one(library):
    from workbench.domain.errors import StateConflict

    with pytest.raises(StateConflict):
        library.put(NAME, document("a", "text"), np.full((1, EMBEDDER.dimension), np.nan, dtype=np.float32))
    assert library.collections()[0].passages == 0


def test_a_passage_without_terms_gets_weights_that_are_not_empty_and_match_nothing():
    made = rows.row(passage("—"), {}, unit(1))
    assert made[rows.WEIGHTS]
    assert rows.weights(made) == {}


@pytest.mark.parametrize("letter", ["a", "ß", "€", "🫀"])
def test_a_long_text_is_cut_by_bytes_and_never_within_a_character(library, letter):
    long = passage(letter * 70_000, title=letter * 3_000, source="s" * 5_000)
    library.put(NAME, [long], vectors(1))
    kept = library.passage(NAME, long.id)
    assert 65_535 - 4 < len(kept.text.encode()) <= 65_535
    assert set(kept.text) == set(kept.title) == {letter}
    assert [each.id for each, _ in library.near(NAME, unit(1), Scope(sources=("s" * 5_000,)), 3)] == [long.id]


def test_sources_that_a_document_names_are_cut_whole(library):
    many = passage("text", references=tuple(f"Reference {n}: " + "x" * 500 for n in range(300)))
    library.put(NAME, [many], vectors(1))
    kept = library.passage(NAME, many.id).references
    assert 100 < len(kept) < 300
    assert kept == many.references[: len(kept)]


def test_an_id_too_long_to_be_stored_is_refused_and_not_cut_to_somebody_elses(library):
    with pytest.raises(InvalidRequest):
        library.put(NAME, [passage("text", owner="o" * 300)], vectors(1))


def test_halves_of_characters_from_broken_files_are_stored_as_question_marks(library):
    broken = passage("a \ud800 b")
    library.put(NAME, [broken], vectors(1))
    assert library.passage(NAME, broken.id).text == "a ? b"


def test_putting_a_passage_again_leaves_one_row_in_the_store(tmp_path):
    from pymilvus import MilvusClient

    with milvus_server(tmp_path / "server") as server:
        index = MilvusIndex(server.uri)
        index.create(NAME, description="", embedder=EMBEDDER)
        for seed in range(3):
            index.put(NAME, document("a", "one", "two"), vectors(2, seed))
        client = MilvusClient(server.uri, dedicated=True)
        assert client.query(NAME, filter="", output_fields=["count(*)"])[0]["count(*)"] == 2
        client.close()
        index.close()


def test_vectors_never_come_back_with_a_passage():
    assert not {rows.VECTOR, rows.WEIGHTS} & set(rows.FIELDS)
    assert rows.FIELDS[0] == "id"


def test_a_call_that_fails_prints_and_logs_nothing(library, capfd, caplog):
    with pytest.raises(KnowledgeUnavailable):
        library._link.call(lambda client: client.query(NAME, filter="secret question ==", output_fields=["id"]))
    library.close()
    told = capfd.readouterr()
    assert (told.out, told.err, caplog.text) == ("", "", "")


TELL = "import os, sys; before = dict(os.environ)\n{what}\nsys.exit(dict(os.environ) != before)"
USE = "from workbench.knowledge.milvus import MilvusIndex\nindex = MilvusIndex('library.db')\nindex.collections()\n"


@pytest.mark.parametrize("kept", [{}, {"PYTHON_DOTENV_DISABLED": "0", "MILVUS_URI": "http://own:1"}])
def test_a_stray_env_file_does_not_get_into_the_environment(tmp_path, kept):
    (tmp_path / ".env").write_text("MILVUS_URI=http://elsewhere:1\nNVIDIA_API_KEY=nvapi-stray\n")
    done = run(TELL.format(what=USE), cwd=tmp_path, **kept)
    assert done.returncode == 0, done.stderr
    careless = run(TELL.format(what="import pymilvus"), cwd=tmp_path)
    assert careless.returncode == 1, "pymilvus no longer reads .env files: the guard may go"


def test_nothing_is_imported_and_nothing_made_before_the_library_is_used(tmp_path):
    done = run(
        "import sys\nfrom workbench.knowledge.milvus import MilvusIndex\nindex = MilvusIndex('deep/library.db')\n"
        "assert not index.opened()\nindex.close()\n"
        "print([name for name in ('pymilvus', 'milvus_lite', 'grpc', 'pandas', 'faiss') if name in sys.modules])",
        cwd=tmp_path,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["index.close()", ""], ids=["closed", "left open"])
def test_a_process_that_used_the_library_ends_at_once_and_says_nothing(tmp_path, ending):
    done = run(USE + ending, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_closing_ends_every_thread_that_serves_the_library(folder):
    before = set(threading.enumerate())
    index = MilvusIndex(folder)
    index.create(NAME, description="", embedder=EMBEDDER)
    index.put(NAME, document("a", "liver"), vectors(1))
    index.near(NAME, unit(1), EVERYBODY, 3)
    index.close()
    left = [each for each in set(threading.enumerate()) - before if not each.daemon]
    for each in left:
        each.join(timeout=5)
    assert [each.name for each in left if each.is_alive()] == []
    with pytest.raises(KnowledgeUnavailable):
        index.collections()
