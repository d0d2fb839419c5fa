"""Judge a synthetic CT: its HU against published bands, its own labels against a segmentation by VISTA-3D."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.cases.files import OWN_LABELS, SECOND_LABELS
from workbench.cases.jobs import Jobs
from workbench.cases.store import CaseStore
from workbench.domain.case import Case, JobView, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import StateConflict
from workbench.domain.judgement import Judgement
from workbench.domain.nim import Mode, Segmenter, Service
from workbench.domain.organs import ORGANS
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Purpose
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.records import Records


class JudgeCt:
    """What can be measured on a synthetic CT, for whoever asks."""

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

    def start(self, visitor: Visitor, case_id: str) -> JobView:
        """Check a synthetic CT. The case's mask stays as it is; an earlier verdict is replaced.

        HU are measured first and kept even where VISTA-3D then does not answer, which fails the job.

        Raises:
            StateConflict: the CT is not synthetic, has no labels of its own, or a job runs on the case already.
            PurposeRefused: the operator does not allow VISTA-3D for segmentation.
        """
        self._records.purposes.require(Service.VISTA3D, Purpose.SEGMENTATION)
        case = self._store.get(visitor, case_id)
        labels = _own_labels(case)
        mode, segmenter = self._segmenters(visitor)
        with self._starting:
            if self._jobs.running_on(case_id):
                raise StateConflict(
                    "Something is running on this case already.", hint="Wait until it is done, or cancel it."
                )
            return self._jobs.start(
                visitor,
                "check",
                case_id,
                lambda progress: self._check(visitor, case_id, labels, mode, segmenter, progress),
            )

    def label_maps(self, case: Case) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """MAISI's own labels and those that they were compared with, memory-mapped.

        Raises:
            StateConflict: nothing was compared yet.
        """
        own = self._store.labels_named(case, OWN_LABELS)
        second = self._store.labels_named(case, SECOND_LABELS)
        if case.judgement is None or not case.judgement.agreements or own is None or second is None:
            raise StateConflict("This case has no comparison yet.", hint="Press Check it first.")
        return own, second

    def _check(
        self,
        visitor: Visitor,
        case_id: str,
        labels: tuple[int, ...],
        mode: Mode,
        segmenter: Segmenter,
        progress: Progress,
    ) -> None:
        from workbench.cases.work import check_own_hu, compare_with_own  # noqa: PLC0415 - brings the imaging along

        case = self._store.get(visitor, case_id)
        files = self._store.files(case)
        number = case.judgement.number + 1 if case.judgement else 1
        with span("measure"):
            hu = self._run_in_worker(check_own_hu, files, progress=progress)
        asked = tuple(label for label in labels if ORGANS[label].supported)
        alone = Judgement(
            hu=hu,
            number=number,
            not_asked=tuple(label for label in labels if label not in asked),
            provenance=self._provenance(case.provenance),
        )
        self._keep(visitor, case_id, alone)
        if not asked:
            return
        answer = self._second(visitor, case, asked, mode, segmenter, progress)
        self._store.write_array(case, SECOND_LABELS, answer.labels)
        with span("measure"):
            agreements = self._run_in_worker(compare_with_own, files, asked, progress=progress)
        second = self._records.noted(answer.provenance, mode, segmenter.status())
        self._keep(
            visitor,
            case_id,
            replace(
                alone,
                agreements=agreements,
                second=second,
                warnings=answer.warnings,
                provenance=self._provenance(case.provenance, second),
            ),
        )

    def _second(
        self,
        visitor: Visitor,
        case: Case,
        asked: tuple[int, ...],
        mode: Mode,
        segmenter: Segmenter,
        progress: Progress,
    ) -> Segmentation:
        """VISTA-3D's segmentation of the case's volume. It is not shown the CT's own labels, nor is its mock."""
        volume = self._store.volume(case)
        sha256 = volume.provenance.sha256
        with self._records.runs.recording(Service.VISTA3D.value, visitor, input_sha256=sha256, mode=mode.value) as run:
            progress.stage("sending")
            answer = segmenter.run(
                SegmentationRequest(
                    volume=volume,
                    labels=asked,
                    image_file=lambda: self._exports.image_file(case, progress),
                    progress=progress,
                )
            )
            run.made(answer.provenance)
        return answer

    def _provenance(self, *inputs: Provenance | None) -> Provenance:
        made = tuple(each for each in inputs if each is not None)
        return Provenance(
            origin=Origin.MOCK if any(each.origin is Origin.MOCK for each in made) else Origin.LOCAL,
            model="workbench",
            version=__version__,
            created_at=self._clock.stamp(),
            inputs=made,
        )

    def _keep(self, visitor: Visitor, case_id: str, judgement: Judgement) -> None:
        self._store.save(self._store.get(visitor, case_id).with_(judgement=judgement))


def _own_labels(case: Case) -> tuple[int, ...]:
    """The labels that the CT was asked to have."""
    if case.synthesis is None:
        raise StateConflict(
            "This CT is not synthetic: it came without labels of its own that could be checked.",
            hint="Check a CT that MAISI made.",
        )
    labels = case.synthesis.request.labels
    if not labels:
        raise StateConflict(
            "This CT was asked for without any anatomy, so its mask is empty and there is nothing to check.",
            hint="Generate one with an anatomy list, or segment this one on the Segment tab.",
        )
    return labels
