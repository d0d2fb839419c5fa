"""How good a ranking is, and how sure one can be of it.

Definitions after Manning, Raghavan and Schütze, Introduction to Information Retrieval (Cambridge University Press,
2008), chapter 8; nDCG after Järvelin and Kekäläinen, ACM TOIS 2002;20:422-446, with binary gain; the percentile
bootstrap after Efron and Tibshirani, An Introduction to the Bootstrap (Chapman & Hall, 1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000
_SEED = 8524


@dataclass(frozen=True, kw_only=True)
class Share:
    """A mean over questions with its 95 % interval, and how many questions it is of."""

    mean: float
    low: float
    high: float
    count: int


def hit(ranked: Sequence[str], relevant: Set[str], k: int) -> float:
    """1 where one of the first `k` is relevant, else 0."""
    return float(any(each in relevant for each in ranked[:k]))


def recall(ranked: Sequence[str], relevant: Set[str], k: int) -> float:
    """The share of what is relevant that stands among the first `k`, 0..1."""
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Set[str]) -> float:
    """1 over the place of the first relevant one, counted from 1; 0 where there is none. Its mean is the MRR."""
    return next((1.0 / place for place, each in enumerate(ranked, start=1) if each in relevant), 0.0)


def ndcg(ranked: Sequence[str], relevant: Set[str], k: int) -> float:
    """Discounted gain of the first `k` over that of the best order there could be, 0..1."""
    if not relevant:
        return 0.0
    gained = sum(1.0 / np.log2(place + 1) for place, each in enumerate(ranked[:k], start=1) if each in relevant)
    best = sum(1.0 / np.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))
    return float(gained / best)


def share(values: Sequence[float]) -> Share:
    """The mean of one value a question, with a percentile bootstrap interval (2,000 draws from a fixed seed)."""
    drawn = np.asarray(values, dtype=np.float64)
    if drawn.size == 0:
        return Share(mean=float("nan"), low=float("nan"), high=float("nan"), count=0)
    low, high = np.percentile(_means(drawn), [2.5, 97.5])
    return Share(mean=float(drawn.mean()), low=float(low), high=float(high), count=int(drawn.size))


def difference(values: Sequence[float], others: Sequence[float]) -> Share:
    """The mean difference of paired values, with its interval; a gain is shown where the interval is clear of 0."""
    return share(np.subtract(values, others).tolist())


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    generator = np.random.default_rng(_SEED)
    drawn = generator.integers(0, values.size, size=(_RESAMPLES, values.size))
    means: NDArray[np.float64] = values[drawn].mean(axis=1)
    return means
