"""The client of an embedding NIM: text in, vectors of length 1 out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np

from workbench.domain.library import EmbedderInfo, Vectors
from workbench.domain.nim import NimStatus
from workbench.nim.json_nim import JsonNim
from workbench.nim.probe import Target

BATCH = 50
"""Texts in one request, as LangChain's client sends them; NVIDIA publishes no maximum."""

ANSWER_S = 60.0
_LARGEST_REPLY = 64 << 20
_LARGEST_DIMENSION = 32_768


class EmbeddingNim:
    """An embedding NIM where `target` says, an `Embedder`. Questions and passages are told apart by `input_type`.

    `client` is `http.new_client`; `status` tells how it is.
    """

    def __init__(
        self,
        target: Target,
        *,
        client: httpx.Client,
        status: Callable[[], NimStatus],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._nim = JsonNim(target, client, kind="an embedding NIM", answer_s=answer_s, max_bytes=_LARGEST_REPLY)
        self._status = status
        self._lock = threading.Lock()
        self._dimensions: dict[str, int] = {}

    @property
    def info(self) -> EmbedderInfo:
        """The model and the dimension; the first time, a word is embedded to learn the latter.

        Raises:
            NimUnavailable: it cannot be asked.
            NimRejected, NimReplyInvalid: it does not embed a word.
        """
        model = self._nim.model
        with self._lock:
            known = self._dimensions.get(model)
        return EmbedderInfo(model=model, dimension=known or self.queries(["lung"]).shape[1])

    def status(self) -> NimStatus:
        """How it is."""
        return self._status()

    def queries(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of questions, one row each.

        Raises:
            NimUnavailable: it cannot be used.
            NimRejected: it refused the texts.
            NimReplyInvalid: it answered with something that is no vector for each of them.
        """
        return self._embed(texts, "query")

    def passages(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of passages, one row each; errors as for `queries`."""
        return self._embed(texts, "passage")

    def _embed(self, texts: Sequence[str], input_type: str) -> Vectors:
        model = self._nim.model
        if not texts:
            with self._lock:
                return np.empty((0, self._dimensions.get(model, 0)), np.float32)
        batches = [
            self._batch(texts[start : start + BATCH], input_type, model) for start in range(0, len(texts), BATCH)
        ]
        self._check_dimension(model, {each.shape[1] for each in batches})
        return np.concatenate(batches)

    def _batch(self, texts: Sequence[str], input_type: str, model: str) -> Vectors:
        # An empty text is refused by some servers and means nothing to all of them.
        body = {
            "input": [each if each.strip() else "." for each in texts],
            "input_type": input_type,
            "truncate": "END",
            "encoding_format": "float",
        }
        return self._vectors(self._nim.ask("/v1/embeddings", body, model), len(texts))

    def _vectors(self, body: Any, count: int) -> Vectors:
        """The rows of an answer in the order of the texts, each of length 1."""
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise self._nim.invalid("what it sent holds no vectors")
        if not all(isinstance(each.get("index"), int) for each in data):
            raise self._nim.invalid("its vectors do not say which text they are of")
        rows = {each.get("index"): each.get("embedding") for each in data}
        if len(data) != count or set(rows) != set(range(count)):
            raise self._nim.invalid(f"it was sent {count} texts and answered for {len(data)}, or not for each of them")
        try:
            vectors = np.array([rows[at] for at in range(count)], dtype=np.float64)
        except (TypeError, ValueError):
            raise self._nim.invalid("its vectors are not lists of numbers of one length") from None
        if vectors.ndim != 2 or not 1 <= vectors.shape[1] <= _LARGEST_DIMENSION:
            raise self._nim.invalid("its vectors are not lists of numbers of one length")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise self._nim.invalid("a vector holds no direction: numbers that are none, or only zeros")
        return np.asarray(vectors / lengths, dtype=np.float32)

    def _check_dimension(self, model: str, seen: set[int]) -> None:
        with self._lock:
            known = self._dimensions.setdefault(model, min(seen))
        if seen != {known}:
            raise self._nim.invalid(f"its vectors have {max(seen - {known})} numbers, and had {known} before")
