"""The packaged embedding model gives the published model's vectors, whatever else is in the batch."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest

from workbench.domain.errors import NimUnavailable
from workbench.knowledge.minilm import INFO, MiniLm, packaged_embedder, why_absent

TEXTS = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]


def test_it_agrees_with_the_published_model(minilm: MiniLm) -> None:
    """The example of the sentence-transformers model card: .695, .943, .257 in full precision."""
    cosines = minilm.queries(["That is a happy person"]) @ minilm.passages(TEXTS).T
    assert cosines[0] == pytest.approx([0.695, 0.943, 0.257], abs=0.02)


def test_vectors_have_length_one_and_a_row_for_each_text_in_order(minilm: MiniLm) -> None:
    texts = ["spleen " * 400, "", "liver", "a b c " * 30, "liver"]
    vectors = minilm.passages(texts)
    assert vectors.shape == (5, INFO.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert vectors[2] @ vectors[4] == pytest.approx(1.0, abs=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others(minilm: MiniLm) -> None:
    """8-bit activations are scaled over the whole batch, so a little may change; an order of passages must not."""
    texts = [*TEXTS, "Hounsfield units of the liver in the portal venous phase.", "kidney " * 200]
    alone = np.concatenate([minilm.passages([each]) for each in texts])
    assert np.sum(alone * minilm.passages(texts), axis=1) == pytest.approx(np.ones(5), abs=0.01)


def test_nothing_beyond_256_tokens_is_read(minilm: MiniLm) -> None:
    one, other = minilm.passages(["liver " * 254 + "spleen " * 50, "liver " * 254 + "kidney " * 50])
    assert one == pytest.approx(other, abs=1e-6)


def test_no_texts_give_no_rows(minilm: MiniLm) -> None:
    assert minilm.passages([]).shape == (0, INFO.dimension)


def test_odd_characters_are_read(minilm: MiniLm) -> None:
    assert np.isfinite(minilm.queries(["\x00 \ufffd 肝臓の体積 \U0001f600 ½ µ"])).all()


def test_other_weights_are_refused_in_plain_words(tmp_path) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"other weights")
    with pytest.raises(NimUnavailable, match="not the file this workbench was tested with") as refused:
        MiniLm(model=other).queries(["liver"])
    assert str(tmp_path) not in f"{refused.value.message} {refused.value.hint}"


def test_missing_weights_are_told_in_plain_words(tmp_path) -> None:
    with pytest.raises(NimUnavailable, match="not installed completely") as refused:
        MiniLm(model=tmp_path / "gone.onnx").queries(["liver"])
    assert str(tmp_path) not in f"{refused.value.message} {refused.value.hint}"


def test_what_it_is_is_known_before_it_is_loaded(tmp_path) -> None:
    assert MiniLm(model=tmp_path / "gone.onnx").info == INFO


def test_the_package_is_there_and_says_so() -> None:
    assert why_absent() is None
    assert packaged_embedder() is not None


def test_it_works_without_a_network(minilm: MiniLm, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    assert MiniLm(threads=1).queries(["liver"]).shape == (1, INFO.dimension)


def test_many_threads_load_it_once_and_agree(minilm: MiniLm) -> None:
    shared = MiniLm(threads=1)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(shared.queries(["the liver"]))) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 6
    assert all(np.array_equal(each, found[0]) for each in found)
