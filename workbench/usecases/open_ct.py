"""Open a CT: an upload, a file on this machine, or the phantom."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from workbench.cases.files import TRUTH, VOXELS, Opened
from workbench.cases.jobs import Jobs
from workbench.cases.store import CaseStore, link_or_copy, make_private, telling_disk_full
from workbench.domain.case import Case, CaseState, JobView, Source, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Busy, InvalidRequest, NotFound, OutsideInputFolders, StateConflict, TooLarge
from workbench.domain.progress import Progress
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.usecases.run_log import READING, Runs


@dataclass(frozen=True, kw_only=True)
class InputLimits:
    """What is accepted: bytes of an upload (unpacked too), voxels of a volume, and where `input_path` may read."""

    max_bytes: int
    max_voxels: int
    input_folders: tuple[Path, ...]


class OpenCt:
    """How a volume becomes a case, for whoever asks."""

    def __init__(
        self,
        *,
        store: CaseStore,
        jobs: Jobs,
        run_in_worker: RunInWorker,
        clock: Clock,
        limits: InputLimits,
        phantom_folder: Path,
        runs: Runs,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._run_in_worker = run_in_worker
        self._clock = clock
        self.limits = limits
        self._phantom_folder = phantom_folder
        self._phantom_lock = threading.Lock()
        self._runs = runs

    @property
    def max_bytes(self) -> int:
        """Most bytes of an upload."""
        return self.limits.max_bytes

    def receive(self, visitor: Visitor) -> Case:
        """Make an empty case to put an upload into; its files go there through `new_file`."""
        case = self._new_case(visitor, Source.UPLOAD)
        self._store.upload_folder(case.id)
        return case

    def new_file(self, case: Case, name: str, number: int) -> BinaryIO:
        """File `number` of an upload, open to be written; only a harmless form of its name is kept."""
        with telling_disk_full():
            return self._place_for(case, name, number).open("xb")

    def _place_for(self, case: Case, name: str, number: int) -> Path:
        folder = self._store.upload_folder(case.id) / f"{number:05d}"
        folder.mkdir(mode=0o700, exist_ok=True)
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        # 60 characters are at most 240 bytes, and file systems take 255.
        return folder / (re.sub(r"[^\w.\-+ ]", "_", base)[-60:].strip(". ") or "file")

    def give_up(self, case: Case) -> None:
        """Forget an upload that did not arrive whole."""
        self._store.drop_upload(case.id)
        self._store.delete(case.id)

    def open_upload(
        self, visitor: Visitor, case: Case, *, series: int | None = None, let_choose: bool = False
    ) -> JobView:
        """Read what was placed for `case`. With `let_choose`, an upload of several volumes waits for the choice."""
        upload = self.placed(case)
        return self._start(visitor, case, lambda progress: self._read(case, upload, series, let_choose, progress))

    def placed(self, case: Case) -> list[Path]:
        """The files of an upload that waits to be read."""
        return sorted(path for path in self._store.upload_folder(case.id).rglob("*") if path.is_file())

    def take_files(self, visitor: Visitor, files: Sequence[Path], *, let_choose: bool = False) -> tuple[Case, JobView]:
        """Open files that lie in a temporary place; they are moved away from there."""
        total = sum(path.stat().st_size for path in files)
        if total > self.limits.max_bytes:
            for path in files:
                path.unlink(missing_ok=True)
            raise self.too_large(total)
        case = self.receive(visitor)
        try:
            with span("upload"), telling_disk_full():
                for number, path in enumerate(files):
                    shutil.move(path, self._place_for(case, path.name, number))
            return case, self.open_upload(visitor, case, let_choose=let_choose)
        except BaseException:
            self.give_up(case)
            raise

    def choose_series(self, visitor: Visitor, case_id: str, series: int) -> JobView:
        """Read one of the series of an upload that waits for it."""
        case = self._store.get(visitor, case_id)
        if case.state is not CaseState.CHOOSING:
            raise StateConflict("This case has its volume already.", hint="Upload the files again to open another.")
        chosen = next((each for each in case.series if each.number == series), None)
        if chosen is None or not chosen.usable:
            why = chosen.why_not if chosen else "there is no such series"
            raise InvalidRequest(f"Series {series} cannot be opened: {why}.", hint="Choose another series.")
        self._store.save(case.with_(state=CaseState.READING))
        return self.open_upload(visitor, case, series=series)

    def open_path(self, visitor: Visitor, input_path: str, *, series: int | None = None) -> tuple[Case, JobView]:
        """Open a file or folder on this machine, if it lies within the folders allowed."""
        return self.open_files(visitor, self.files_within(input_path), series=series)

    def open_files(self, visitor: Visitor, files: Sequence[Path], *, series: int | None = None) -> tuple[Case, JobView]:
        """Open files of this machine where they lie; for who may read them anyway."""
        case = self._new_case(visitor, Source.FOLDER)
        return case, self._start(visitor, case, lambda progress: self._read(case, files, series, False, progress))

    def open_demo(self, visitor: Visitor) -> tuple[Case, JobView]:
        """Open the phantom."""
        case = self._new_case(visitor, Source.DEMO)
        return case, self._start(visitor, case, lambda progress: self._copy_phantom(case, progress))

    def too_large(self, size: int) -> TooLarge:
        """The error for an upload over the limit."""
        return TooLarge(
            f"The upload has {size / 1e6:,.0f} MB; at most {self.limits.max_bytes / 1e6:,.0f} MB are taken.",
            hint="Crop or zip the series, or raise IMAGING_MAX_UPLOAD_MB.",
        )

    def recover(self) -> None:
        """After a restart: cases whose reading was cut short are gone, the others are as they were."""
        self._store.drop_uploads()
        for case in self._store.all():
            if case.state is not CaseState.READY:
                self._store.delete(case.id)

    def files_within(self, input_path: str) -> list[Path]:
        """The files that a path names, each checked to lie within the folders allowed, links resolved.

        Raises:
            OutsideInputFolders: it leads elsewhere, or to nothing.
            NotFound: nothing of that name lies there.
        """
        roots = [folder.resolve() for folder in self.limits.input_folders]
        refused = OutsideInputFolders(
            "This path does not lead to a file inside the folders from which this workbench may read.",
            hint="Copy the file into one of the folders that IMAGING_INPUT_DIRS lists, or upload it.",
        )
        if "\0" in input_path:
            raise refused
        missing: NotFound | None = None
        asked = Path(input_path)
        candidates = [asked] if asked.is_absolute() else [root / asked for root in roots]
        for candidate in candidates:
            target = _resolved(candidate)
            if target is None:
                continue
            if not any(target == root or root in target.parents for root in roots):
                continue
            if not target.exists():
                missing = NotFound("There is no such file in the input folders.", hint="Check the name.")
                continue
            found = [target] if target.is_file() else sorted(each for each in target.rglob("*") if each.is_file())
            inside = [each for each in found if any(root in each.resolve().parents for root in roots)]
            if inside:
                return inside
        raise missing or refused

    def _start(self, visitor: Visitor, case: Case, work: Callable[[Progress], None]) -> JobView:
        """Begin reading; where no more jobs are taken, nothing of the case stays."""

        def recorded(progress: Progress) -> None:
            with self._runs.recording(READING, visitor) as run, span("read"):
                work(progress)
                opened = self._store.get(visitor, case.id).provenance
                if opened is not None:
                    run.input_sha256 = opened.sha256
                    run.made(opened)

        try:
            return self._jobs.start(visitor, "read", case.id, recorded)
        except Busy:
            self.give_up(case)
            raise

    def _new_case(self, visitor: Visitor, source: Source) -> Case:
        case_id = self._clock.new_id()
        while self._store.holds(case_id):  # after a restart, a seeded clock draws the same ids again
            case_id = self._clock.new_id()
        return self._store.create(
            Case(
                id=case_id,
                owner=visitor.owner,
                created_at=self._clock.stamp(),
                source=source,
                state=CaseState.READING,
            )
        )

    def _read(
        self, case: Case, upload: Sequence[Path], series: int | None, let_choose: bool, progress: Progress
    ) -> None:
        from workbench.cases.work import read_into, survey_upload  # noqa: PLC0415 - brings the imaging libraries along
        from workbench.imaging.read import ReadLimits  # noqa: PLC0415 - likewise

        limits = ReadLimits(max_bytes=self.limits.max_bytes, max_voxels=self.limits.max_voxels)
        waits = False
        try:
            with self._store.scratch(case.id) as scratch:
                if let_choose:
                    found = self._run_in_worker(survey_upload, upload, scratch, limits, progress=progress)
                    waits = sum(each.usable for each in found) > 1
                    if waits:
                        self._store.save(case.with_(state=CaseState.CHOOSING, series=found))
                        return
                opened = self._run_in_worker(
                    read_into,
                    upload,
                    scratch,
                    limits,
                    self._store.folder(case),
                    self._clock.stamp(),
                    series,
                    progress=progress,
                )
            self._save_opened(case, opened)
        except BaseException:
            self._store.delete(case.id)
            raise
        finally:
            if not waits:
                self._store.drop_upload(case.id)

    def _save_opened(self, case: Case, opened: Opened) -> None:
        self._store.save(
            case.with_(
                state=CaseState.READY,
                series=opened.series,
                series_number=opened.series_number,
                report=opened.report,
                provenance=opened.provenance,
                affine_ras_mm=opened.affine_ras_mm,
            )
        )

    def _copy_phantom(self, case: Case, progress: Progress) -> None:
        try:
            opened = self._phantom(progress)
            folder = self._store.folder(case)
            for name in (VOXELS, TRUTH):
                link_or_copy(self._phantom_folder / name, folder / name)
            self._save_opened(case, opened)
        except BaseException:
            self._store.delete(case.id)
            raise

    def _phantom(self, progress: Progress) -> Opened:
        """The phantom's facts; it is built once for each version of this program."""
        from workbench.cases.work import make_phantom  # noqa: PLC0415 - brings the imaging libraries along

        with self._phantom_lock:
            facts = self._phantom_folder / "facts.json"
            if not facts.exists():
                make_private(self._phantom_folder)
                opened = self._run_in_worker(make_phantom, self._phantom_folder, self._clock.stamp(), progress=progress)
                part = facts.with_suffix(".part")
                part.write_text(json.dumps(opened.to_json()), "utf-8")
                part.replace(facts)
            return Opened.from_json(json.loads(facts.read_text("utf-8")))


def _resolved(path: Path) -> Path | None:
    """The path with links followed; None for one that no file system would take: too long, or links in a circle."""
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        return None
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None
