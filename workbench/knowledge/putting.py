"""Puts documents that were read into a collection: nothing twice, the new before the old goes, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from workbench.cases.originals import Originals
from workbench.domain.errors import WorkbenchError
from workbench.domain.library import (
    COMMON,
    Document,
    Ingested,
    IngestedDocument,
    IngestProgress,
    Passage,
    PassageIndex,
    Scope,
)
from workbench.domain.progress import Progress
from workbench.knowledge.admission import indexed_text
from workbench.knowledge.claims import Claims
from workbench.knowledge.documents.spool import Spooled
from workbench.knowledge.editions import Editions
from workbench.knowledge.embedding import EmbedPassages

_BATCH = 64
"""Passages embedded and put at once: some second of work, after which a Cancel is heard and progress told."""
_SETTLE_EVERY_S = 5.0


@dataclass(eq=False)
class _Coming:
    """A document on its way in. `was_there` where the same text is kept already and only what is told of it changes."""

    document: Spooled
    earlier: Document | None
    was_there: bool
    claims: tuple[Hashable, ...]
    put: int = 0


class Putting:
    """One ingest's way into one collection. `outcomes` are told by the `id()` of the spooled document."""

    def __init__(
        self,
        *,
        index: PassageIndex,
        embed: EmbedPassages | None,
        originals: Originals,
        claims: Claims,
        collection: str,
        owner: str,
        added: str,
        documents: Sequence[Spooled],
        counts: IngestProgress,
        told: Callable[[IngestProgress], None],
    ) -> None:
        self.outcomes: dict[int, IngestedDocument] = {}
        self._index = index
        self._embed = embed
        self._originals = originals
        self._claims = claims
        self._collection = collection
        self._owner = owner
        self._added = added
        self._documents = documents
        self._told = told
        self._counts = replace(counts, passages=sum(each.count for each in documents))
        self._editions = Editions(documents, self._texts_of)
        self._known: dict[str, Document] = {}
        self._seen: set[str] = set()
        self._pending: list[tuple[Passage, _Coming]] = []
        self._coming: list[_Coming] = []
        self._unsettled_since: float | None = None

    def run(self, progress: Progress) -> None:
        """Put every document; what was begun and not finished is taken back if this is stopped."""
        try:
            self._look()
            later = [each for each in self._documents if not self._take(each, progress)]
            self._flush(progress)
            for each in later:
                # Holding nothing while waiting: two ingests never wait for each other.
                self._claims.wait(self._keys(each), self, progress)
                self._look()
                self._begin(each, progress)
                self._flush(progress)
            self._settle()
        except BaseException:  # a cancelled ingest must take back what it began too
            # Where the store is away or full too, what is half there is left out of every search.
            with suppress(WorkbenchError):
                self._take_back()
                self._settle()
            raise
        finally:
            self._claims.leave_all(self)

    def _take(self, document: Spooled, progress: Progress) -> bool:
        """Begin with a document, unless another ingest works on it."""
        progress.stage("comparing with what is there")
        if document.id in self._seen:
            self._end(document, Ingested.UNCHANGED, notes=("It is there twice in what was added.",))
            return True
        self._seen.add(document.id)
        if not self._claims.take(self._keys(document), self):
            return False
        self._begin(document, progress)
        return True

    def _begin(self, document: Spooled, progress: Progress) -> None:
        """Decide what becomes of a document whose claims are held, and queue its passages."""
        keys = self._keys(document)
        kept = self._known.get(document.id)
        earlier = self._editions.earlier(document)
        if kept is None and self._owner != COMMON and document.common_id in self._known:
            self._claims.leave(keys, self)
            self._end(document, Ingested.UNCHANGED, notes=("The library holds this text for everybody already.",))
            return
        coming = _Coming(document=document, earlier=earlier, was_there=kept is not None, claims=keys)
        self._coming.append(coming)
        if document.original is not None and self._originals.find(document.id) is None:
            self._originals.keep(document.id, document.original)
        if kept is not None and not self._tells_otherwise(document, kept):
            self._finish(coming, Ingested.UNCHANGED)
            return
        if kept is not None and kept.passages != document.count:
            self._index.remove(self._collection, document.id)  # cut in another way, by an older version of this program
        for passage in self._passages(document):
            self._pending.append((passage, coming))
            if len(self._pending) >= _BATCH:
                self._flush(progress)

    def _passages(self, document: Spooled) -> Iterator[Passage]:
        for ordinal, (id_, chunk) in enumerate(each for group in document.passages() for each in group):
            yield Passage(
                id=id_,
                document_id=document.id,
                collection=self._collection,
                title=document.title,
                source=document.source,
                text=chunk.text,
                ordinal=ordinal,
                total=document.count,
                added=self._added,
                section=chunk.section,
                year=document.year,
                url=document.url,
                page_start=chunk.page_start,
                page_end=chunk.page_end,
                page_label=chunk.label,
                owner=self._owner,
                references=document.references,
            )

    def _flush(self, progress: Progress) -> None:
        """Embed and put what is pending; finish the documents whose last passage was among it."""
        if not self._pending:
            return
        shown = _Steady(progress, self._counts)
        shown.stage("")
        passages = [passage for passage, _ in self._pending]
        vectors = None
        if self._embed is not None:
            vectors = self._embed([indexed_text(each) for each in passages], progress=shown)
        self._index.put(self._collection, passages, vectors)
        self._unsettled_since = self._unsettled_since or time.monotonic()
        whole = []
        for _, coming in self._pending:
            coming.put += 1
            if coming.put == coming.document.count:
                whole.append(coming)
        self._count(passages=len(self._pending))
        self._pending.clear()
        for coming in whole:
            replaced = coming.was_there or coming.earlier is not None
            self._finish(coming, Ingested.REPLACED if replaced else Ingested.NEW)
        if time.monotonic() - self._unsettled_since > _SETTLE_EVERY_S:
            self._settle()
        shown = _Steady(progress, self._counts)
        shown.stage("")

    def _finish(self, coming: _Coming, outcome: Ingested) -> None:
        """The document is there as a whole; its earlier edition goes."""
        self._coming.remove(coming)
        if coming.earlier is not None:
            self._index.remove(self._collection, coming.earlier.id)
            self._drop_original(coming.earlier.id)
            outcome = Ingested.REPLACED
        self._claims.leave(coming.claims, self)
        self._end(coming.document, outcome)

    def _end(self, document: Spooled, outcome: Ingested, notes: tuple[str, ...] = ()) -> None:
        self.outcomes[id(document)] = IngestedDocument(
            name=document.name,
            outcome=outcome,
            passages=document.count,
            document_id=document.id,
            notes=(*document.notes, *notes),
        )
        skipped = document.count if outcome is Ingested.UNCHANGED else 0
        self._count(documents=1, passages=skipped)

    def _take_back(self) -> None:
        """Nothing of a document that did not arrive whole stays, and nothing of one that was there goes."""
        for each in self._coming:
            if not each.was_there:
                self._index.remove(self._collection, each.document.id)
                self._drop_original(each.document.id)

    def _settle(self) -> None:
        if self._unsettled_since is not None:
            self._index.settle(self._collection)
            self._unsettled_since = None

    def _look(self) -> None:
        """What this owner and everybody have in the collection now."""
        found = self._index.documents(self._collection, Scope(readers=(COMMON, self._owner)))
        self._known = {each.id: each for each in found}
        self._editions.look_at(each for each in found if each.owner == self._owner)

    def _tells_otherwise(self, document: Spooled, kept: Document) -> bool:
        """Whether the same file tells another title, year, address or sources of the same text than before."""
        if document.source != kept.source:
            return False
        told = (document.title, document.year, document.url, document.references)
        return told != (kept.title, kept.year, kept.url, kept.references)

    def _drop_original(self, document_id: str) -> None:
        """Erase the PDF of a document that went, unless another collection holds the document too."""
        if self._originals.find(document_id) is None:
            return
        if not any(self._index.around(each.name, document_id) for each in self._index.collections()):
            self._originals.drop(document_id)

    def _texts_of(self, document_id: str) -> list[str]:
        return [each.text for each in self._index.around(self._collection, document_id)]

    def _keys(self, document: Spooled) -> tuple[Hashable, ...]:
        mine = (self._collection, self._owner)
        told = (document.source, document.title, document.url) if document.record else document.source
        return (*mine, "text", document.id), (*mine, "source", told)

    def _count(self, *, documents: int = 0, passages: int = 0) -> None:
        self._counts = replace(
            self._counts,
            documents_done=self._counts.documents_done + documents,
            passages_done=self._counts.passages_done + passages,
        )
        self._told(self._counts)


class _Steady:
    """Progress that tells how far the whole ingest is, whatever its parts tell of themselves."""

    def __init__(self, progress: Progress, counts: IngestProgress) -> None:
        self._progress = progress
        done, total = counts.passages_done, max(counts.passages, 1)
        self._name = f"indexing passage {done:,} of {total:,}"
        self._fraction = done / total

    def stage(self, name: str, fraction: float | None = None) -> None:
        """Raises `Cancelled` once the person stopped the ingest."""
        self._progress.stage(self._name, self._fraction)
