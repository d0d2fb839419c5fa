"""Review a CT: segment it, measure it, follow what runs on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from workbench.cases.jobs import Jobs
from workbench.cases.store import CaseStore
from workbench.domain.case import Case, JobView, SegmentationRecord, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import StateConflict, WorkbenchError
from workbench.domain.nim import Mode, Segmenter, Service
from workbench.domain.organs import parse_organs
from workbench.domain.progress import Progress
from workbench.domain.records import Purpose
from workbench.domain.segmentation import Point, SegmentationRequest
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.records import Records
from workbench.usecases.run_log import RunNote


class ReviewCt:
    """What can be done with an open case, for whoever asks."""

    def __init__(
        self,
        *,
        store: CaseStore,
        jobs: Jobs,
        segmenters: Callable[[Visitor], tuple[Mode, Segmenter]],
        exports: ExportCt,
        run_in_worker: RunInWorker,
        clock: Clock,
        records: Records,
    ) -> None:
        """`segmenters` tells in which mode a visitor is, and who segments in it."""
        self._store = store
        self._jobs = jobs
        self._segmenters = segmenters
        self._exports = exports
        self._run_in_worker = run_in_worker
        self._clock = clock
        self._records = records
        self._starting = threading.Lock()

    def segment(
        self,
        visitor: Visitor,
        case_id: str,
        *,
        asked: Sequence[str | int] | None = None,
        points: Mapping[str, Sequence[Point]] | None = None,
    ) -> JobView:
        """Segment and measure the case's volume; nothing chosen means everything.

        Raises:
            UnknownOrgan: a name that VISTA-3D does not know or accept.
            PurposeRefused: the operator does not allow VISTA-3D for segmentation.
            StateConflict: the volume is not read yet, or a job runs on the case already.
        """
        return self._start(visitor, case_id, None, asked, points)

    def segment_after(
        self,
        visitor: Visitor,
        case_id: str,
        reading_id: str,
        *,
        asked: Sequence[str | int] | None = None,
        points: Mapping[str, Sequence[Point]] | None = None,
    ) -> JobView:
        """As `segment`, in one job that first waits for the volume to be read; a failed reading fails it."""
        return self._start(visitor, case_id, reading_id, asked, points)

    def _start(
        self,
        visitor: Visitor,
        case_id: str,
        reading_id: str | None,
        asked: Sequence[str | int] | None,
        points: Mapping[str, Sequence[Point]] | None,
    ) -> JobView:
        self._records.purposes.require(Service.VISTA3D, Purpose.SEGMENTATION)
        labels = parse_organs(asked) if asked else None
        clicks = {parse_organs([name])[0]: tuple(at) for name, at in (points or {}).items()}
        case = self._store.get(visitor, case_id)
        if reading_id is None:
            self._store.files(case)

        mode, segmenter = self._segmenters(visitor)

        def work(progress: Progress) -> None:
            if reading_id is not None:
                self._jobs.follow(visitor, reading_id, progress)
            with self._records.runs.recording(Service.VISTA3D.value, visitor, mode=mode.value) as run:
                self._segment(visitor, case_id, labels, clicks, progress, run, (mode, segmenter))

        with self._starting:
            if reading_id is None and self._jobs.running_on(case_id):
                raise StateConflict(
                    "Something is running on this case already.", hint="Wait until it is done, or cancel it."
                )
            return self._jobs.start(visitor, "segment", case_id, work)

    def case(self, visitor: Visitor, case_id: str) -> Case:
        """The case, if it is the visitor's."""
        return self._store.get(visitor, case_id)

    def job(self, visitor: Visitor, job_id: str) -> JobView:
        """A job as it stands."""
        return self._jobs.get(visitor, job_id)

    def outcome(self, visitor: Visitor, job: JobView) -> WorkbenchError | None:
        """The error that a finished job ended with, or None."""
        return self._jobs.error_of(visitor, job.id)

    def wait(self, visitor: Visitor, job_id: str, timeout_s: float | None = None) -> JobView:
        """Block until the job ends, or for so many seconds."""
        return self._jobs.wait(visitor, job_id, timeout_s)

    def job_on(self, visitor: Visitor, case: Case) -> JobView | None:
        """The job that runs on a case now."""
        return self._jobs.latest_on(visitor, case.id)

    def cancel(self, visitor: Visitor, job_id: str) -> JobView:
        """Stop a job."""
        return self._jobs.cancel(visitor, job_id)

    def delete(self, visitor: Visitor, case_id: str) -> None:
        """Erase a case, stopping what runs on it."""
        case = self._store.get(visitor, case_id)
        self._jobs.cancel_case(case.id)
        self._store.drop_upload(case.id)
        self._store.delete(case.id)

    def _segment(
        self,
        visitor: Visitor,
        case_id: str,
        labels: tuple[int, ...] | None,
        points: Mapping[int, tuple[Point, ...]],
        progress: Progress,
        run: RunNote,
        answering: tuple[Mode, Segmenter],
    ) -> None:
        from workbench.cases.work import measure_case  # noqa: PLC0415 - brings the imaging libraries along

        mode, segmenter = answering
        case = self._store.get(visitor, case_id)
        volume = self._store.volume(case)
        run.input_sha256 = volume.provenance.sha256
        progress.stage("sending")
        segmentation = segmenter.run(
            SegmentationRequest(
                volume=volume,
                labels=labels,
                points=points,
                image_file=lambda: self._exports.image_file(case, progress),
                truth=self._store.truth(case),
                progress=progress,
            )
        )
        made = self._records.noted(segmentation.provenance, mode, segmenter.status())
        run.made(made)
        progress.stage("measuring")
        record = SegmentationRecord(
            asked=segmentation.asked,
            not_found=segmentation.not_found,
            warnings=segmentation.warnings,
            provenance=made,
            revision=case.revision + 1,
        )
        self._store.write_labels(case, segmentation.labels, record.revision)
        with span("measure"):
            measured = self._run_in_worker(
                measure_case,
                self._store.files(case.with_(segmentation=record)),
                self._clock.stamp(),
                progress=progress,
            )
        done = self._store.save(case.with_(segmentation=record, measurements=measured))
        self._store.drop_older(done)
