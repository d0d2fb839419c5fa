"""Add documents to the library: files come in, a job reads and embeds them, a report tells what became of each."""

from __future__ import annotations

import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from workbench.cases.jobs import Jobs
from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.case import JobView, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import (
    InputError,
    InvalidRequest,
    NotAllowedHere,
    NotFound,
    StateConflict,
    TooLarge,
    WorkbenchError,
)
from workbench.domain.library import (
    STARTING_COLLECTIONS,
    Ingest,
    Ingested,
    IngestProgress,
    IngestReport,
    PassageIndex,
    SourceFile,
)
from workbench.domain.nim import Service
from workbench.domain.progress import Progress
from workbench.domain.records import Purpose
from workbench.domain.trace import span
from workbench.usecases.library import DEFAULT_COLLECTION, LibraryRules
from workbench.usecases.records import Records

INGEST, REINDEX = "ingest", "reindex"
"""The kinds of jobs, and the `service` of their runs."""
_KEPT = 500
_NAMED_FAILURES = 3


@dataclass(eq=False)
class Upload:
    """Files on their way in, each with the name it came with."""

    id: str
    folder: Path
    files: list[SourceFile] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class IngestJob:
    """A job of the library as it stands: how far it is, and its report once it ended."""

    view: JobView
    collection: str
    progress: IngestProgress
    report: IngestReport | None


@dataclass(eq=False)
class _Note:
    """What a job told last; each field is replaced whole."""

    collection: str
    progress: IngestProgress = field(default_factory=IngestProgress)
    report: IngestReport | None = None

    def told(self, progress: IngestProgress) -> None:
        self.progress = progress

    def reported(self, report: IngestReport) -> None:
        self.report = report


