"""Passages as a search returns them, for tests that need no index."""

from __future__ import annotations

import hashlib
from typing import Any

from workbench.domain.library import Found, Passage


def passage(text: str, *, title: str = "A title", **more: Any) -> Passage:
    """A passage of a document of its own."""
    name = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:32]
    given: dict[str, Any] = {
        "id": name,
        "document_id": hashlib.sha256(title.encode()).hexdigest()[:32],
        "collection": "imaging_literature",
        "title": title,
        "source": f"{title}.md",
        "text": text,
        "ordinal": 0,
        "total": 1,
        "added": "2026-01-15T12:03:00Z",
    }
    return Passage(**{**given, **more})


def found(text: str, *, score: float = 0.8, **more: Any) -> Found:
    """A passage with a score."""
    return Found(passage=passage(text, **more), score=score, cosine=score, keyword=10.0 * score)
