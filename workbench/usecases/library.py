"""Look into the library, and keep it: its collections, documents and passages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock

from workbench.cases.originals import Originals
from workbench.domain.case import Visitor
from workbench.domain.errors import NotAllowedHere, NotFound, StateConflict
from workbench.domain.library import (
    COMMON,
    EVERYBODY,
    STARTING_COLLECTIONS,
    Collection,
    Document,
    Ingest,
    Passage,
    PassageIndex,
    Scope,
)
from workbench.domain.progress import Silent
from workbench.domain.work import RunInWorker
from workbench.usecases.access import LOCAL

DEFAULT_COLLECTION = next(iter(STARTING_COLLECTIONS))
_PICTURES_KEPT = 24


@dataclass(frozen=True, kw_only=True)
class LibraryRules:
    """Who may change what. `for_one`: everybody who reaches this workbench is its one user (`Access.is_for_one`).

    What the one user, the API key and commands on this machine add is everybody's. What a visit adds is its own.
    """

    for_one: bool

    def keeps_for_all(self, visitor: Visitor) -> bool:
        """Whether what they add is everybody's, and theirs to delete."""
        return self.for_one or visitor.reaches_all or visitor.owner == LOCAL.owner

    def owner(self, visitor: Visitor) -> str:
        """Who owns what they add."""
        return COMMON if self.keeps_for_all(visitor) else visitor.owner

    def scope(self, visitor: Visitor) -> Scope:
        """What they may read. The API key reaches everybody's."""
        return Scope(readers=(EVERYBODY,) if visitor.reaches_all else (COMMON, visitor.owner))

    def may_delete(self, visitor: Visitor, owner: str) -> bool:
        """Whether what this owner added is theirs to delete."""
        return self.keeps_for_all(visitor) if owner == COMMON else visitor.may_reach(owner)


@dataclass(frozen=True, kw_only=True)
class PassageInPlace:
    """A passage, the ones before and after it, and its document."""

    passage: Passage
    before: Passage | None
    after: Passage | None
    document: Document