class AddDocuments:
    """How files become documents, for whoever asks. It is an inbox that forms are received into."""

    def __init__(
        self,
        *,
        index: PassageIndex,
        ingest: Ingest,
        jobs: Jobs,
        records: Records,
        clock: Clock,
        rules: LibraryRules,
        folder: Path,
        max_bytes: int,
        embeds_over_the_wire: bool,
    ) -> None:
        """`folder` holds uploads while they are read, and nothing else."""
        self.max_bytes = max_bytes
        self._index = index
        self._ingest = ingest
        self._jobs = jobs
        self._records = records
        self._clock = clock
        self._rules = rules
        self._folder = folder
        self._embeds_over_the_wire = embeds_over_the_wire
        self._notes: OrderedDict[str, _Note] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)  # what a crash left; nobody uses it yet

    def receive(self, visitor: Visitor) -> Upload:
        """An empty upload; its files go there through `new_file`."""
        self.require_purpose()
        upload = Upload(id=self._clock.new_id(), folder=self._folder / re.sub(r"\W", "_", self._clock.new_id()))
        make_private(upload.folder)
        return upload

    def new_file(self, upload: Upload, name: str, number: int) -> BinaryIO:
        """File `number` of an upload, open to be written; its name never becomes a path."""
        path = upload.folder / f"file{number:06d}"
        upload.files.append(SourceFile(path=path, name=name))
        with telling_disk_full():
            return path.open("xb")

    def give_up(self, upload: Upload) -> None:
        """Forget an upload."""
        shutil.rmtree(upload.folder, ignore_errors=True)

    def too_large(self, size: int) -> TooLarge:
        """The error for an upload over the limit."""
        return TooLarge(
            f"The upload has {size / 1e6:,.0f} MB; at most {self.max_bytes / 1e6:,.0f} MB are taken.",
            hint="Add fewer files at once, or raise IMAGING_MAX_UPLOAD_MB.",
        )

    def add_upload(self, visitor: Visitor, upload: Upload, *, collection: str = "") -> JobView:
        """Add what was placed in an upload, which is erased after; the collection is made if it is new.

        Raises:
            InvalidRequest: no file, or a name that no collection may have.
            StateConflict: the collection was indexed with another embedder, or is being indexed again.
            KnowledgeUnavailable: the store cannot be reached.
            Busy: too many jobs run.
        """
        try:
            return self._start(visitor, upload.files, upload.folder, collection, lambda: self.give_up(upload))
        except BaseException:
            self.give_up(upload)
            raise

    def add_files(self, visitor: Visitor, files: Sequence[SourceFile], *, collection: str = "") -> JobView:
        """Add files of this machine where they lie; for who may read them anyway. Raises as `add_upload`."""
        upload = self.receive(visitor)
        try:
            return self._start(visitor, files, upload.folder, collection, lambda: self.give_up(upload))
        except BaseException:
            self.give_up(upload)
            raise

    def reindex(self, visitor: Visitor, collection: str) -> JobView:
        """Embed a collection's passages anew with the embedder in use.

        Raises:
            NotFound: there is none of that name.
            NotAllowedHere: it holds documents of everybody, and the visitor does not run this workbench.
            StateConflict: it is being indexed again already.
        """
        if not self._rules.keeps_for_all(visitor):
            raise NotAllowedHere("Only who runs this workbench may index a collection again.", hint="Ask who runs it.")
        self.require_purpose()
        if not any(each.name == collection for each in self._index.collections()):
            raise NotFound(
                f"There is no collection named {collection!r}.", hint="GET /collections lists those there are."
            )
        if self._ingest.is_rebuilding(collection):
            raise StateConflict(f"The collection {collection} is being indexed again already.", hint="Wait for it.")

        def work(progress: Progress) -> None:
            with self._records.runs.recording(REINDEX, visitor), span("embed"):
                self._ingest.reindex(collection, progress=progress)

        return self._begin(visitor, REINDEX, _Note(collection), work)

    def job(self, visitor: Visitor, job_id: str) -> IngestJob:
        """A job of the library.

        Raises:
            NotFound: unknown, somebody else's, or of another kind.
        """
        view = self._jobs.get(visitor, job_id)
        with self._lock:
            note = self._notes.get(job_id)
        if note is None:
            raise NotFound("This is no job of the library.", hint="Look for it under /jobs.")
        return IngestJob(view=view, collection=note.collection, progress=note.progress, report=note.report)

    def cancel(self, visitor: Visitor, job_id: str) -> IngestJob:
        """Stop a job. What its report calls new or replaced stays."""
        self._jobs.cancel(visitor, job_id)
        return self.job(visitor, job_id)

    def wait(self, visitor: Visitor, job_id: str, timeout_s: float | None = None) -> IngestJob:
        """Block until a job ends, or for `timeout_s` seconds."""
        self._jobs.wait(visitor, job_id, timeout_s)
        return self.job(visitor, job_id)

    def error_of(self, visitor: Visitor, job_id: str) -> WorkbenchError | None:
        """The error that a failed or cancelled job ended with."""
        return self._jobs.error_of(visitor, job_id)

    def require_purpose(self) -> None:
        """Go on only where the operator lets the embedding NIM be used for retrieval."""
        if self._embeds_over_the_wire:
            self._records.purposes.require(Service.EMBED, Purpose.RETRIEVAL)

    def _start(
        self,
        visitor: Visitor,
        files: Sequence[SourceFile],
        scratch: Path,
        collection: str,
        done: Callable[[], None],
    ) -> JobView:
        if not files:
            raise InvalidRequest("There is no file to add.", hint="Send documents in the field “file”.")
        name = collection or DEFAULT_COLLECTION
        self.ensure(name)
        owner = self._rules.owner(visitor)
        note = _Note(name)

        def work(progress: Progress) -> None:
            try:
                with self._records.runs.recording(INGEST, visitor), span("embed"):
                    self._ingest.add(
                        files,
                        collection=name,
                        owner=owner,
                        scratch=scratch,
                        progress=progress,
                        told=note.told,
                        report=note.reported,
                    )
                    _refuse_when_all_failed(note.report)
            finally:
                done()

        return self._begin(visitor, INGEST, note, work)

    def ensure(self, name: str) -> None:
        """Make a collection that is not there; refuse one that the present embedder does not fit."""
        kept = next((each for each in self._index.collections() if each.name == name), None)
        if kept is None:
            with self._making:
                if not any(each.name == name for each in self._index.collections()):
                    told = STARTING_COLLECTIONS.get(name, "")
                    self._index.create(name, description=told, embedder=self._ingest.embedder)
            return
        why = kept.needs_reindex or kept.misfit(self._ingest.embedder)
        if why is not None:
            raise StateConflict(why, hint="Index the collection again, or choose another collection.")
        if self._ingest.is_rebuilding(name):
            raise StateConflict(f"The collection {name} is being indexed again.", hint="Try again when that is done.")

    def _begin(self, visitor: Visitor, kind: str, note: _Note, work: Callable[[Progress], None]) -> JobView:
        # The note must be there before anybody can ask for the job, whose id is drawn as it starts.
        with self._lock:
            view = self._jobs.start(visitor, kind, "", work)
            self._notes[view.id] = note
            while len(self._notes) > _KEPT:
                self._notes.popitem(last=False)
        return view


def _refuse_when_all_failed(report: IngestReport | None) -> None:
    """An ingest of which nothing came is a failed job, whose error says why."""
    if report is None or not report.documents or report.count(Ingested.FAILED) < len(report.documents):
        return
    failed = report.documents
    if len(failed) == 1:
        raise InputError(f"{failed[0].name} was not added. {failed[0].why}")
    reasons = " ".join(f"{each.name}: {each.why}" for each in failed[:_NAMED_FAILURES])
    more = f" And {len(failed) - _NAMED_FAILURES:,} more." if len(failed) > _NAMED_FAILURES else ""
    raise InputError(f"None of the {len(failed):,} documents was added. {reasons}{more}")
