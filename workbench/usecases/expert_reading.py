"""Let VISTA-3D look at the CT behind a picture, and draw what it marked on that slice for the model that called it.

The case keeps its own mask: what is made here lies in the picture alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.cases.jobs import Jobs
from workbench.cases.store import CaseStore
from workbench.domain.case import Case, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import NotFound, StateConflict
from workbench.domain.experts import Trigger
from workbench.domain.image_dialogue import ExpertReading, Working
from workbench.domain.nim import Mode, Segmenter, Service
from workbench.domain.organs import NOT_EVALUATED, ORGANS
from workbench.domain.picture import PictureFacts, PictureView
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Purpose
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.trace import span
from workbench.usecases.expert_offer import Behind, promptable
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.prepare_picture import PreparePicture
from workbench.usecases.records import Records

if TYPE_CHECKING:
    from workbench.domain.volume import Volume

_POLL_S = 0.05
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Read:
    """An expert's reading, and what to say about structures that it marked on other slices."""

    reading: ExpertReading
    notices: tuple[str, ...] = ()


class ReadWithExpert:
    """Experts on cases, for whoever asks about a picture of one."""

    def __init__(
        self,
        *,
        store: CaseStore,
        jobs: Jobs,
        segmenters: Callable[[Visitor], tuple[Mode, Segmenter]],
        exports: ExportCt,
        pictures: PreparePicture,
        clock: Clock,
        records: Records,
    ) -> None:
        """`segmenters` tells in which mode a visitor is, and who segments in it."""
        self._store = store
        self._jobs = jobs
        self._segmenters = segmenters
        self._exports = exports
        self._pictures = pictures
        self._clock = clock
        self._records = records
        self._starting = threading.Lock()

    def behind(self, visitor: Visitor, picture: PictureFacts) -> Behind:
        """What lies behind a picture now."""
        if picture.view is None:
            return Behind.NOTHING
        try:
            self._store.files(self._store.get(visitor, picture.view.case_id))
        except (NotFound, StateConflict):
            return Behind.GONE
        return Behind.VOLUME

    def require(self, visitor: Visitor, picture: PictureFacts) -> PictureView:
        """The view of a picture whose case can be segmented now.

        Raises:
            StateConflict: no CT lies behind it, or something runs on the case.
            NotFound: the case is gone.
            PurposeRefused: the operator does not allow VISTA-3D for segmentation.
        """
        self._records.purposes.require(Service.VISTA3D, Purpose.SEGMENTATION)
        if picture.view is None:
            raise StateConflict(
                "No volume lies behind this picture, so VISTA-3D has nothing to segment.",
                hint="Open the CT in Segment and ask about it from the viewer.",
            )
        self._store.files(self._store.get(visitor, picture.view.case_id))
        self._require_free(picture.view.case_id)
        return picture.view

    def read(
        self, visitor: Visitor, picture: PictureFacts, trigger: Trigger, check: Callable[[], None]
    ) -> Generator[Working, None, Read]:
        """Segment in a job of its own, telling how far it is, and return the reading.

        Args:
            visitor: whose case it is.
            picture: the one that was asked about; its plane, slice and window are drawn.
            trigger: which structures.
            check: raises once nobody waits any more, which cancels the job.
        """
        view = self.require(visitor, picture)
        made: list[Read] = []

        def work(progress: Progress) -> None:
            made.append(self._read(visitor, picture, view, trigger, progress))

        with self._starting:
            self._require_free(view.case_id)
            job = self._jobs.start(visitor, "expert", view.case_id, work)
        told: Working | None = None
        try:
            while job.running:
                check()
                now = Working(stage=job.stage, fraction=job.fraction)
                if now != told:
                    told = now
                    yield now
                job = self._jobs.wait(visitor, job.id, _POLL_S)
        finally:
            self._jobs.cancel(visitor, job.id)
        error = self._jobs.error_of(visitor, job.id)
        if error is not None:
            raise error
        return made[0]

    def _require_free(self, case_id: str) -> None:
        if self._jobs.running_on(case_id):
            raise StateConflict(
                "Something is running on this case already.", hint="Wait until it is done, or cancel it."
            )

    def _read(
        self, visitor: Visitor, picture: PictureFacts, view: PictureView, trigger: Trigger, progress: Progress
    ) -> Read:
        case = self._store.get(visitor, view.case_id)
        labels, remarks = promptable(trigger.labels)
        found = self._segment(visitor, case, labels, progress)
        progress.stage("drawing what was marked")
        with span("render"):
            drawn, legend = self._draw(visitor, picture, view, self._store.volume(case), found)
        reading = ExpertReading(
            trigger=trigger,
            picture=drawn,
            legend=legend,
            not_found=tuple(_named(label) for label in found.not_found),
            warnings=(*remarks, *found.warnings),
            provenance=found.provenance,
        )
        return Read(reading=reading, notices=_elsewhere(found, view))

    def _segment(
        self, visitor: Visitor, case: Case, labels: tuple[int, ...] | None, progress: Progress
    ) -> Segmentation:
        mode, segmenter = self._segmenters(visitor)
        volume = self._store.volume(case)
        sha256 = volume.provenance.sha256
        with self._records.runs.recording(Service.VISTA3D.value, visitor, input_sha256=sha256, mode=mode.value) as run:
            progress.stage("sending")
            found = segmenter.run(
                SegmentationRequest(
                    volume=volume,
                    labels=labels,
                    image_file=lambda: self._exports.image_file(case, progress),
                    truth=self._store.truth(case),
                    progress=progress,
                )
            )
            made = self._records.noted(found.provenance, mode, segmenter.status())
            run.made(made)
        return replace(found, provenance=made)

    def _draw(
        self, visitor: Visitor, picture: PictureFacts, view: PictureView, volume: Volume, found: Segmentation
    ) -> tuple[PictureFacts, str]:
        """The coloured slice on the shelf, and its legend."""
        from workbench.imaging.picture import (  # noqa: PLC0415 - brings the imaging libraries along
            encode_picture,
            expert_picture,
            structures_on,
        )
        from workbench.imaging.slices import Window  # noqa: PLC0415 - likewise

        window = Window(center=view.center, width=view.width)
        pixels, mm_per_px, legend, colours = expert_picture(
            volume, found.labels, plane=view.plane, slice_number=view.slice, window=window
        )
        inputs = (volume.provenance, found.provenance)
        made = Provenance(
            origin=Origin.MOCK if any(each.origin is Origin.MOCK for each in inputs) else Origin.LOCAL,
            model="workbench",
            version=__version__,
            created_at=self._clock.stamp(),
            inputs=inputs,
        )
        facts = self._pictures.keep_expert(
            visitor,
            picture,
            encode_picture(pixels, mark=made.mark, mm_per_px=mm_per_px),
            legend,
            structures_on(found.labels, found.grid, view.plane, view.slice, colours=colours),
            made,
        )
        if not self._store.holds(view.case_id):  # deleted while it was drawn
            self._pictures.forget(visitor, facts.id)
            raise NotFound("This case was deleted.")
        return facts, legend


