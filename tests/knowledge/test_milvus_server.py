"""A Milvus server over the wire: shared, restarted, gone, hung, and behind a token."""

from __future__ import annotations

import time

import pytest

from tests.knowledge.milvus_made import EMBEDDER, NAME, document, unit, vectors
from tests.knowledge.milvus_server import MilvusServer, milvus_server
from workbench.domain.errors import ConfigurationError, KnowledgeUnavailable, NotFound, StateConflict
from workbench.domain.library import Scope
from workbench.knowledge.milvus import MilvusIndex

EVERYBODY = Scope()
QUICKLY_S = 8.0
"""Far above what it takes (0.1 s), far below the minutes that pymilvus would try by itself."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all tests: whoever stops it starts it again."""
    with milvus_server(tmp_path_factory.mktemp("server") / "milvus") as running:
        yield running


@pytest.fixture
def library(server):
    index = MilvusIndex(server.uri, look_again_s=0.0)
    index.create(NAME, description="Papers", embedder=EMBEDDER)
    index.put(NAME, document("first", "liver one", "liver two"), vectors(2))
    yield index
    if NAME in {each.name for each in index.collections()}:
        index.drop(NAME)
    index.close()


def refused(action) -> KnowledgeUnavailable:
    start = time.monotonic()
    with pytest.raises(KnowledgeUnavailable) as told:
        action()
    assert time.monotonic() - start < QUICKLY_S
    assert told.value.hint
    return told.value


def after_the_pause(action, tries: int = 40):
    """What the caller gets once the store is asked again: a failure is repeated for a moment without trying."""
    for _ in range(tries):
        try:
            return action()
        except KnowledgeUnavailable:
            time.sleep(0.1)
    return action()


def test_a_server_that_is_down_is_told_at_once_and_used_as_soon_as_it_is_up(tmp_path):
    server = MilvusServer(tmp_path / "server")
    index = MilvusIndex(server.uri)
    error = refused(index.collections)
    assert f"127.0.0.1:{server.port}" in error.message
    assert "IMAGING_MILVUS_URI" in error.hint
    assert not index.opened()
    try:
        server.start()
        assert after_the_pause(index.collections) == ()
    finally:
        server.kill()
    index.close()


def test_a_server_that_goes_away_between_two_searches_is_told_and_nothing_is_lost_when_it_is_back(library, server):
    assert len(library.near(NAME, unit(1), EVERYBODY, 5)) == 2
    server.kill()
    refused(lambda: library.near(NAME, unit(1), EVERYBODY, 5))
    refused(lambda: library.matching(NAME, ["liver"], EVERYBODY, 5))
    refused(lambda: library.put(NAME, document("second", "liver"), vectors(1)))
    server.start()
    assert len(after_the_pause(lambda: library.near(NAME, unit(1), EVERYBODY, 5))) == 2
    library.put(NAME, document("second", "liver"), vectors(1))
    assert len(library.matching(NAME, ["liver"], EVERYBODY, 5)) == 3


def test_a_server_that_was_restarted_in_between_is_not_even_noticed(library, server):
    server.kill()
    server.start()
    assert len(library.near(NAME, unit(1), EVERYBODY, 5)) == 2
    assert library.documents(NAME, EVERYBODY)[0].passages == 2


def test_a_server_that_hangs_is_given_up_after_its_time(library, server):
    index = MilvusIndex(server.uri, answer_s=1.0)
    assert len(index.near(NAME, unit(1), EVERYBODY, 5)) == 2
    server.freeze()
    try:
        assert "in time" in refused(lambda: index.near(NAME, unit(1), EVERYBODY, 5)).message
    finally:
        server.thaw()
    assert len(after_the_pause(lambda: index.near(NAME, unit(1), EVERYBODY, 5))) == 2
    index.close()


def test_a_collection_that_somebody_released_is_loaded_again(library, server):
    from pymilvus import MilvusClient

    client = MilvusClient(server.uri, dedicated=True)
    client.release_collection(NAME)
    client.close()
    assert len(library.near(NAME, unit(1), EVERYBODY, 5)) == 2


def test_a_wrong_token_is_told_without_the_token(tmp_path):
    with milvus_server(tmp_path / "server", token="root:right") as guarded:
        good = MilvusIndex(guarded.uri, "root:right")
        good.create(NAME, description="", embedder=EMBEDDER)
        for wrong in ("root:wrong-secret", ""):
            index = MilvusIndex(guarded.uri, wrong)
            error = refused(index.collections)
            assert "token" in error.message
            assert "IMAGING_MILVUS_TOKEN" in error.hint
            assert "secret" not in error.message + error.hint
            index.close()
        assert [each.name for each in good.collections()] == [NAME]
        good.close()


def test_two_workbenches_on_one_server_see_each_others_documents(library, server):
    other = MilvusIndex(server.uri, look_again_s=0.0)
    assert other.collections() == library.collections()
    other.put(NAME, document("theirs", "spleen three"), vectors(1, 5))
    assert {each.source for each in library.documents(NAME, EVERYBODY)} == {"first.pdf", "theirs.pdf"}
    assert [each.source for each, _ in library.matching(NAME, ["spleen"], EVERYBODY, 5)] == ["theirs.pdf"]
    library.remove(NAME, document("theirs", "spleen three")[0].document_id)
    assert {each.source for each in other.documents(NAME, EVERYBODY)} == {"first.pdf"}
    other.close()


def test_a_collection_that_another_workbench_dropped_is_gone_here(library, server):
    other = MilvusIndex(server.uri)
    other.drop(NAME)
    other.close()
    with pytest.raises(NotFound):
        library.near(NAME, unit(1), EVERYBODY, 5)
    assert library.collections() == ()


def test_collections_of_other_programs_on_the_server_are_left_alone(library, server):
    from pymilvus import MilvusClient

    client = MilvusClient(server.uri, dedicated=True)
    client.create_collection("theirs", dimension=4)
    assert [each.name for each in library.collections()] == [NAME]
    for ask in (lambda: library.drop("theirs"), lambda: library.documents("theirs", EVERYBODY)):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(StateConflict):
        library.create("theirs", description="", embedder=None)
    assert client.has_collection("theirs")
    client.drop_collection("theirs")
    client.close()


def test_a_proxy_in_the_environment_is_not_asked(server, monkeypatch):
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    index = MilvusIndex(server.uri)
    assert index.collections() == ()
    index.close()


@pytest.mark.parametrize("wrong", ["ftp://host:1", "http://", "http://host:port", "://x"])
def test_an_address_that_is_none_is_told_when_it_is_set(wrong):
    with pytest.raises(ConfigurationError, match="IMAGING_MILVUS_URI"):
        MilvusIndex(wrong)


def test_a_password_in_the_address_is_never_told():
    error = refused(MilvusIndex("http://root:hunter2@127.0.0.1:1").collections)
    assert "hunter2" not in error.message + error.hint
    assert "127.0.0.1:1" in error.message
