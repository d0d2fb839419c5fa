"""Files into passages into the index: read in a worker process, embedded out of the page's way, put in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.cases.originals import Originals
from workbench.domain.clock import Clock
from workbench.domain.errors import InputError, StateConflict, WorkbenchError
from workbench.domain.library import (
    Collection,
    EmbedderInfo,
    Ingested,
    IngestedDocument,
    IngestProgress,
    IngestReport,
    PassageIndex,
    SourceFile,
)
from workbench.domain.progress import Progress
from workbench.domain.work import RunInWorker
from workbench.knowledge.admission import unknown_collection
from workbench.knowledge.claims import Claims
from workbench.knowledge.documents.nouns import DocumentLimits, Unread, UnreadableDocument
from workbench.knowledge.documents.spool import Spooled, read_to_spool
from workbench.knowledge.documents.unpack import unpack
from workbench.knowledge.embedding import EmbedPassages
from workbench.knowledge.in_use import InUse
from workbench.knowledge.putting import Putting
from workbench.knowledge.rebuild import Rebuild


class IngestDocuments:
    """The `Ingest` of this workbench."""

    def __init__(
        self,
        *,
        index: PassageIndex,
        run_in_worker: RunInWorker,
        embed: EmbedPassages | None,
        originals: Originals,
        rebuilds: Path,
        clock: Clock,
        limits: DocumentLimits,
    ) -> None:
        """`embed` is None where there is no embedding model, and only words are indexed.

        `rebuilds` is a folder of its own, in which a collection lies while it is indexed again.
        """
        self._index = index
        self._run_in_worker = run_in_worker
        self._embed = embed
        self._originals = originals
        self._clock = clock
        self._limits = limits
        self._claims = Claims()
        self._in_use = InUse()
        self._rebuild = Rebuild(index, embed, rebuilds)

    @property
    def embedder(self) -> EmbedderInfo | None:
        """What passages are embedded with now; None: only words are indexed."""
        return self._embed.info if self._embed is not None else None

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
        """Add the documents of `files` to a collection; see `domain.library.Ingest`."""
        outcomes: list[IngestedDocument] = []
        stopped = True
        try:
            with self._in_use.adding(collection):
                target = self._fitting(collection)
                read = self._read(files, target.name, owner, scratch, progress, told)
                outcomes = [each for each in read if isinstance(each, IngestedDocument)]
                putting = self._putting(target, owner, read, len(files), told)
                try:
                    putting.run(progress)
                finally:
                    outcomes = _in_order(read, putting.outcomes)
            stopped = False
        finally:
            report(IngestReport(collection=collection, documents=tuple(outcomes), stopped=stopped))

    def reindex(self, collection: str, *, progress: Progress) -> int:
        """Embed a collection's passages anew with the present embedder; returns how many there are."""
        with self._in_use.rebuilding(collection):
            return self._rebuild.run(collection, progress)

    def resume(self, progress: Progress) -> None:
        """Complete what a crash cut short while a collection was indexed again."""
        self._rebuild.resume(progress)

    def is_rebuilding(self, collection: str) -> bool:
        """Whether a collection is being indexed again, so that what is changed in it now would be lost."""
        return self._in_use.is_rebuilding(collection)

    def _putting(
        self,
        target: Collection,
        owner: str,
        read: Sequence[Spooled | IngestedDocument],
        files: int,
        told: Callable[[IngestProgress], None],
    ) -> Putting:
        documents = [each for each in read if isinstance(each, Spooled)]
        return Putting(
            index=self._index,
            embed=self._embed if target.embedder is not None else None,
            originals=self._originals,
            claims=self._claims,
            collection=target.name,
            owner=owner,
            added=self._clock.stamp(),
            documents=documents,
            counts=IngestProgress(files=files, files_done=files, documents_done=len(read) - len(documents)),
            told=told,
        )

    def _fitting(self, name: str) -> Collection:
        """The collection, if what is embedded now fits what it holds."""
        found = next((each for each in self._index.collections() if each.name == name), None)
        if found is None:
            raise unknown_collection(name)
        why = found.misfit(self.embedder)
        if why is not None:
            raise StateConflict(why, hint="Index the collection again, or choose another collection.")
        return found

    def _read(
        self,
        files: Sequence[SourceFile],
        collection: str,
        owner: str,
        scratch: Path,
        progress: Progress,
        told: Callable[[IngestProgress], None],
    ) -> list[Spooled | IngestedDocument]:
        """Everything that the files hold, read or told why not, in their order."""
        told(IngestProgress(files=len(files)))
        unpacked = self._run_in_worker(unpack, files, scratch, self._limits, progress=progress)
        found: list[Spooled | Unread] = list(unpacked.left_out)
        count = len(unpacked.files)
        for number, file in enumerate(unpacked.files):
            told(IngestProgress(files=count, files_done=number))
            watched = _Watched(progress, f"reading file {number + 1:,} of {count:,}", number, count, self._limits)
            spool = scratch / f"spool{number:06d}"
            try:
                found += self._run_in_worker(
                    read_to_spool, file, spool, collection, owner, self._limits, progress=watched
                )
            except InputError as error:
                found.append(Unread(name=file.name, why=" ".join(filter(None, (error.message, error.hint)))))
            except WorkbenchError as error:
                # A process that died or failed on one file must not keep the others from being read.
                if type(error) is not WorkbenchError:
                    raise
                found.append(Unread(name=file.name, why=f"Reading it failed. {error.message}"))
        return [each if isinstance(each, Spooled) else _failed(each) for each in found]


@dataclass(eq=False)
class _Watched:
    """Progress of one of many files, which may not take longer than the limits allow."""

    progress: Progress
    name: str
    number: int
    count: int
    limits: DocumentLimits

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.limits.most_seconds

    def stage(self, name: str, fraction: float | None = None) -> None:
        """Raises `UnreadableDocument` once the time is up, which ends the process that reads."""
        self.progress.stage(self.name, (self.number + (fraction or 0.0)) / self.count)
        if name == "waiting for a free worker":
            self._until = time.monotonic() + self.limits.most_seconds
        if time.monotonic() > self._until:
            raise UnreadableDocument(f"Reading it took longer than {self.limits.most_seconds:,.0f} seconds.")


def _in_order(
    read: Sequence[Spooled | IngestedDocument], outcomes: dict[int, IngestedDocument]
) -> list[IngestedDocument]:
    """What became of each document, as they were read; those that were not reached are left out."""
    told = (each if isinstance(each, IngestedDocument) else outcomes.get(id(each)) for each in read)
    return [each for each in told if each is not None]


def _failed(unread: Unread) -> IngestedDocument:
    return IngestedDocument(name=unread.name, outcome=Ingested.FAILED, why=unread.why)
