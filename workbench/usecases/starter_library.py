"""The starter library: indexed in the background at the first start, and again where its articles have changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.cases.jobs import Jobs
from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.case import JobView
from workbench.domain.errors import Busy, KnowledgeUnavailable, NimUnavailable, StateConflict, WorkbenchError
from workbench.domain.library import (
    COMMON,
    STARTING_COLLECTIONS,
    Ingest,
    IngestedDocument,
    IngestProgress,
    IngestReport,
    PassageIndex,
    SourceFile,
)
from workbench.domain.progress import Progress
from workbench.usecases.access import LOCAL
from workbench.usecases.add_documents import AddDocuments
from workbench.usecases.library import DEFAULT_COLLECTION

STARTER = "starter"
"""The kind of the job."""
_SOURCE = "starter library"
_TRY_AGAIN_S = 15.0
_LOOK_EVERY_S = 0.1

Known = dict[str, dict[str, Any]]
"""By article: the SHA-256 of its file, and the document that it became."""


@dataclass(frozen=True, kw_only=True)
class StarterState:
    """Where it stands: `waiting` (for what `why` says), `indexing` (`done` of `of` articles), `ready` or `failed`."""

    state: str
    done: int = 0
    of: int = 0
    why: str | None = None


class StarterLibrary:
    """Keeps the packaged articles indexed. An article that a person deleted stays deleted until it changes."""

    def __init__(
        self,
        *,
        articles: Path | None,
        index: PassageIndex,
        ingest: Ingest,
        adding: AddDocuments,
        jobs: Jobs,
        folder: Path,
    ) -> None:
        """`articles` holds the Markdown files, None where none are wanted: then only the starting collections are made.

        `folder` is the library's own, where is noted what was indexed.
        """
        self._articles = articles
        self._index = index
        self._ingest = ingest
        self._adding = adding
        self._jobs = jobs
        self._folder = folder
        self._state = StarterState(state="waiting", why="It has not begun.")

    @property
    def state(self) -> StarterState:
        """Where it stands now."""
        return self._state

    def begin(self) -> JobView:
        """Start in the background: finish what a crash cut short, make the starting collections, index."""
        return self._jobs.start(LOCAL, STARTER, "", self._work)

    def wait(self, timeout_s: float) -> StarterState:
        """Block until it is ready or has failed, or for `timeout_s` seconds."""
        until = time.monotonic() + timeout_s
        while self._state.state in ("waiting", "indexing") and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        return self._state

    def _work(self, progress: Progress) -> None:
        try:
            while True:
                try:
                    self._bring_up_to_date(progress)
                    return
                except (NimUnavailable, KnowledgeUnavailable, Busy) as error:
                    self._state = StarterState(state="waiting", why=error.message)
                self._pause(progress)
        except BaseException as error:
            why = error.message if isinstance(error, WorkbenchError) else "Something unexpected went wrong."
            self._state = StarterState(state="failed", why=why)
            raise

    def _bring_up_to_date(self, progress: Progress) -> None:
        progress.stage("opening the library")
        make_private(self._folder)
        self._adding.require_purpose()
        self._ingest.resume(progress)
        is_new = not any(each.name == DEFAULT_COLLECTION for each in self._index.collections())
        for name in STARTING_COLLECTIONS:
            with suppress(StateConflict):  # told where a person meets it: it asks to be indexed again
                self._adding.ensure(name)
        if self._articles is None:
            self._state = StarterState(state="ready")
            return
        known = {} if is_new else self._known()
        found = {path.name: _digest(path) for path in sorted(self._articles.glob("*.md"))}
        changed = [name for name in found if known.get(name, {}).get("sha256") != found[name]]
        if changed:
            self._adding.ensure(DEFAULT_COLLECTION)
            for name, document in self._added(self._articles, changed, progress).items():
                known[name] = {"sha256": found[name], "document": document.document_id}
        for name in [each for each in known if each not in found]:
            self._index.remove(DEFAULT_COLLECTION, str(known.pop(name)["document"]))
        self._remember(known)
        self._state = StarterState(state="ready", done=len(found), of=len(found))

    def _added(self, articles: Path, names: list[str], progress: Progress) -> dict[str, IngestedDocument]:
        """Index articles; what became of each that could be read."""
        self._state = StarterState(state="indexing", of=len(names))
        reports: list[IngestReport] = []

        def told(now: IngestProgress) -> None:
            self._state = StarterState(state="indexing", done=now.documents_done, of=len(names))

        scratch = self._folder / "starter"
        shutil.rmtree(scratch, ignore_errors=True)
        make_private(scratch)
        try:
            self._ingest.add(
                [SourceFile(path=articles / name, name=f"{_SOURCE}/{name}") for name in names],
                collection=DEFAULT_COLLECTION,
                owner=COMMON,
                scratch=scratch,
                progress=progress,
                told=told,
                report=reports.append,
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        told_of = {each.name.removeprefix(f"{_SOURCE}/"): each for report in reports for each in report.documents}
        return {name: each for name, each in told_of.items() if each.document_id is not None}

    def _known(self) -> Known:
        """What was indexed before; nothing where the note is missing or damaged, and then all is compared anew."""
        try:
            kept = json.loads(self._note.read_text("utf-8"))
            return {str(name): {"sha256": each["sha256"], "document": each["document"]} for name, each in kept.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _remember(self, known: Known) -> None:
        part = self._note.with_suffix(".part")
        with telling_disk_full():
            part.write_text(json.dumps(known, indent=1), "utf-8")
            part.replace(self._note)

    @property
    def _note(self) -> Path:
        return self._folder / "starter.json"

    def _pause(self, progress: Progress) -> None:
        until = time.monotonic() + _TRY_AGAIN_S
        while time.monotonic() < until:
            progress.stage("waiting for the library")
            time.sleep(_LOOK_EVERY_S)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
