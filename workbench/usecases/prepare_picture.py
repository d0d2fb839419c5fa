"""Prepare a picture to ask about: an upload, or a view of a case. What is kept is exactly what is shown and sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workbench.cases.jobs import Jobs
from workbench.cases.pictures import PictureShelf
from workbench.cases.store import CaseStore, telling_disk_full
from workbench.domain.case import Case, JobView, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import InvalidRequest, NotFound, TooLarge
from workbench.domain.picture import Modality, Picture, PictureFacts, PictureKind, Shown
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.usecases.open_ct import OpenCt
from workbench.usecases.picture_of_case import draw_view
from workbench.usecases.picture_order import Demo, InputPath, OnDisk, OpenCase, PictureSource, Placed, ViewOrder

if TYPE_CHECKING:
    from workbench.imaging.picture import Drawn

MOST_UPLOAD_BYTES = 64_000_000
"""Of a picture file; an X-ray of 4,000 x 4,000 pixels in 16 bit has half of that."""


@dataclass(frozen=True, kw_only=True)
class PicturePlace:
    """Where a picture file goes while it arrives."""

    id: str
    folder: Path

    @property
    def file(self) -> Path:
        """The file; its own name is not kept."""
        return self.folder / "picture"


class PreparePicture:
    """Pictures to ask about, for whoever asks. It is an inbox that a form with one picture is received into."""

    def __init__(
        self,
        *,
        shelf: PictureShelf,
        store: CaseStore,
        opening: OpenCt,
        jobs: Jobs,
        run_in_worker: RunInWorker,
        clock: Clock,
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._opening = opening
        self._jobs = jobs
        self._run_in_worker = run_in_worker
        self._clock = clock
        self.max_bytes = min(opening.max_bytes, MOST_UPLOAD_BYTES)

    def receive(self, visitor: Visitor) -> PicturePlace:
        """A place for a picture that is about to arrive."""
        new = self._clock.new_id()
        return PicturePlace(id=new, folder=self._store.upload_folder(new))

    def new_file(self, placed: PicturePlace, name: str, number: int) -> BinaryIO:
        """The file, open to be written.

        Raises:
            InvalidRequest: it is not the first of the form.
        """
        if number:
            raise InvalidRequest(
                "A question is about one picture, and several files were sent.",
                hint="Send one file. A CT of several files is opened in Segment.",
            )
        with telling_disk_full():
            return placed.file.open("xb")

    def give_up(self, placed: PicturePlace) -> None:
        """Erase what arrived."""
        self._store.drop_upload(placed.id)

    def too_large(self, size: int) -> TooLarge:
        """The error for a picture file over the limit."""
        return TooLarge(
            f"The picture has {size / 1e6:,.0f} MB; at most {self.max_bytes / 1e6:,.0f} MB are taken.",
            hint="Save it smaller: what is sent has at most 1,120 pixels along its longer side. "
            "A CT of many slices is opened in Segment.",
        )

    def take(
        self, visitor: Visitor, placed: PicturePlace, *, window: tuple[float, float] | None = None
    ) -> PictureFacts:
        """As `upload`, of what arrived in a form, which is erased after."""
        try:
            return self.upload(visitor, placed.file, window=window)
        finally:
            self.give_up(placed)

    def upload(
        self,
        visitor: Visitor,
        path: Path,
        *,
        window: tuple[float, float] | None = None,
        progress: Progress | None = None,
    ) -> PictureFacts:
        """Keep a picture file: PNG, JPEG, or DICOM of one frame. Nothing but its pixels is kept.

        Args:
            visitor: whose picture it becomes.
            path: the file, which is only read.
            window: centre and width in HU for a CT slice; None is the window that the model expects.
            progress: told of the reading.

        Raises:
            InputError: it is no picture, damaged, or too large.
        """
        from workbench.cases.picture_work import read_and_encode  # noqa: PLC0415 - brings the imaging libraries along

        if (size := path.stat().st_size) > self.max_bytes:
            raise self.too_large(size)
        new = self._new_id()
        with self._store.scratch(new) as scratch, span("read"):
            read = self._run_in_worker(read_and_encode, path, scratch, window, progress=progress or Silent())
        made = Provenance(
            origin=Origin.UPLOAD,
            model="upload",
            version="picture",
            created_at=self._clock.stamp(),
            parameters={"reader": "workbench", **({"window": list(window)} if window else {})},
        )
        return self._keep(
            self._facts(visitor, new, PictureKind.UPLOAD, replace(read.drawn, notes=read.notes), made),
            read.drawn.encoded,
            modality=read.modality,
            burned_in=read.burned_in,
        )

    def of_case(self, visitor: Visitor, case_id: str, order: ViewOrder) -> PictureFacts:
        """Draw and keep a view of a case: one slice, or a mosaic of the three planes.

        Without an overlay too, a picture of one slice names the structures that the case's mask has on it (a
        phantom's own labels where it has no mask yet). A mosaic names none: a place in it would be of three slices.

        Raises:
            NotFound: no such case.
            StateConflict: its volume is not read yet, or an overlay is wanted and there is no mask.
            InvalidRequest: no such plane or slice.
        """
        case = self._store.get(visitor, case_id)
        with span("render"):
            seen = draw_view(self._store, case, order, created_at=self._clock.stamp())
        kind = PictureKind.MOSAIC if order.mosaic else PictureKind.VIEW
        facts = self._facts(visitor, self._new_id(), kind, seen.drawn, seen.provenance)
        kept = self._keep(
            replace(facts, notes=(*facts.notes, *seen.notes)),
            seen.drawn.encoded,
            modality=Modality.CT,
            view=seen.view,
            structures=seen.structures,
            burned_in=seen.burned_in,
        )
        if not self._store.holds(case.id):  # deleted while it was drawn
            self._shelf.forget(kept.id)
            raise NotFound("This case was deleted.")
        return kept

    def open_picture(
        self,
        visitor: Visitor,
        source: PictureSource,
        order: ViewOrder,
        *,
        series: int | None = None,
        progress: Progress | None = None,
    ) -> PictureFacts:
        """Keep a picture of whatever is given; a volume is opened as a case first and waited for.

        A picture file is taken as it is, of `order` only a chosen window holds for it. `series` chooses in an upload
        of several.

        Raises:
            InputError: what is given cannot be read.
            Cancelled: raised by `progress`; the reading stops.
        """
        told = progress or Silent()
        match source:
            case OpenCase():
                return self.of_case(visitor, source.case_id, order)
            case Demo() | InputPath(path=""):
                return self._of_opened(visitor, self._opening.open_demo(visitor), order, told)
            case Placed():
                return self._of_placed(visitor, source.case, order, series, told)
            case InputPath():
                files = tuple(self._opening.files_within(source.path))
            case OnDisk():
                files = source.files
        if self._is_picture(files, told):
            return self.upload(visitor, files[0], window=order.chosen_window, progress=told)
        return self._of_opened(visitor, self._opening.open_files(visitor, files, series=series), order, told)

    def keep_expert(
        self,
        visitor: Visitor,
        of: PictureFacts,
        drawn: Drawn,
        legend: str,
        structures: tuple[Shown, ...],
        provenance: Provenance,
    ) -> PictureFacts:
        """Keep what an expert marked on the slice that a picture shows.

        `provenance` is the picture's, the expert's mask and the volume among its inputs; its mark is drawn in.
        """
        facts = self._facts(visitor, self._new_id(), PictureKind.EXPERT, drawn, provenance)
        return self._keep(
            facts,
            drawn.encoded,
            modality=of.modality,
            view=None if of.view is None else replace(of.view, overlay=True),
            structures=structures,
            legend=legend,
        )

    def get(self, visitor: Visitor, picture_id: str) -> Picture:
        """A picture with its bytes.

        Raises:
            NotFound: unknown, expired, or somebody else's: told in the same words.
        """
        return self._shelf.get(visitor, picture_id)

    def facts(self, visitor: Visitor, picture_id: str) -> PictureFacts:
        """What is known of a picture. Raises as `get`."""
        return self._shelf.facts(visitor, picture_id)

    def forget(self, visitor: Visitor, picture_id: str) -> None:
        """Erase a picture. Raises as `get`."""
        self._shelf.forget(self._shelf.facts(visitor, picture_id).id)

    def _of_placed(
        self, visitor: Visitor, case: Case, order: ViewOrder, series: int | None, progress: Progress
    ) -> PictureFacts:
        """Of an upload: the case that it lies in goes again where it turns out to be a picture."""
        try:
            files = tuple(self._opening.placed(case))
            if self._is_picture(files, progress):
                facts = self.upload(visitor, files[0], window=order.chosen_window, progress=progress)
                self._opening.give_up(case)
                return facts
            job = self._opening.open_upload(visitor, case, series=series)
        except BaseException:
            self._opening.give_up(case)
            raise
        return self._of_opened(visitor, (case, job), order, progress)

    def _of_opened(
        self, visitor: Visitor, opened: tuple[Case, JobView], order: ViewOrder, progress: Progress
    ) -> PictureFacts:
        case, job = opened
        self._jobs.follow(visitor, job.id, progress)
        return self.of_case(visitor, case.id, order)

    def _is_picture(self, files: tuple[Path, ...], progress: Progress) -> bool:
        from workbench.cases.picture_work import lone_picture  # noqa: PLC0415 - brings the imaging libraries along

        return self._run_in_worker(lone_picture, files, progress=progress)

    def _facts(
        self, visitor: Visitor, new_id: str, kind: PictureKind, drawn: Drawn, provenance: Provenance
    ) -> PictureFacts:
        digest = hashlib.sha256(drawn.encoded).hexdigest()
        return PictureFacts(
            id=new_id,
            owner=visitor.owner,
            created_at=provenance.created_at,
            kind=kind,
            sha256=digest,
            media_type=drawn.media_type,
            width_px=drawn.width_px,
            height_px=drawn.height_px,
            size_bytes=len(drawn.encoded),
            provenance=replace(provenance, sha256=digest),
            mm_per_px=drawn.mm_per_px,
            notes=drawn.notes,
        )

    def _keep(self, facts: PictureFacts, encoded: bytes, **more: Any) -> PictureFacts:
        return self._shelf.keep(replace(facts, **more), encoded).facts

    def _new_id(self) -> str:
        new = self._clock.new_id()
        while self._shelf.holds(new):  # after a restart, a seeded clock draws the same ids again
            new = self._clock.new_id()
        return new
