"""Keyword weights: BM25 with the length of an average passage held constant, so that a passage's weights never change.

A passage carries its weights and a question the rarity of its terms; their inner product is the BM25 score. Any
store of sparse vectors can therefore rank, and adding a passage touches no other.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable

K1 = 1.2
B = 0.75
"""Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), their usual values."""

USUAL_TERMS = 80.0
"""Terms of a usual passage (120 words without stop words). Measured: the true mean orders no better."""


def term_id(term: str) -> int:
    """A term as a dimension of a sparse vector: CRC-32, the same in every process and on every machine."""
    return zlib.crc32(term.encode())


def passage_weights(terms: Iterable[str]) -> dict[int, float]:
    """What each distinct term of a passage weighs, by `term_id`; empty for a passage without terms."""
    counts = Counter(terms)
    norm = K1 * (1 - B + B * counts.total() / USUAL_TERMS)
    return {term_id(term): count * (K1 + 1) / (count + norm) for term, count in counts.items()}


def idf(df: int, n: int) -> float:
    """Rarity of a term that stands in `df` of `n` passages: ln(1 + (n - df + 0.5) / (df + 0.5)), never negative."""
    return math.log1p((max(n, df) - df + 0.5) / (df + 0.5))
