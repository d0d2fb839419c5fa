"""After the person's yes: VISTA-3D looks at the case, its result is drawn on the slice, and the model answers to it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests import made
from tests.asking_made import ADA, Beholder, asking
from tests.recorded import records
from workbench.cases.files import VOXELS
from workbench.cases.jobs import Jobs
from workbench.cases.pictures import PictureShelf
from workbench.cases.store import CaseStore
from workbench.domain.case import SegmentationRecord, Visitor
from workbench.domain.clock import Clock
from workbench.domain.dialogue import Token
from workbench.domain.errors import (
    Cancelled,
    ConsentNeeded,
    InvalidRequest,
    NimUnavailable,
    NotFound,
    PurposeRefused,
    StateConflict,
)
from workbench.domain.image_dialogue import (
    Begun,
    ExpertRead,
    ImageAnswer,
    ImageAnswered,
    ImageEvent,
    ImageQuestion,
    SentAs,
    Working,
)
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.picture import PictureFacts, PictureKind
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Operator, Purpose
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.usecases.ask_image import AskImage
from workbench.usecases.expert_offer import Behind, promptable
from workbench.usecases.expert_reading import ReadWithExpert
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.picture_order import ViewOrder
from workbench.usecases.prepare_picture import PreparePicture
from workbench.usecases.purposes import Purposes

LIVER, TUMOR, SPLEEN = 1, 26, 3
SHAPE = (40, 30, 12)


def mask() -> NDArray[np.uint8]:
    """Liver on axial slices 3 to 7 on the patient's right, a tumour in it on 6 alone. Indexed (i, j, k), LPS."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:16, 8:20, 2:7] = LIVER
    labels[6:9, 10:13, 5] = TUMOR
    return labels


@dataclass
class SmallVista:
    """A VISTA-3D that knows one mask, and keeps what it was asked."""

    labels: NDArray[np.uint8] = field(default_factory=mask)
    origin: Origin = Origin.LOCAL
    refuses: Exception | None = None
    waits: Callable[[Progress], None] | None = None
    asked: list[SegmentationRequest] = field(default_factory=list)

    def status(self) -> NimStatus:
        return NimStatus(
            service=Service.VISTA3D, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://v", detail=""
        )

    def run(self, request: SegmentationRequest, /) -> Segmentation:
        self.asked.append(request)
        request.progress.stage("segmenting", 0.5)
        if self.waits is not None:
            self.waits(request.progress)
        if self.refuses is not None:
            raise self.refuses
        wanted = request.labels or tuple(np.unique(self.labels)[1:].tolist())
        kept = np.where(np.isin(self.labels, wanted), self.labels, 0).astype(np.uint8)
        return Segmentation(
            labels=kept,
            grid=request.volume.grid,
            asked=request.labels,
            not_found=tuple(label for label in wanted if not (kept == label).any()),
            warnings=("A remark of VISTA-3D.",),
            provenance=Provenance(
                origin=self.origin,
                model="vista3d",
                version="1",
                created_at=made.STAMP,
                inputs=(request.volume.provenance,),
            ),
        )


class _Opening:
    max_bytes = 1_000_000


