"""What every index of passages asks of what is put into it, told in the same words whichever it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from workbench.domain.errors import InvalidRequest, NotFound, StateConflict
from workbench.domain.library import STARTING_COLLECTIONS, Collection, EmbedderInfo, Passage, Vectors

LONGEST_NAME = 64
"""Characters of a collection's name; Milvus takes 255, a list on the page reads well up to this."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_NEAR_ONE = 0.01
"""How far a vector's length may be from 1: half precision over the wire stays within it."""


def indexed_text(passage: Passage) -> str:
    """A passage as it is embedded and indexed: its document's title in front."""
    return f"{passage.title}\n{passage.text}"


def checked_name(name: str) -> str:
    """A name that a collection may have.

    Raises:
        InvalidRequest: it is no identifier, or too long.
    """
    if len(name) <= LONGEST_NAME and _NAME.match(name):
        return name
    raise InvalidRequest(
        "This is no name for a collection.",
        hint=f"Use letters without accents, digits and underscores, a letter first, at most {LONGEST_NAME} of them.",
    )


def checked_vectors(embedder: EmbedderInfo | None, passages: int, vectors: Vectors | None) -> Vectors | None:
    """The vectors that go with so many passages, as float32.

    Raises:
        StateConflict: the collection holds no vectors, holds others, or lacks these; or they hold no numbers.
    """
    if embedder is None:
        if vectors is not None:
            raise StateConflict("This collection was made for words alone and takes no vectors.", hint=_REINDEX)
        return None
    if vectors is None:
        raise StateConflict(f"This collection needs vectors of {embedder.model}, and none came.", hint=_REINDEX)
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.shape != (passages, embedder.dimension):
        wanted, came = f"{passages} × {embedder.dimension}", " × ".join(map(str, rows.shape))
        raise StateConflict(f"This collection takes vectors of {wanted} numbers, and {came} came.", hint=_REINDEX)
    if not np.isfinite(rows).all() or (np.abs(np.linalg.norm(rows, axis=1) - 1.0) > _NEAR_ONE).any():
        raise StateConflict("The embedding model returned vectors that cannot be compared.", hint=_REINDEX)
    return rows


def checked_query(embedder: EmbedderInfo | None, vector: Vectors) -> Vectors:
    """One question's vector, flat, fit for a collection.

    Raises:
        StateConflict: the collection holds no vectors, or others.
    """
    if embedder is None:
        raise StateConflict("This collection was made for words alone; it cannot be searched by vector.", hint=_REINDEX)
    checked = checked_vectors(embedder, 1, np.asarray(vector, dtype=np.float32).reshape(1, -1))
    assert checked is not None  # noqa: S101 - there is an embedder
    return np.asarray(checked[0], dtype=np.float32)


def unknown_collection(name: str) -> NotFound:
    """The error for a collection that does not exist."""
    return NotFound(f"There is no collection named {name!r}.", hint="GET /collections lists those there are.")


def unknown_passage() -> NotFound:
    """The error for a passage that does not exist."""
    return NotFound("There is no such passage in this collection; its document may have been deleted or replaced.")


def existing_collection(name: str) -> StateConflict:
    """The error for a name that is taken."""
    return StateConflict(f"A collection named {name!r} exists.", hint="Choose another name, or add to that one.")


def in_published_order(collections: Iterable[Collection]) -> tuple[Collection, ...]:
    """The published guide's collections first, the others by name."""
    published = list(STARTING_COLLECTIONS)
    return tuple(
        sorted(
            collections,
            key=lambda each: (
                published.index(each.name) if each.name in STARTING_COLLECTIONS else len(published),
                each.name,
            ),
        )
    )


_REINDEX = "Index the collection again with the embedding model in use."
