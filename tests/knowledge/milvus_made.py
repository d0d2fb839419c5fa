"""Passages, documents and vectors made for the tests of an index."""

from __future__ import annotations

import hashlib

import numpy as np

from workbench.domain.library import EmbedderInfo, Passage, Vectors

NAME = "imaging_literature"
EMBEDDER = EmbedderInfo(model="made-by-hand", dimension=8)


def passage(text: str, *, document: str = "liver", ordinal: int = 0, total: int = 1, **more: object) -> Passage:
    """A passage with ids as the ingest makes them: hexadecimal, from what it holds."""
    fields: dict[str, object] = {
        "title": "Volumes of the liver",
        "source": f"{document}.pdf",
        "added": "2026-01-02T03:04:05+00:00",
        **more,
    }
    return Passage(
        id=hexadecimal(f"{document} {ordinal} {text}"),
        document_id=hexadecimal(document),
        collection=NAME,
        text=text,
        ordinal=ordinal,
        total=total,
        **fields,  # type: ignore[arg-type]
    )


def document(name: str, *texts: str, **more: object) -> list[Passage]:
    """All passages of a document."""
    return [passage(text, document=name, ordinal=number, total=len(texts), **more) for number, text in enumerate(texts)]


def hexadecimal(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def unit(*numbers: float) -> Vectors:
    """A vector of length 1 in the direction of these numbers, the rest zero."""
    made = np.zeros(EMBEDDER.dimension, dtype=np.float32)
    made[: len(numbers)] = numbers
    return made / np.float32(np.linalg.norm(made))


def vectors(count: int, seed: int = 0) -> Vectors:
    """Random unit vectors."""
    made = np.random.default_rng(seed).normal(size=(count, EMBEDDER.dimension)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)