class Bench:
    """One case of Ada's, a picture of its axial slice 6, a VISTA-3D and somebody who answers."""

    def __init__(
        self, folder: Path, vista: SmallVista | None = None, *, operator: Operator | None = None, **more: Any
    ) -> None:
        self.folder = folder
        self.vista = vista or SmallVista()
        self.beholder = Beholder(says=("It is ", "in the liver."))
        self.store = CaseStore(folder, ttl_s=3600, most_cases=9)
        self.jobs = Jobs(Clock())
        self.shelf = PictureShelf(folder / "pictures", ttl_s=3600)
        self.pictures = PreparePicture(
            shelf=self.shelf,
            store=self.store,
            opening=_Opening(),  # type: ignore[arg-type]  # nothing is opened here
            jobs=self.jobs,
            run_in_worker=made.in_process,
            clock=Clock(),
        )
        self.case = self.store.create(made.case("case-one", "ada", shape=SHAPE))
        np.save(
            self.store.folder(self.case) / VOXELS, np.asfortranarray(np.full(SHAPE, 40, np.int16)), allow_pickle=False
        )
        self.about = self.picture(6)
        self.records = records(folder / "experts")
        if operator is not None:
            self.records = replace(self.records, purposes=Purposes(operator, self.records.metrics))
        self.experts = ReadWithExpert(
            store=self.store,
            jobs=self.jobs,
            segmenters=lambda _: (Mode.LOCAL, self.vista),
            exports=ExportCt(store=self.store, run_in_worker=made.in_process),
            pictures=self.pictures,
            clock=Clock(),
            records=self.records,
        )
        self.use: AskImage = asking(folder, self.beholder, shelf=self.pictures, experts=self.experts, **more)  # type: ignore[arg-type]

    def picture(self, number: int, plane: str = "axial", **more: Any) -> PictureFacts:
        return self.pictures.of_case(ADA, self.case.id, ViewOrder(plane=plane, slice=number, **more))

    def question(self, about: PictureFacts | None = None) -> ImageQuestion:
        return ImageQuestion(text="Is there a liver tumour?", picture_id=(about or self.about).id)

    def run(self, argument: str = "hepatic tumor", about: PictureFacts | None = None) -> list[ImageEvent]:
        return list(self.use.run_expert(ADA, self.question(about), argument, asks_consent=False))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "experts/records/runs.jsonl").read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def answer_of(events: list[ImageEvent]) -> ImageAnswer:
    last = events[-1]
    assert isinstance(last, ImageAnswered)
    return last.answer


def test_the_expert_works_then_its_slice_is_shown_and_the_model_answers_to_it(bench):
    events = bench.run()

    kinds = [type(each) for each in events]
    first_words = kinds.index(ExpertRead)
    assert set(kinds[:first_words]) <= {Working}
    assert kinds[first_words:] == [ExpertRead, Begun, Token, Token, ImageAnswered]
    answer = answer_of(events)
    assert answer.text == "It is in the liver."
    assert answer.picture.sha256 == bench.about.sha256, "pinned to the picture that was asked about"
    assert answer.expert is not None
    assert answer.expert.picture.kind is PictureKind.EXPERT
    assert answer.expert.legend == "red: liver, blue: hepatic tumor"
    assert "A remark of VISTA-3D." in answer.expert.warnings


def test_vista_is_asked_for_the_arguments_structures_and_the_model_is_shown_the_coloured_slice(bench):
    answer = answer_of(bench.run())

    (request,) = bench.vista.asked
    assert request.labels == (LIVER, TUMOR)
    (given,) = bench.beholder.given
    assert given.expert is answer.expert
    assert given.picture.facts.id == answer.expert.picture.id
    assert given.question == "Is there a liver tumour?"
    shown = np.asarray(Image.open(io.BytesIO(given.picture.encoded)).convert("RGB")).astype(int)
    # The tumour is blue and lies on the picture's left: voxels i 6..9 of 40, j 10..13 of 30, the patient's right.
    rows, columns = shown.shape[:2]
    y, x = int(rows * 11.5 / 30), int(columns * 7.5 / 40)
    assert shown[y, x, 2] > shown[y, x, 0] + 30
    y, x = int(rows * 18 / 30), int(columns * 14 / 40)
    assert shown[y, x, 0] > shown[y, x, 2] + 30


def test_everything_is_asked_for_without_a_list(bench):
    bench.run("everything")

    assert bench.vista.asked[0].labels is None


def test_the_case_keeps_its_own_mask(bench):
    record = SegmentationRecord(asked=None, not_found=(), warnings=(), provenance=made.UPLOAD, revision=1)
    bench.store.write_labels(bench.case, np.full(SHAPE, SPLEEN, np.uint8), 1)
    bench.store.save(bench.case.with_(segmentation=record))
    before = case_files(bench)

    bench.run()

    after = bench.store.get(ADA, bench.case.id)
    assert after.revision == 1
    assert (bench.store.segmentation(after).labels == SPLEEN).all()
    assert {name: time for name, time in case_files(bench).items() if name in before} == before


