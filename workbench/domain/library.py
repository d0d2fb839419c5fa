"""The library: documents, their passages, and who can find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.domain.progress import Progress

Vectors = NDArray[np.float32]
"""One row a text, each of length 1."""

COMMON = ""
"""The owner of what everybody who uses this workbench may read."""

EVERYBODY = "*"
"""In the readers of a `Scope`: whoever owns it. For the operator's own work, never for a visitor's search."""

STARTING_COLLECTIONS: Mapping[str, str] = {
    "imaging_literature": "Papers, guidelines and the starter library of this workbench.",
    "imaging_protocols": "Acquisition protocols and reading instructions of a department.",
    "imaging_notes": "Notes of a study: definitions, annotation rules, decisions.",
}
"""What a new library holds, the published guide's name first."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a document, whole sentences, as it is shown and quoted.

    `page_start` and `page_end` count the file's pages from 1; `page_label` is what is printed on the first of them,
    where the file tells. `section` is the heading it stands under. `ordinal` counts a document's passages from 0, of
    which it has `total`. `added` is ISO 8601. `references` are the sources that the document itself names.
    """

    id: str
    document_id: str
    collection: str
    title: str
    source: str
    text: str
    ordinal: int
    total: int
    added: str
    section: str = ""
    year: int | None = None
    url: str | None = None
    page_start: int | None = None
    page_end: int | None = None
    page_label: str | None = None
    owner: str = COMMON
    references: tuple[str, ...] = ()

    @property
    def pages(self) -> str | None:
        """`3`, `3-4` or the printed labels; None where the file has no pages."""
        if self.page_start is None:
            return None
        if self.page_label is not None and self.page_start == self.page_end:
            return self.page_label
        if self.page_end is None or self.page_end == self.page_start:
            return str(self.page_start)
        return f"{self.page_start}-{self.page_end}"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of a collection. `passages` counts them; `has_pages` where a page can be shown as a picture."""

    id: str
    collection: str
    title: str
    source: str
    added: str
    passages: int
    year: int | None = None
    url: str | None = None
    owner: str = COMMON
    references: tuple[str, ...] = ()
    has_pages: bool = False


@dataclass(frozen=True, kw_only=True)
class EmbedderInfo:
    """What turns text into vectors: its model id, and how many numbers a vector has."""

    model: str
    dimension: int


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A collection as it stands. `embedder` is None where only words were indexed, no vectors.

    `needs_reindex` says why its vectors cannot be searched with the embedder at hand, None where they can.
    """

    name: str
    description: str
    documents: int
    passages: int
    embedder: EmbedderInfo | None
    needs_reindex: str | None = None

    def misfit(self, present: EmbedderInfo | None) -> str | None:
        """Why passages embedded with `present` cannot join this collection; None where they can.

        A collection without vectors takes passages as words, whatever model there is now.
        """
        was = self.embedder
        if was is None or was == present:
            return None
        now = f"the workbench now uses {present.model}" if present else "no embedding model is there now"
        return f"The collection {self.name} was indexed with {was.model}, and {now}; the two cannot be mixed."


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which passages a search may return. `readers` are the owners whose documents may be read.

    Years are inclusive. `sources` are exact. An empty tuple of sources means any.
    """

    readers: tuple[str, ...] = (COMMON,)
    year_from: int | None = None
    year_to: int | None = None
    sources: tuple[str, ...] = ()

    @property
    def reads_all(self) -> bool:
        """Whether owners do not matter."""
        return EVERYBODY in self.readers

    def may_read(self, owner: str) -> bool:
        """Whether what is of this owner is in scope."""
        return self.reads_all or owner in self.readers


@dataclass(frozen=True, kw_only=True)
class Found:
    """A passage that a search returned.

    `score` is the fused one, 0..1, for ordering. `cosine` is -1..1, None where no vectors were compared. `keyword` is
    the BM25 score, unbounded, None where no word matched. `rerank` is a reranker's logit, never a probability.
    """

    passage: Passage
    score: float
    cosine: float | None = None
    keyword: float | None = None
    rerank: float | None = None