def _elsewhere(found: Segmentation, view: PictureView) -> tuple[str, ...]:
    """Where structures lie that were marked in the volume and not on this slice."""
    from workbench.imaging.slices import canonical, slice_of  # noqa: PLC0415 - brings the imaging libraries along

    here = set(np.unique(slice_of(found.labels, found.grid, view.plane, view.slice)).tolist())
    there = {label for label in np.unique(found.labels).tolist() if label not in (0, NOT_EVALUATED)} - here
    if not there or (here - {0, NOT_EVALUATED} and len(there) > _MOST_NAMED):
        return ()
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[view.plane]
    others = tuple(each for each in range(3) if each != axis)
    standing = canonical(found.labels, found.grid)

    def nearest(marked: NDArray[np.bool_]) -> int:
        slices = np.flatnonzero(marked.any(axis=others)) + 1
        return int(slices[np.abs(slices - view.slice).argmin()])

    if len(there) > _MOST_NAMED:
        number = nearest((standing != 0) & (standing != NOT_EVALUATED))
        return (f"The nearest slice with any of them is {view.plane} {number}.",)
    return tuple(
        f"{_named(label).capitalize()} is not on this slice; the nearest with it is {view.plane} "
        f"{nearest(standing == label)}."
        for label in sorted(there)
    )


def _named(label: int) -> str:
    return ORGANS[label].name if label in ORGANS else f"label {label}"