def case_files(bench: Bench) -> dict[str, int]:
    folder = bench.store.folder(bench.case)
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_an_answer_names_the_experts_run_and_inherits_its_mock(tmp_path):
    bench = Bench(tmp_path, SmallVista(origin=Origin.MOCK))

    answer = answer_of(bench.run())

    assert answer.is_mock
    assert answer.expert.is_mock
    assert answer.expert.picture.mark == "MOCK"
    assert answer.provenance.parameters["expert"] == {
        "call": "<VISTA3D(hepatic tumor)>",
        "sha256": answer.expert.picture.sha256,
    }
    kinds = [each.model for each in answer.provenance.inputs]
    assert kinds == ["workbench", "workbench"]
    assert [each.model for each in answer.provenance.inputs[1].inputs] == ["upload", "vista3d"]


def test_both_runs_stand_in_the_log(bench):
    bench.run()

    (vista,) = bench.lines()
    assert (vista["service"], vista["outcome"], vista["review_record"] is not None) == ("vista3d", "done", True)
    (vila,) = (bench.folder / "records" / "runs.jsonl").read_text().splitlines()
    assert json.loads(vila)["service"] == "vila_m3"


def test_a_slice_without_anything_marked_is_told_with_the_nearest_one_and_the_model_is_not_asked(bench):
    answer = answer_of(bench.run(about=bench.picture(11)))

    assert bench.beholder.given == []
    assert "marked nothing on this slice (axial 11)" in answer.text
    assert (answer.sent_as, answer.prompt, answer.expert.legend) == (SentAs.NOT_SENT, "", "")
    assert "Liver is not on this slice; the nearest with it is axial 7." in answer.notices
    assert "Hepatic tumor is not on this slice; the nearest with it is axial 6." in answer.notices


def test_a_mock_that_marks_nothing_is_called_a_mock(tmp_path):
    bench = Bench(tmp_path, SmallVista(origin=Origin.MOCK))

    answer = answer_of(bench.run(about=bench.picture(11)))

    assert answer.text.startswith("The mock of VISTA-3D")
    assert answer.is_mock


def test_what_is_marked_on_other_slices_only_is_told_beside_the_answer(bench):
    answer = answer_of(bench.run(about=bench.picture(4)))

    assert answer.expert.legend == "red: liver"
    assert answer.notices == ("Hepatic tumor is not on this slice; the nearest with it is axial 6.",)


@pytest.mark.parametrize(("plane", "number", "near"), [("coronal", 30, "coronal 20"), ("sagittal", 1, "sagittal 5")])
def test_the_nearest_slice_is_counted_in_the_pictures_own_plane(bench, plane, number, near):
    answer = answer_of(bench.run(about=bench.picture(number, plane)))

    assert f"Liver is not on this slice; the nearest with it is {near}." in answer.notices


def test_what_was_looked_for_in_vain_is_named(bench):
    bench.vista.labels[bench.vista.labels == TUMOR] = LIVER

    answer = answer_of(bench.run())

    assert answer.expert.not_found == ("hepatic tumor",)


def test_the_same_call_again_is_not_offered_and_another_one_is(bench):
    bench.beholder.says = ("<VISTA3D(hepatic tumor)>",)
    again = answer_of(bench.run())
    assert not again.can_run
    assert "again" in again.offer

    bench.beholder.says = ("<VISTA3D(organs)>",)
    other = answer_of(bench.run())
    assert (other.can_run, other.offer) == (True, "Segment organs with VISTA-3D?")


@pytest.mark.parametrize("argument", ["the moon", "liver", "hepatic tumor)><CXR("])
def test_only_what_the_model_may_call_for_is_run(bench, argument):
    with pytest.raises(InvalidRequest, match="VISTA-3D"):
        bench.run(argument)
    assert bench.vista.asked == []


def test_a_picture_without_a_volume_behind_it_cannot_be_segmented(bench, tmp_path):
    Image.new("L", (40, 30)).save(tmp_path / "x.png")
    alone = bench.pictures.upload(ADA, tmp_path / "x.png")

    with pytest.raises(StateConflict, match="No volume"):
        bench.run(about=alone)


def test_somebody_elses_picture_is_not_found(bench):
    with pytest.raises(NotFound):
        bench.use.run_expert(Visitor(owner="ben"), bench.question(), "everything", asks_consent=False)