class Evidence(StrEnum):
    """How well the library answers a question, judged before any model is asked."""

    STRONG = "strong"
    WEAK = "weak"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What was found for a question, best first.

    With `evidence` none, `found` are the nearest passages and no evidence. `missing` are the words of the question
    that stand in none of the passages looked at. `notices` are for the person (keywords only, reranker away).
    """

    query: str
    found: tuple[Found, ...]
    evidence: Evidence
    missing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class Embedder(Protocol):
    """Turns text into vectors of length 1."""

    @property
    def info(self) -> EmbedderInfo:
        """The model and the dimension.

        Raises:
            NimUnavailable: it cannot be asked.
        """

    def queries(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of questions."""

    def passages(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of passages."""


class Reranker(Protocol):
    """Orders passages by how well they answer a question."""

    def scores(self, query: str, passages: Sequence[str], /) -> list[float]:
        """One logit a passage, in their order.

        Raises:
            NimError: it did not answer, or with something unusable.
        """


class PassageIndex(Protocol):
    """Where passages are kept and found. One writer at a time; readers any number.

    Raises `KnowledgeUnavailable` from every method where the store cannot be reached, `NotFound` for an unknown
    collection, `StateConflict` where vectors do not fit the collection.
    """

    def collections(self) -> tuple[Collection, ...]:
        """Every collection, the published guide's first, then by name."""

    def create(self, name: str, *, description: str, embedder: EmbedderInfo | None) -> Collection:
        """A new, empty collection.

        Raises:
            InvalidRequest: a name that is no identifier of letters, digits and underscores, or too long.
            StateConflict: it exists.
        """

    def drop(self, name: str) -> int:
        """Remove a collection; returns how many passages went with it."""

    def put(self, collection: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Add passages or replace those of the same id. `vectors` is None in a collection without an embedder."""

    def settle(self, collection: str) -> None:
        """Make what was put survive a power cut; called once a document."""

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document; returns how many passages went."""

    def documents(self, collection: str, scope: Scope) -> tuple[Document, ...]:
        """The documents in scope, newest first; those whose passages are not all there are left out."""

    def near(self, collection: str, vector: Vectors, scope: Scope, limit: int) -> tuple[tuple[Passage, float], ...]:
        """Passages by cosine, best first."""

    def matching(
        self, collection: str, terms: Sequence[str], scope: Scope, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        """Passages by BM25 over analysed terms, best first; those that hold none of them are not returned."""

    def rarity(self, collection: str, terms: Sequence[str]) -> Mapping[str, float]:
        """The inverse document frequency of analysed terms, in passages."""

    def passage(self, collection: str, passage_id: str) -> Passage:
        """One passage.

        Raises:
            NotFound: there is none of that id.
        """

    def around(self, collection: str, document_id: str) -> tuple[Passage, ...]:
        """All passages of a document in their order."""

    def close(self) -> None:
        """Let go of the store."""


class Ingested(StrEnum):
    """What became of one document of an ingest."""

    NEW = "new"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class IngestedDocument:
    """One document of an ingest, and why it failed, in words for a person."""

    name: str
    outcome: Ingested
    passages: int = 0
    document_id: str | None = None
    why: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What an ingest did, document by document, in the order read."""

    collection: str
    documents: tuple[IngestedDocument, ...]
    stopped: bool = False

    def count(self, outcome: Ingested) -> int:
        """How many documents ended so."""
        return sum(each.outcome is outcome for each in self.documents)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file to be read into the library: where it lies, and the name it came with, the folders it was in included."""

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class IngestProgress:
    """How far an ingest is. Files and passages to do are known once everything is unpacked and read."""

    files: int = 0
    files_done: int = 0
    documents_done: int = 0
    passages: int = 0
    passages_done: int = 0


class Ingest(Protocol):
    """Reads files into a collection."""

    @property
    def embedder(self) -> EmbedderInfo | None:
        """What the passages are embedded with; None where only words are indexed.

        Raises:
            NimUnavailable: the embedding NIM cannot be asked.
        """

    def add(
        self,
        files: Sequence[SourceFile],
        *,
        collection: str,
        owner: str,
        scratch: Path,
        progress: Progress,
        told: Callable[[IngestProgress], None],
        report: Callable[[IngestReport], None],
    ) -> None:
        """Add the documents of `files` to a collection, using the empty folder `scratch`.

        `told` is called as it goes on, `report` once, however it ends. A document that cannot be read is told in the
        report and keeps no other from being added.

        Raises:
            Cancelled: stopped; what the report calls new or replaced stays, nothing else does.
            NotFound: an unknown collection.
            StateConflict: it was indexed with another embedder.
            KnowledgeUnavailable: the store cannot be reached.
            StorageFull: the disk has no room.
            InputError: an archive that is dangerous or too large; nothing was added.
            NimError: the embedding NIM failed.
        """

    def reindex(self, collection: str, *, progress: Progress) -> int:
        """Embed a collection's passages anew with the present embedder; returns how many there are.

        Raises:
            NotFound: an unknown collection.
            StateConflict: documents are being added to it, or it is being indexed again already.
        """

    def resume(self, progress: Progress) -> None:
        """Complete what a crash cut short while a collection was indexed again; for a start."""

    def is_rebuilding(self, collection: str) -> bool:
        """Whether a collection is being indexed again, so that what is changed in it now would be lost."""


class Library(Protocol):
    """Search over collections: words and vectors together, then the reranker where there is one."""

    def retrieve(
        self,
        query: str,
        *,
        collections: Sequence[str] = (),
        scope: Scope,
        limit: int = 8,
        per_document: int = 2,
        progress: Progress,
    ) -> Retrieval:
        """The best passages; no collections named means all."""

    def rarity(self, terms: Sequence[str], collections: Sequence[str] = ()) -> Mapping[str, float]:
        """The inverse document frequency of analysed terms over those collections."""
