"""The packaged model, loaded once, and an embedder whose geometry is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from workbench.domain.library import EmbedderInfo, Vectors
from workbench.knowledge.minilm import MiniLm, why_absent
from workbench.language.terms import analyse


@pytest.fixture(scope="session")
def minilm() -> MiniLm:
    """The packaged model; its absence is a failure, because it is a dependency."""
    assert why_absent() is None
    return MiniLm(threads=2)


class ByWords:
    """An embedder in which texts are as near as the known words they share; `lift` is the cosine of unrelated texts."""

    WORDS = ("liver", "spleen", "kidney", "lung", "aorta", "bone", "volume", "dose")

    def __init__(self, model: str = "by-words", *, lift: float = 0.05) -> None:
        self.info = EmbedderInfo(model=model, dimension=len(self.WORDS) + 2)
        self._lift = lift
        self._axis = {analyse(word)[0]: number for number, word in enumerate(self.WORDS)}

    def queries(self, texts: Sequence[str], /) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def passages(self, texts: Sequence[str], /) -> Vectors:
        return self.queries(texts)

    def _vector(self, text: str) -> Vectors:
        own = np.zeros(len(self.WORDS) + 1, dtype=np.float64)
        for term in analyse(text):
            own[self._axis.get(term, -1)] += 1.0 if term in self._axis else 0.05
        own /= np.linalg.norm(own) or 1.0
        if not own.any():
            own[-1] = 1.0
        lifted = np.concatenate([[np.sqrt(self._lift)], np.sqrt(1.0 - self._lift) * own])
        return lifted.astype(np.float32)


@pytest.fixture
def by_words() -> ByWords:
    return ByWords()