class KeepLibrary:
    """The library, for whoever asks."""

    def __init__(
        self,
        *,
        index: PassageIndex,
        ingest: Ingest,
        originals: Originals,
        draw_page: Callable[..., bytes],
        run_in_worker: RunInWorker,
        rules: LibraryRules,
    ) -> None:
        """`draw_page(path, page, progress=)` gives a page of a PDF as PNG; it runs in a worker."""
        self.rules = rules
        self._index = index
        self._ingest = ingest
        self._originals = originals
        self._draw_page = draw_page
        self._run_in_worker = run_in_worker
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = Lock()

    def collections(self, visitor: Visitor) -> tuple[Collection, ...]:
        """Every collection, with the documents that the visitor may read counted."""
        return tuple(self._seen_by(visitor, each) for each in self._index.collections())

    def collection(self, visitor: Visitor, name: str) -> Collection:
        """One collection.

        Raises:
            NotFound: there is none of that name.
        """
        return self._seen_by(visitor, self._kept(name))

    def passage_counts(self) -> Mapping[str, int]:
        """How many passages each collection holds, whoever owns them; for `/health`."""
        return {each.name: each.passages for each in self._index.collections()}

    def create(self, name: str, *, description: str = "") -> Collection:
        """A new, empty collection for the embedder in use.

        Raises:
            InvalidRequest: a name that none may have.
            StateConflict: it exists.
        """
        told = description or STARTING_COLLECTIONS.get(name, "")
        return self._index.create(name, description=told, embedder=self._ingest.embedder)

    def drop(self, visitor: Visitor, name: str) -> int:
        """Delete a collection with everybody's documents; returns how many passages went.

        Raises:
            NotFound: there is none of that name.
            NotAllowedHere: it is not theirs to delete.
            StateConflict: it is being indexed again.
        """
        if not self.rules.keeps_for_all(visitor):
            raise NotAllowedHere(
                "A collection holds documents of everybody, and only who runs this workbench may delete it.",
                hint="Delete your own documents instead.",
            )
        self._refuse_while_rebuilding(name)
        held = self._index.documents(name, Scope(readers=(EVERYBODY,)))
        gone = self._index.drop(name)
        for each in held:
            self._drop_original(each.id)
        return gone

    def documents(self, visitor: Visitor, collection: str | None = None) -> tuple[Document, ...]:
        """The documents that the visitor may read, newest first; without a collection, those of all."""
        scope = self.rules.scope(visitor)
        names = [collection] if collection else [each.name for each in self._index.collections()]
        return tuple(self._with_pages(each) for name in names for each in self._index.documents(name, scope))

    def delete_document(self, visitor: Visitor, document_id: str, collection: str | None = None) -> int:
        """Delete a document, from every collection unless one is named; returns how many passages went.

        Raises:
            NotFound: unknown, or somebody else's.
            NotAllowedHere: it is everybody's, and not theirs to delete.
            StateConflict: a collection that holds it is being indexed again.
        """
        held = [each for each in self.documents(visitor, collection) if each.id == document_id]
        if not held:
            raise _no_document()
        if not all(self.rules.may_delete(visitor, each.owner) for each in held):
            raise NotAllowedHere(
                "This document belongs to everybody, and only who runs this workbench may delete it.",
                hint="Ask who runs it.",
            )
        for each in held:
            self._refuse_while_rebuilding(each.collection)
        gone = 0
        for each in held:
            gone += self._index.remove(each.collection, document_id)
            self._index.settle(each.collection)
        self._drop_original(document_id)
        return gone

    def passage(self, visitor: Visitor, passage_id: str, collection: str | None = None) -> PassageInPlace:
        """A passage with its neighbours; for a link to it.

        Raises:
            NotFound: unknown, or of somebody else's document.
        """
        names = [collection] if collection else [each.name for each in self._index.collections()]
        found = next(filter(None, (self._find(name, passage_id) for name in names)), None)
        if found is None or not self.rules.scope(visitor).may_read(found.owner):
            raise NotFound(
                "There is no such passage.",
                hint="Its document may have been deleted or replaced since the link was made.",
            )
        row = self._index.around(found.collection, found.document_id)
        at = next((number for number, each in enumerate(row) if each.id == found.id), 0)
        document = Document(
            id=found.document_id,
            collection=found.collection,
            title=found.title,
            source=found.source,
            added=found.added,
            passages=len(row),
            year=found.year,
            url=found.url,
            owner=found.owner,
            references=found.references,
            has_pages=found.page_start is not None,
        )
        return PassageInPlace(
            passage=found,
            before=row[at - 1] if at > 0 else None,
            after=row[at + 1] if at + 1 < len(row) else None,
            document=self._with_pages(document),
        )

    def page_picture(self, visitor: Visitor, document_id: str, page: int) -> bytes:
        """A page of a document, counted from 1, as PNG.

        Raises:
            NotFound: unknown, somebody else's, not a PDF, or without such a page.
        """
        if not any(each.id == document_id for each in self.documents(visitor)):
            raise _no_document()
        path = self._originals.find(document_id)
        if path is None:
            raise NotFound("The pages of this document are not kept.", hint="Add its PDF again to see them.")
        with self._lock:
            held = self._pictures.get((document_id, page))
        if held is None:
            held = self._run_in_worker(self._draw_page, path, page, progress=Silent())
        with self._lock:
            self._pictures[document_id, page] = held
            self._pictures.move_to_end((document_id, page))
            while len(self._pictures) > _PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return held

    def _kept(self, name: str) -> Collection:
        found = next((each for each in self._index.collections() if each.name == name), None)
        if found is None:
            raise NotFound(f"There is no collection named {name!r}.", hint="GET /collections lists those there are.")
        return found

    def _seen_by(self, visitor: Visitor, kept: Collection) -> Collection:
        documents, passages = kept.documents, kept.passages
        if not self.rules.for_one and not visitor.reaches_all:
            readable = self._index.documents(kept.name, self.rules.scope(visitor))
            documents, passages = len(readable), sum(each.passages for each in readable)
        why = kept.needs_reindex or kept.misfit(self._ingest.embedder)
        return replace(kept, documents=documents, passages=passages, needs_reindex=why)

    def _find(self, collection: str, passage_id: str) -> Passage | None:
        try:
            return self._index.passage(collection, passage_id)
        except NotFound:
            return None

    def _with_pages(self, document: Document) -> Document:
        """With what is known here of its pages: the index knows only that it had some."""
        if not document.has_pages:
            return document
        return replace(document, has_pages=self._originals.find(document.id) is not None)

    def _drop_original(self, document_id: str) -> None:
        """Erase a document's PDF unless a collection still holds the document."""
        if self._originals.find(document_id) is None:
            return
        if not any(self._index.around(each.name, document_id) for each in self._index.collections()):
            self._originals.drop(document_id)
            with self._lock:
                for key in [each for each in self._pictures if each[0] == document_id]:
                    del self._pictures[key]

    def _refuse_while_rebuilding(self, collection: str) -> None:
        if self._ingest.is_rebuilding(collection):
            raise StateConflict(
                f"The collection {collection} is being indexed again.", hint="Delete from it when that is done."
            )


def _no_document() -> NotFound:
    return NotFound("There is no such document.", hint="It may have been deleted, or belong to another visit.")
