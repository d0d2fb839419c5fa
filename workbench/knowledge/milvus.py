"""The passage index in Milvus: embedded in the data folder, or a server that several workbenches share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import NotFound, WorkbenchError
from workbench.domain.library import Collection, Document, EmbedderInfo, Passage, Scope, Vectors
from workbench.knowledge import milvus_rows as rows
from workbench.knowledge.admission import (
    checked_name,
    checked_query,
    checked_vectors,
    existing_collection,
    in_published_order,
    indexed_text,
    unknown_passage,
)
from workbench.knowledge.milvus_gate import Gate
from workbench.knowledge.milvus_link import ANSWER_S, Link
from workbench.knowledge.milvus_shelves import Shelf, Shelves
from workbench.language.bm25 import passage_weights
from workbench.language.terms import analyse

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_BATCH = 250
"""Passages a call: some 700 kB, and a fifth of a second in which a reader may have to wait for Python's lock."""
_MOST_IN_MEMORY = 4_000
"""Passages put without a `settle` before they are moved to disk all the same, so that little has to be read again."""
_MOST_FOUND = 1_000
_MOST_HIDDEN = 200
"""Unfinished documents that are named in a filter; what more there are is dropped from what was found."""
LOOK_AGAIN_S = 3.0
_BYTES_A_NUMBER, _BYTES_A_ROW = 4, 2_000


