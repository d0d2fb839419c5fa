"""The client of an embedding NIM against its contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.contract_server import EmbedNim
from tests.contract_server.retrieval import DIMENSION, EMBED_MODEL, hashed
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.nim.embed import EmbeddingNim
from workbench.nim.http import new_client
from workbench.nim.probe import Target

READY = NimStatus(
    service=Service.EMBED, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="ready"
)


@pytest.fixture
def nim() -> Iterator[EmbedNim]:
    with EmbedNim() as server:
        yield server


def client(url: str, *, model: str = "", answer_s: float = 5.0) -> EmbeddingNim:
    target = Target(
        service=Service.EMBED,
        route=Route(first=First.OWN_NIM, stand_in=False),
        url=url,
        setting="IMAGING_NIM_EMBED_URL",
        model=model,
        model_setting="IMAGING_NIM_EMBED_MODEL",
    )
    return EmbeddingNim(target, client=new_client(), status=lambda: READY, answer_s=answer_s)


def test_each_text_has_its_vector_of_length_one_in_its_place(nim: EmbedNim) -> None:
    texts = [f"word{at} liver" for at in range(7)]
    vectors = client(nim.url).passages(texts)
    assert vectors.shape == (7, DIMENSION)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        expected = np.array(hashed(text))
        assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_questions_and_passages_are_told_apart(nim: EmbedNim) -> None:
    asking = client(nim.url)
    asking.queries(["liver?"])
    asking.passages(["The liver."])
    sent = [each.json() for each in nim.posts()]
    assert [each["input_type"] for each in sent] == ["query", "passage"]
    assert all((each["encoding_format"], each["truncate"]) == ("float", "END") for each in sent)
    assert {each["model"] for each in sent} == {EMBED_MODEL}


def test_many_texts_go_in_batches_and_come_back_in_order(nim: EmbedNim) -> None:
    texts = [f"word{at}" for at in range(123)]
    asking = client(nim.url)
    vectors = asking.passages(texts)
    assert [len(each.json()["input"]) for each in nim.posts()] == [50, 50, 23]
    assert np.array_equal(vectors[120:], asking.passages(texts[120:]))


def test_no_texts_need_no_request(nim: EmbedNim) -> None:
    assert client(nim.url).passages([]).shape[0] == 0
    assert nim.posts() == []


def test_a_text_longer_than_the_model_takes_is_cut_by_the_nim_and_not_refused(nim: EmbedNim) -> None:
    assert client(nim.url).passages(["liver " * 2000]).shape == (1, DIMENSION)


def test_an_empty_text_does_not_spoil_its_batch(nim: EmbedNim) -> None:
    vectors = client(nim.url).passages(["liver", "", "  "])
    assert np.isfinite(vectors).all()


def test_model_and_dimension_are_learned_from_the_nim_once(nim: EmbedNim) -> None:
    asking = client(nim.url)
    assert (asking.info.model, asking.info.dimension) == (EMBED_MODEL, DIMENSION)
    assert (asking.info.model, asking.info.dimension) == (EMBED_MODEL, DIMENSION)
    assert len(nim.posts()) == 1


FAULTS: list[tuple[dict[str, Any], type[NimError], str, str]] = [
    ({"vectors": [[0.1, float("nan")], [1.0, 0.0]]}, NimReplyInvalid, "numbers that are none", "docker logs"),
    ({"vectors": [[0.0, 0.0], [1.0, 0.0]]}, NimReplyInvalid, "only zeros", "IMAGING_NIM_EMBED_URL"),
    ({"vectors": [[0.1], [1.0, 0.0]]}, NimReplyInvalid, "of one length", ""),
    ({"vectors": [["a", "b"], ["c", "d"]]}, NimReplyInvalid, "lists of numbers", ""),
    ({"vectors": [[], []]}, NimReplyInvalid, "of one length", ""),
    ({"vectors": [None, None]}, NimReplyInvalid, "lists of numbers|none", ""),
    ({"vectors": [[1.0, 0.0]]}, NimReplyInvalid, "was sent 2 texts and answered for 1", ""),
    ({"indices": [0, 0]}, NimReplyInvalid, "not for each of them", ""),
    ({"indices": [1, 2]}, NimReplyInvalid, "not for each of them", ""),
    ({"indices": ["0", [1]]}, NimReplyInvalid, "which text", ""),
    ({"html": True}, NimReplyInvalid, "holds no vectors", "embedding NIM"),
    ({"status": 500, "body": {"error": "CUDA error"}}, NimRejected, "500.*CUDA error", ""),
    ({"status": 400, "body": {"error": "Input length 704 exceeds 512"}}, NimRejected, "400.*Input length 704", ""),
    ({"status": 503, "body": {"detail": "loading"}}, NimUnavailable, "cannot answer now.*503", "wait"),
    ({"status": 404, "body": "404 page not found"}, NimUnavailable, "404 page not found", "IMAGING_NIM_EMBED_MODEL"),
    ({"hang": 60}, NimUnavailable, "did not answer within 1 s", ""),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{next(iter(each[0]))} {at}" for at, each in enumerate(FAULTS)])
def test_each_fault_is_an_error_in_words_and_never_a_vector(
    nim: EmbedNim, fault: tuple[dict[str, Any], type[NimError], str, str]
) -> None:
    switches, kind, words, cure = fault
    asking = client(nim.url, answer_s=1.0)
    assert asking.info.dimension == DIMENSION
    nim.switch(**switches)
    with pytest.raises(kind, match=words) as raised:
        asking.passages(["The liver.", "The spleen."])
    assert cure in (raised.value.hint or "")
    assert "spleen" not in f"{raised.value.message} {raised.value.hint}"


def test_another_dimension_than_before_is_refused(nim: EmbedNim) -> None:
    asking = client(nim.url)
    asking.queries(["liver"])
    nim.switch(dimension=384)
    with pytest.raises(NimReplyInvalid, match="have 384 numbers, and had 1024 before"):
        asking.queries(["spleen"])


def test_a_model_that_is_not_listed_is_told_with_its_setting(nim: EmbedNim) -> None:
    with pytest.raises(NimUnavailable, match="does not serve nvidia/other") as raised:
        client(nim.url, model="nvidia/other").queries(["liver"])
    assert "IMAGING_NIM_EMBED_MODEL" in (raised.value.hint or "")
