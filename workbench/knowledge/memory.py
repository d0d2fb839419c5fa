"""The passage index in memory: the reference that the Milvus index is held against, and the one tests use.

Exact search with NumPy. What it holds ends with the process.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.domain.library import Collection, Document, EmbedderInfo, Passage, Scope, Vectors
from workbench.knowledge.admission import (
    checked_name,
    checked_query,
    checked_vectors,
    existing_collection,
    in_published_order,
    indexed_text,
    unknown_collection,
    unknown_passage,
)
from workbench.language.bm25 import idf, passage_weights, term_id
from workbench.language.terms import analyse

_NO_YEAR = np.iinfo(np.int32).min
_MOST_MASKS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class _Snapshot:
    """The passages of a collection as arrays, one row a passage, and what each term weighs in which rows."""

    passages: tuple[Passage, ...]
    vectors: Vectors | None
    owners: NDArray[np.str_]
    sources: NDArray[np.str_]
    years: NDArray[np.int32]
    whole: NDArray[np.bool_]
    postings: Mapping[int, tuple[NDArray[np.int32], NDArray[np.float32]]]
    masks: dict[Scope, NDArray[np.bool_]] = field(default_factory=dict)

    def in_scope(self, scope: Scope) -> NDArray[np.bool_]:
        mask = self.masks.get(scope)
        if mask is None:
            mask = self._in_scope(scope)
            if len(self.masks) >= _MOST_MASKS:
                self.masks.clear()
            self.masks[scope] = mask
        return mask

    def _in_scope(self, scope: Scope) -> NDArray[np.bool_]:
        mask = self.whole.copy() if scope.reads_all else self.whole & np.isin(self.owners, scope.readers)
        if scope.sources:
            mask &= np.isin(self.sources, scope.sources)
        if scope.year_from is not None or scope.year_to is not None:
            mask &= self.years != _NO_YEAR
        if scope.year_from is not None:
            mask &= self.years >= scope.year_from
        if scope.year_to is not None:
            mask &= self.years <= scope.year_to
        return np.asarray(mask)

    def best(self, scores: NDArray[np.float32], among: NDArray[np.bool_], limit: int) -> list[tuple[Passage, float]]:
        """The passages of the highest scores; equal ones in the order they were put."""
        rows = np.flatnonzero(among)
        if 0 < limit < len(rows):
            least = np.partition(scores[rows], -limit)[-limit]
            rows = rows[scores[rows] >= least]  # with those that equal the last, so that their order decides
        order = rows[np.argsort(-scores[rows], kind="stable")[: max(limit, 0)]]
        return [(self.passages[row], float(scores[row])) for row in order]


@dataclass(kw_only=True, eq=False)
class _Shelf:
    """A collection: what was put, and the arrays made of it when somebody searches."""

    name: str
    description: str
    embedder: EmbedderInfo | None
    passages: dict[str, Passage] = field(default_factory=dict)
    vectors: dict[str, Vectors] = field(default_factory=dict)
    weights: dict[str, dict[int, float]] = field(default_factory=dict)
    whole: Mapping[str, list[Passage]] | None = None
    snapshot: _Snapshot | None = None

    def changed(self) -> None:
        """Forget what was made of the passages."""
        self.whole = self.snapshot = None

    def documents(self) -> Mapping[str, list[Passage]]:
        """Passages by document, those of documents that are not all there left out."""
        if self.whole is None:
            found: dict[str, list[Passage]] = defaultdict(list)
            for each in self.passages.values():
                found[each.document_id].append(each)
            self.whole = {id_: those for id_, those in found.items() if len(those) >= those[0].total}
        return self.whole

    def arrays(self) -> _Snapshot:
        if self.snapshot is None:
            self.snapshot = self._arrays()
        return self.snapshot

    def _arrays(self) -> _Snapshot:
        passages = tuple(self.passages.values())
        whole = self.documents()
        postings: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for row, each in enumerate(passages):
            for term, weight in self.weights[each.id].items():
                rows, values = postings[term]
                rows.append(row)
                values.append(weight)
        return _Snapshot(
            passages=passages,
            vectors=np.stack([self.vectors[each.id] for each in passages]) if self.vectors else None,
            owners=np.array([each.owner for each in passages], dtype=np.str_),
            sources=np.array([each.source for each in passages], dtype=np.str_),
            years=np.array([_NO_YEAR if each.year is None else each.year for each in passages], dtype=np.int32),
            whole=np.array([each.document_id in whole for each in passages], dtype=np.bool_),
            postings={
                term: (np.array(rows, dtype=np.int32), np.array(values, dtype=np.float32))
                for term, (rows, values) in postings.items()
            },
        )


class MemoryIndex:
    """A `PassageIndex` in memory."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.RLock()

    def collections(self) -> tuple[Collection, ...]:
        """Every collection, the published guide's first, then by name."""
        with self._lock:
            return in_published_order(map(_described, self._shelves.values()))

    def create(self, name: str, *, description: str, embedder: EmbedderInfo | None) -> Collection:
        """A new, empty collection."""
        with self._lock:
            if checked_name(name) in self._shelves:
                raise existing_collection(name)
            shelf = self._shelves[name] = _Shelf(name=name, description=description, embedder=embedder)
            return _described(shelf)

    def drop(self, name: str) -> int:
        """Remove a collection; returns how many passages went with it."""
        with self._lock:
            gone = self._shelf(name)
            del self._shelves[name]
            return len(gone.passages)

    def put(self, collection: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Add passages or replace those of the same id."""
        weights = [passage_weights(analyse(indexed_text(each))) for each in passages]
        with self._lock:
            shelf = self._shelf(collection)
            rows = checked_vectors(shelf.embedder, len(passages), vectors)
            for number, each in enumerate(passages):
                shelf.passages[each.id] = each
                shelf.weights[each.id] = weights[number]
                if rows is not None:
                    shelf.vectors[each.id] = rows[number]
            shelf.changed()

    def settle(self, collection: str) -> None:
        """Nothing here outlives the process."""
        with self._lock:
            self._shelf(collection)

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document; returns how many passages went."""
        with self._lock:
            shelf = self._shelf(collection)
            gone = [each.id for each in shelf.passages.values() if each.document_id == document_id]
            for id_ in gone:
                del shelf.passages[id_], shelf.weights[id_]
                shelf.vectors.pop(id_, None)
            shelf.changed()
            return len(gone)

    def documents(self, collection: str, scope: Scope) -> tuple[Document, ...]:
        """The documents in scope, newest first."""
        with self._lock:
            shelf = self._shelf(collection)
            arrays = shelf.arrays()
            readable = {arrays.passages[row].document_id for row in np.flatnonzero(arrays.in_scope(scope))}
            found = [_document(those) for id_, those in shelf.documents().items() if id_ in readable]
        by_title = sorted(found, key=lambda each: (each.title, each.id))
        return tuple(sorted(by_title, key=lambda each: each.added, reverse=True))

    def near(self, collection: str, vector: Vectors, scope: Scope, limit: int) -> tuple[tuple[Passage, float], ...]:
        """Passages by cosine, best first."""
        with self._lock:
            shelf = self._shelf(collection)
            query = checked_query(shelf.embedder, vector)
            arrays = shelf.arrays()
        if arrays.vectors is None:
            return ()
        return tuple(arrays.best(arrays.vectors @ query, arrays.in_scope(scope), limit))

    def matching(
        self, collection: str, terms: Sequence[str], scope: Scope, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        """Passages by BM25 over analysed terms, best first; a term given twice counts once."""
        with self._lock:
            arrays = self._shelf(collection).arrays()
        scores = np.zeros(len(arrays.passages), dtype=np.float32)
        for term in dict.fromkeys(map(term_id, terms)):
            if term in arrays.postings:
                rows, weights = arrays.postings[term]
                scores[rows] += weights * np.float32(idf(len(rows), len(arrays.passages)))
        return tuple(arrays.best(scores, arrays.in_scope(scope) & (scores > 0), limit))

    def rarity(self, collection: str, terms: Sequence[str]) -> Mapping[str, float]:
        """The inverse document frequency of analysed terms, in passages."""
        with self._lock:
            arrays = self._shelf(collection).arrays()
        count = len(arrays.passages)
        return {term: idf(_held(arrays.postings, term), count) for term in terms}

    def passage(self, collection: str, passage_id: str) -> Passage:
        """One passage."""
        with self._lock:
            found = self._shelf(collection).passages.get(passage_id)
        if found is None:
            raise unknown_passage()
        return found

    def around(self, collection: str, document_id: str) -> tuple[Passage, ...]:
        """All passages of a document in their order."""
        with self._lock:
            those = [each for each in self._shelf(collection).passages.values() if each.document_id == document_id]
        return tuple(sorted(those, key=lambda each: each.ordinal))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._shelves.clear()

    def _shelf(self, name: str) -> _Shelf:
        if name not in self._shelves:
            raise unknown_collection(name)
        return self._shelves[name]


def _held(postings: Mapping[int, tuple[NDArray[np.int32], NDArray[np.float32]]], term: str) -> int:
    found = postings.get(term_id(term))
    return 0 if found is None else len(found[0])


def _described(shelf: _Shelf) -> Collection:
    whole = shelf.documents()
    return Collection(
        name=shelf.name,
        description=shelf.description,
        documents=len(whole),
        passages=sum(map(len, whole.values())),
        embedder=shelf.embedder,
    )


def _document(passages: Iterable[Passage]) -> Document:
    those = sorted(passages, key=lambda each: each.ordinal)
    first = those[0]
    return Document(
        id=first.document_id,
        collection=first.collection,
        title=first.title,
        source=first.source,
        added=first.added,
        passages=len(those),
        year=first.year,
        url=first.url,
        owner=first.owner,
        references=first.references,
        has_pages=first.page_start is not None,
    )