class MilvusIndex:
    """A `PassageIndex` in Milvus. Nothing is opened before the first use; `warm` is for a background thread.

    One process owns an embedded folder. A server may be shared: what others add is found at once, and counts in lists
    and in the rarity of terms within seconds (a change that leaves the number of passages as it was, after a restart).

    Args:
        uri: a path, for Milvus Lite in this process, or a server's `http://host:port`.
        token: of a server, `user:password` or a key.
        answer_s: longest wait for a server's answer.
        look_again_s: how old the view of a server's collection may be before it is compared with the server.

    Raises:
        ConfigurationError: the address is none.
    """

    def __init__(
        self, uri: str, token: str = "", *, answer_s: float = ANSWER_S, look_again_s: float = LOOK_AGAIN_S
    ) -> None:
        self._link = Link(uri, token, answer_s=answer_s)
        self._writing = threading.RLock()
        self._shelves = Shelves(self._link, self._writing, look_again_s=look_again_s)
        self._gate = Gate()

    def opened(self) -> bool:
        """Whether the store is open; asking opens nothing."""
        return self._link.opened

    def warm(self) -> None:
        """Open the store and make every collection ready, so that the first search is as quick as the next.

        Raises:
            KnowledgeUnavailable: it cannot be reached.
        """
        self.collections()

    def collections(self) -> tuple[Collection, ...]:
        """Every collection, the published guide's first, then by name; a server's other ones are left alone."""
        found = []
        for name in self._link.call(self._names):
            with contextlib.suppress(NotFound):  # another program's, or dropped meanwhile
                found.append(self._shelves.get(name).described())
        return in_published_order(found)

    def create(self, name: str, *, description: str, embedder: EmbedderInfo | None) -> Collection:
        """A new, empty collection."""
        checked_name(name)
        about = rows.About(description=description, embedder=embedder)

        def make(client: MilvusClient) -> None:
            # Lite keeps a collection as a folder of its name, and some file systems take A for a.
            if name.lower() in map(str.lower, self._names(client)):
                raise existing_collection(name)
            client.create_collection(
                name,
                schema=rows.schema(client, about),
                properties=about.properties(),
                consistency_level="Strong",
                timeout=self._link.answer_s,
            )

        with self._writing:
            self._link.call(make, twice=False)
            return self._shelves.get(name).described()

    def drop(self, name: str) -> int:
        """Remove a collection; returns how many passages went with it."""
        with self._writing:
            gone = len(self._shelves.get(name).register)
            self._shelves.forget(name)
            with self._gate.moving():
                self._shelves.ask(name, lambda client: client.drop_collection(name, timeout=self._link.answer_s))
        return gone

    def put(self, collection: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Add passages or replace those of the same id. What was acknowledged survives the end of this process."""
        checked = checked_vectors(self._shelves.get(collection).about.embedder, len(passages), vectors)
        weights = [passage_weights(analyse(indexed_text(each))) for each in passages]
        # Of two with the same id in one call the last counts: a server would keep both.
        numbers = list({each.id: number for number, each in enumerate(passages)}.values())
        with self._writing:
            shelf = self._shelves.get(collection)
            shelf.register.expect(passages)
            for start in range(0, len(numbers), _BATCH):
                batch = numbers[start : start + _BATCH]
                made = [rows.row(passages[n], weights[n], None if checked is None else checked[n]) for n in batch]
                self._write(collection, made)
                for n in batch:
                    shelf.register.note(passages[n], weights[n])
                shelf.not_moved += len(batch)
                if shelf.not_moved >= _MOST_IN_MEMORY:
                    self._move(shelf)

    def settle(self, collection: str) -> None:
        """Make what was put survive a power cut: the embedded store writes through only when told.

        A server has every acknowledged passage in its log, and by default lets a collection be flushed once in ten
        seconds (`quotaAndLimits.flushRate` of milvus.yaml): it is not asked to.
        """
        with self._writing:
            shelf = self._shelves.get(collection)
            if self._link.embedded:
                self._move(shelf)

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document; returns how many passages went."""
        with self._writing:
            shelf = self._shelves.get(collection)
            gone = [each["id"] for each in self._rows_of(shelf, document_id, ["id"])]
            if gone:
                with self._forgetting_unless_done(collection):
                    self._shelves.ask(
                        collection, lambda client: client.delete(collection, ids=gone, timeout=self._link.answer_s)
                    )
            shelf.register.forget(document_id)
        return len(gone)

    def documents(self, collection: str, scope: Scope) -> tuple[Document, ...]:
        """The documents in scope, newest first; those whose passages are not all there are left out."""
        return self._shelves.get(collection).register.documents(scope)

    def near(self, collection: str, vector: Vectors, scope: Scope, limit: int) -> tuple[tuple[Passage, float], ...]:
        """Passages by cosine, best first."""
        shelf = self._shelves.get(collection)
        return self._search(shelf, rows.VECTOR, checked_query(shelf.about.embedder, vector), scope, limit)

    def matching(
        self, collection: str, terms: Sequence[str], scope: Scope, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        """Passages by BM25 over analysed terms, best first; a term given twice counts once."""
        shelf = self._shelves.get(collection)
        if not self._link.embedded:
            query = shelf.register.query(terms)
            return self._search(shelf, rows.WEIGHTS, query, scope, limit) if query else ()
        best = shelf.register.best(terms, scope, limit)
        held = {each["id"]: each for each in self._fetch(collection, [id_ for id_, _ in best], list(rows.FIELDS))}
        return tuple((rows.passage(collection, held[id_]), score) for id_, score in best if id_ in held)

    def rarity(self, collection: str, terms: Sequence[str]) -> Mapping[str, float]:
        """The inverse document frequency of analysed terms, in passages."""
        return self._shelves.get(collection).register.rarity(terms)

    def passage(self, collection: str, passage_id: str) -> Passage:
        """One passage."""
        self._shelves.get(collection)
        for each in self._fetch(collection, [passage_id], list(rows.FIELDS)):
            return rows.passage(collection, each)
        raise unknown_passage()

    def around(self, collection: str, document_id: str) -> tuple[Passage, ...]:
        """All passages of a document in their order."""
        found = self._rows_of(self._shelves.get(collection), document_id, list(rows.FIELDS))
        return tuple(sorted((rows.passage(collection, each) for each in found), key=lambda each: each.ordinal))

    def close(self) -> None:
        """Let go of the store: its threads end, and another process may open it."""
        # Lite finishes what it was asked; a server that hangs is not waited for.
        with self._writing, self._gate.moving() if self._link.embedded else contextlib.nullcontext():
            self._link.close()
            self._shelves.clear()

    def _names(self, client: MilvusClient) -> list[str]:
        return list(client.list_collections(timeout=self._link.answer_s))

    def _search(
        self, shelf: Shelf, field_name: str, query: Any, scope: Scope, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        if limit < 1 or not scope.readers:
            return ()
        hidden = shelf.register.unfinished()
        with self._gate.reading():
            (hits,) = self._shelves.ask(
                shelf.name,
                lambda client: client.search(
                    shelf.name,
                    data=[query],
                    anns_field=field_name,
                    limit=min(limit, _MOST_FOUND),
                    filter=rows.in_scope(scope, hidden[:_MOST_HIDDEN]),
                    output_fields=list(rows.FIELDS),
                    search_params={"metric_type": "IP"},
                    timeout=self._link.answer_s,
                ),
            )
        found = ((rows.passage(shelf.name, {**hit["entity"], "id": hit["id"]}), hit["distance"]) for hit in hits)
        unfinished = frozenset(hidden[_MOST_HIDDEN:])
        return tuple((each, float(score)) for each, score in found if each.document_id not in unfinished)

    def _rows_of(self, shelf: Shelf, document_id: str, fields: list[str]) -> list[dict[str, Any]]:
        """A document's rows. Lite goes through every row for a filter, and finds keys at once: its are known here."""
        if self._link.embedded:
            return self._fetch(shelf.name, shelf.register.passages(document_id), fields)
        return self._shelves.query(shelf.name, rows.any_of("document_id", [document_id]), fields)

    def _fetch(self, collection: str, ids: Iterable[str], fields: list[str]) -> list[dict[str, Any]]:
        wanted = list(ids)
        if not wanted:
            return []
        with self._gate.reading():
            found = self._shelves.query(collection, rows.any_of("id", wanted), ["id", *fields])
        known = set(wanted)  # Lite reads keys out of the filter by itself, and not with all of its grammar
        return [each for each in found if each["id"] in known]

    def _write(self, collection: str, made: list[dict[str, Any]]) -> None:
        size = sum(len(each["text"]) * 3 + len(each[rows.VECTOR]) * _BYTES_A_NUMBER + _BYTES_A_ROW for each in made)
        with self._forgetting_unless_done(collection):
            self._link.require_room(size)
            # Never `insert`: with an existing key Lite replaces the row, and a server keeps both.
            self._shelves.ask(
                collection, lambda client: client.upsert(collection, data=made, timeout=self._link.answer_s)
            )

    def _move(self, shelf: Shelf) -> None:
        """Have the embedded store write what it holds in memory."""
        with self._gate.moving(), self._forgetting_unless_done(shelf.name):
            self._shelves.ask(shelf.name, lambda client: client.flush(shelf.name, timeout=self._link.answer_s))
        shelf.not_moved = 0

    @contextlib.contextmanager
    def _forgetting_unless_done(self, collection: str) -> Iterator[None]:
        """After a write that failed nobody knows how much of it was done: look at the collection again."""
        try:
            yield
        except WorkbenchError:
            self._shelves.forget(collection)
            raise
