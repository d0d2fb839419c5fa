"""Finds where an embedding model's cosines say something, for models that nobody measured beforehand.

Models differ in how near they put unrelated texts: .2 for some, .8 for others. Two things are known of any library:
questions of other subjects have no answer in it, and its documents' own titles do. The lines are placed between the
two where they lie for the packaged model, which was measured. There, over texts of the NIH, the median of unrelated
questions is .22 and that of titles .79 (172 topics; .16 and .78 with a tenth of them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.domain.library import Embedder, PassageIndex, Scope
from workbench.knowledge.evidence import Lines
from workbench.knowledge.off_topic import OFF_TOPIC

_MOST_TITLES = 40
_FEWEST_TITLES = 8
_SHARES = Lines(unrelated=0.29, doubtful=0.41, close=0.67)
"""Where the lines of the packaged model lie, as shares of the way from unrelated questions to titles."""

_USUAL_WAY = 0.73
"""That way as a share of what is left up to 1, for a library too small to tell."""


def calibrated(index: PassageIndex, collection: str, embedder: Embedder, scope: Scope) -> Lines | None:
    """The lines for one collection and model; None where there is nothing in scope.

    Costs the vectors of some hundred short texts and as many searches, some seconds on a slow model: keep the result.

    Raises:
        NimError: the model does not answer.
    """
    unrelated = _nearest(index, collection, embedder, OFF_TOPIC, scope)
    if not unrelated.size:
        return None
    titles = sorted({each.title for each in index.documents(collection, scope) if each.title})
    spread = titles[:: max(1, len(titles) // _MOST_TITLES)][:_MOST_TITLES]
    related = _nearest(index, collection, embedder, spread, scope) if len(spread) >= _FEWEST_TITLES else np.empty(0)
    return lines_between(unrelated, related)


def lines_between(unrelated: NDArray[np.float64], related: NDArray[np.float64]) -> Lines:
    """The lines, from the cosines of the nearest passage to unrelated questions and to titles (or none of these)."""
    low = float(np.median(unrelated))
    # a model that tells titles from nothing leaves no way between the two
    way = max(float(np.median(related)) - low, 0.0) if related.size else (1.0 - low) * _USUAL_WAY
    return Lines(
        unrelated=low + way * _SHARES.unrelated,
        doubtful=low + way * _SHARES.doubtful,
        close=low + way * _SHARES.close,
    )


def _nearest(
    index: PassageIndex, collection: str, embedder: Embedder, texts: Sequence[str], scope: Scope
) -> NDArray[np.float64]:
    found = [index.near(collection, row[np.newaxis], scope, 1) for row in embedder.queries(texts)]
    return np.array([each[0][1] for each in found if each], dtype=np.float64)