def test_consent_is_asked_for_before_anything_is_segmented(tmp_path):
    bench = Bench(tmp_path, mode=Mode.CLOUD, leaves_for="https://hosted.example/v1")

    with pytest.raises(ConsentNeeded):
        bench.use.run_expert(ADA, bench.question(), "everything", asks_consent=True)
    assert bench.vista.asked == []


def test_an_operator_who_does_not_allow_segmentation_is_obeyed(tmp_path):
    bench = Bench(tmp_path, operator=Operator(purposes={"vista3d": (Purpose.GENERATION,)}))

    with pytest.raises(PurposeRefused, match="VISTA-3D"):
        bench.run()


def test_one_thing_at_a_time_runs_on_a_case(bench):
    at_work, go_on = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        at_work.set()
        go_on.wait(60)

    job = bench.jobs.start(ADA, "segment", bench.case.id, work)
    assert at_work.wait(60)
    with pytest.raises(StateConflict, match="running"):
        bench.run()
    go_on.set()
    bench.jobs.wait(ADA, job.id, 60)

    assert answer_of(bench.run()).text


def test_while_the_expert_works_the_case_counts_as_busy(bench):
    seen = []
    bench.vista.waits = lambda _: seen.append(bench.jobs.running_on(bench.case.id))

    bench.run()

    assert seen == [True]
    assert not bench.jobs.running_on(bench.case.id)


def test_stopping_ends_the_segmentation_and_nothing_is_lost(bench):
    at_work = threading.Event()

    def wait(progress: Progress) -> None:
        at_work.set()
        while True:
            progress.stage("segmenting")

    bench.vista.waits = wait
    under_way = bench.use.run_expert(ADA, bench.question(), "everything", asks_consent=False)
    stopper = threading.Thread(target=lambda: (at_work.wait(60), under_way.stop()))
    stopper.start()

    with pytest.raises(Cancelled):
        list(under_way)
    stopper.join(60)
    bench.jobs.cancel_case(bench.case.id, timeout_s=60)
    assert not bench.jobs.running_on(bench.case.id)
    assert bench.lines()[0]["outcome"] == "cancelled"
    assert bench.beholder.given == []
    bench.vista.waits = None
    assert answer_of(bench.run()).text


def test_a_failed_segmentation_is_told_in_its_own_words_and_nothing_is_lost(bench):
    bench.vista.refuses = NimUnavailable("VISTA-3D is away.", hint="Start it.")
    events: list[ImageEvent] = []

    with pytest.raises(NimUnavailable, match="away"):
        events.extend(bench.use.run_expert(ADA, bench.question(), "everything", asks_consent=False))

    assert {type(each) for each in events} <= {Working}
    assert bench.shelf.count() == 1
    assert bench.pictures.get(ADA, bench.about.id).facts == bench.about


def test_a_case_that_is_deleted_takes_its_picture_along(bench):
    bench.store.on_delete(bench.shelf.drop_case)
    bench.store.delete(bench.case.id)

    with pytest.raises(NotFound):
        bench.run()


def test_structures_that_are_no_prompts_are_left_out_and_named():
    assert promptable((1, 16, 26)) == (
        (1, 26),
        ("VISTA-3D does not accept prostate or uterus as a request; left out.",),
    )
    assert promptable(None) == (None, ())
    assert promptable((1,)) == ((1,), ())


def test_a_mosaic_is_answered_with_the_slice_of_its_own_plane(bench):
    about = bench.pictures.of_case(
        ADA, bench.case.id, ViewOrder(slices={"axial": 6, "coronal": 12, "sagittal": 8}, mosaic=True)
    )

    answer = answer_of(bench.run(about=about))

    assert answer.expert.legend == "red: liver, blue: hepatic tumor"
    assert dict(answer.expert.picture.view.slices)["axial"] == 6


def test_behind_a_picture_whose_case_was_deleted_nothing_is_left(bench):
    assert bench.experts.behind(ADA, bench.about) is Behind.VOLUME
    bench.store.delete(bench.case.id)

    assert bench.experts.behind(ADA, bench.about) is Behind.GONE
