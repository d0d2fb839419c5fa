"""What this process remembers of a Milvus collection: its documents, which of them are whole, and its words."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from workbench.domain.library import Document, Passage, Scope
from workbench.knowledge.milvus_postings import Postings
from workbench.language.bm25 import idf, term_id


@dataclass(kw_only=True, eq=False)
class _Held:
    """A document as far as its passages are there. `first` are its facts, from its first passage."""

    total: int
    first: Document | None = None
    first_ordinal: int = 0
    ids: set[str] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        return self.first is not None and len(self.ids) >= self.total


class Register:
    """Kept up to date with every write of this process, and made anew from the rows when a store is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, _Held] = {}
        self._document_of: dict[str, str] = {}
        self._postings = Postings()

    def __len__(self) -> int:
        """How many passages there are, those of unfinished documents included."""
        return len(self._document_of)

    def expect(self, passages: Iterable[Passage]) -> None:
        """Passages are about to be written: until all of a document are there, it is not found."""
        with self._lock:
            for each in passages:
                self._documents.setdefault(each.document_id, _Held(total=each.total))

    def note(self, passage: Passage, weights: Mapping[int, float]) -> None:
        """A passage was written; one of the same id is replaced."""
        with self._lock:
            if (before := self._document_of.get(passage.id)) is not None:
                self._documents[before].ids.discard(passage.id)
            held = self._documents.setdefault(passage.document_id, _Held(total=passage.total))
            held.total = passage.total
            held.ids.add(passage.id)
            if held.first is None or passage.ordinal <= held.first_ordinal:
                held.first, held.first_ordinal = _facts(passage), passage.ordinal
            self._document_of[passage.id] = passage.document_id
            self._postings.put(passage.id, weights)

    def forget(self, document_id: str) -> None:
        """A document was removed."""
        with self._lock:
            held = self._documents.pop(document_id, None)
            for id_ in held.ids if held is not None else ():
                del self._document_of[id_]
                self._postings.discard(id_)

    def passages(self, document_id: str) -> tuple[str, ...]:
        """The ids of a document's passages, as far as they are there."""
        with self._lock:
            held = self._documents.get(document_id)
            return tuple(held.ids) if held is not None else ()

    def documents(self, scope: Scope) -> tuple[Document, ...]:
        """Whole documents in scope, newest first."""
        with self._lock:
            found = [
                replace(each.first, passages=len(each.ids))
                for each in self._documents.values()
                if each.first is not None and each.whole and _covers(scope, each.first)
            ]
        by_title = sorted(found, key=lambda each: (each.title, each.id))
        return tuple(sorted(by_title, key=lambda each: each.added, reverse=True))

    def counts(self) -> tuple[int, int]:
        """How many documents are whole, and how many passages they have."""
        with self._lock:
            whole = [len(each.ids) for each in self._documents.values() if each.whole]
        return len(whole), sum(whole)

    def unfinished(self) -> tuple[str, ...]:
        """The ids of documents whose passages are not all there."""
        with self._lock:
            return tuple(id_ for id_, each in self._documents.items() if not each.whole)

    def rarity(self, terms: Iterable[str]) -> dict[str, float]:
        """The inverse document frequency of analysed terms, in passages."""
        with self._lock:
            return {term: idf(self._postings.holding(term_id(term)), len(self._postings)) for term in terms}

    def query(self, terms: Iterable[str]) -> dict[int, float]:
        """The rarity of each term that some passage holds, by its id."""
        with self._lock:
            return self._query(terms)

    def best(self, terms: Iterable[str], scope: Scope, limit: int) -> list[tuple[str, float]]:
        """The passages in scope that hold the terms, best first: their ids and BM25 scores."""
        with self._lock:

            def among(passage_id: str) -> bool:
                held = self._documents[self._document_of[passage_id]]
                return held.whole and held.first is not None and _covers(scope, held.first)

            return self._postings.best(self._query(terms), among, limit)

    def _query(self, terms: Iterable[str]) -> dict[int, float]:
        held = {id_: self._postings.holding(id_) for id_ in dict.fromkeys(map(term_id, terms))}
        return {id_: idf(count, len(self._postings)) for id_, count in held.items() if count}


def _facts(passage: Passage) -> Document:
    return Document(
        id=passage.document_id,
        collection=passage.collection,
        title=passage.title,
        source=passage.source,
        added=passage.added,
        passages=0,
        year=passage.year,
        url=passage.url,
        owner=passage.owner,
        references=passage.references,
        has_pages=passage.page_start is not None,
    )


def _covers(scope: Scope, document: Document) -> bool:
    if not scope.may_read(document.owner) or (scope.sources and document.source not in scope.sources):
        return False
    if scope.year_from is None and scope.year_to is None:
        return True
    low = -(2**31) if scope.year_from is None else scope.year_from
    high = 2**31 if scope.year_to is None else scope.year_to
    return document.year is not None and low <= document.year <= high
