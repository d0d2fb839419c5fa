"""Pictures to ask about: exactly what the imaging draws, pinned to their case, with whatever mark they inherit."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from tests import made
from tests.data import real
from tests.dicom_made import make_image
from tests.serving import wait_until, write_ct
from tests.usecases.test_open_ct import runs_in
from workbench.cases.files import TRUTH, VOXELS
from workbench.cases.jobs import Jobs
from workbench.cases.picture_work import lone_picture
from workbench.cases.pictures import PictureShelf
from workbench.cases.store import CaseStore
from workbench.domain.case import Case, CaseState, SegmentationRecord, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import (
    Cancelled,
    InputError,
    InvalidRequest,
    NotFound,
    OutsideInputFolders,
    StateConflict,
    TooLarge,
    UnreadableImage,
)
from workbench.domain.picture import Modality, PictureFacts, PictureKind
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Grid
from workbench.domain.work import RunInWorker
from workbench.imaging import picture
from workbench.imaging.slices import WINDOWS, Window
from workbench.usecases.open_ct import InputLimits, OpenCt
from workbench.usecases.picture_order import InputPath, OnDisk, OpenCase, Placed, ViewOrder, read_window
from workbench.usecases.prepare_picture import PreparePicture

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")
SHAPE = (40, 32, 24)
SOFT = Window(center=50, width=400)
SYNTHETIC = Provenance(origin=Origin.LOCAL, model="maisi", version="1", created_at=made.STAMP, synthetic=True)
REAL = Provenance(origin=Origin.LOCAL, model="vista3d", version="1", created_at=made.STAMP)
LIVER, SPLEEN = 1, 3


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Pictures prepared in this process, over a store of their own."""

    store: CaseStore
    shelf: PictureShelf
    opening: OpenCt
    pictures: PreparePicture
    jobs: Jobs
    folder: Path

    def bytes_of(self, facts: PictureFacts) -> bytes:
        return self.pictures.get(ANNA, facts.id).encoded

    def pixels_of(self, facts: PictureFacts) -> NDArray[np.uint8]:
        return np.asarray(Image.open(io.BytesIO(self.bytes_of(facts))))


def desk_in(
    folder: Path, clock: Clock | None = None, *, run_in_worker: RunInWorker = made.in_process, **limits: int
) -> Desk:
    clock = clock or Clock()
    store = CaseStore(folder / "data", ttl_s=3600, most_cases=8)
    shelf = PictureShelf(folder / "data/pictures", ttl_s=3600)
    store.on_delete(shelf.drop_case)
    jobs = Jobs(clock)
    opening = OpenCt(
        store=store,
        jobs=jobs,
        run_in_worker=run_in_worker,
        clock=clock,
        limits=InputLimits(
            **{"max_bytes": 100_000_000, "max_voxels": 10**9, **limits}, input_folders=(folder / "inputs",)
        ),
        phantom_folder=folder / "phantom",
        runs=runs_in(folder),
    )
    pictures = PreparePicture(
        shelf=shelf, store=store, opening=opening, jobs=jobs, run_in_worker=run_in_worker, clock=clock
    )
    return Desk(store=store, shelf=shelf, opening=opening, pictures=pictures, jobs=jobs, folder=folder)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_in(tmp_path)


def hu_and_labels() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Noise in which no two slices are alike, a liver everywhere but at the ends, and a spleen on slices 9 to 12."""
    hu = np.random.default_rng(6).integers(-300, 400, SHAPE, dtype=np.int16)
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:20, 6:26, 3:20] = LIVER
    labels[28:36, 8:16, 8:12] = SPLEEN
    return hu, labels


def open_case(
    desk: Desk,
    *,
    volume: Provenance = made.UPLOAD,
    mask: Provenance | None = None,
    asked: tuple[int, ...] | None = None,
    case_id: str = "case-one-1",
) -> Case:
    """Anna's case of `hu_and_labels`, voxels of 1 x 2 x 3 mm; with a mask where it has a provenance."""
    hu, labels = hu_and_labels()
    case = desk.store.create(made.case(case_id, "anna", shape=SHAPE).with_(provenance=volume))
    np.save(desk.store.folder(case) / VOXELS, np.asfortranarray(hu))
    if mask is None:
        return case
    desk.store.write_labels(case, labels, 1)
    record = SegmentationRecord(asked=asked, not_found=(), warnings=(), provenance=mask, revision=1)
    return desk.store.save(case.with_(segmentation=record))


def a_png(path: Path, size: tuple[int, int] = (90, 60), mode: str = "RGB") -> Path:
    """A picture whose file also says who is on it."""
    told = PngInfo()
    told.add_text("Patient", "Wintermute^Anna")
    noise = np.random.default_rng(1).integers(0, 256, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size).convert(mode).save(path, "PNG", pnginfo=told)
    return path


# Views of a case


def test_a_view_is_byte_for_byte_what_the_imaging_draws_and_encodes(desk):
    case = open_case(desk)
    facts = desk.pictures.of_case(ANNA, case.id, ViewOrder(plane="coronal", slice=7).windowed("lung"))
    pixels, mm = picture.slice_picture(
        desk.store.volume(case), None, plane="coronal", slice_number=7, window=WINDOWS["lung"], overlay=False
    )
    drawn = picture.encode_picture(pixels, mark=None, mm_per_px=mm)
    assert desk.bytes_of(facts) == drawn.encoded
    assert facts.sha256 == hashlib.sha256(drawn.encoded).hexdigest() == facts.provenance.sha256
    assert (facts.width_px, facts.height_px, facts.size_bytes) == (40, 72, len(drawn.encoded))
    assert facts.mm_per_px == mm == 1.0
    assert facts.view is not None
    assert (facts.view.plane, facts.view.slice, facts.view.window) == ("coronal", 7, "lung")
    assert (facts.view.center, facts.view.width) == (-600, 1500)
    assert facts.modality is Modality.CT


def test_without_further_wishes_it_is_the_axial_slice_with_most_structures_in_the_models_window(desk):
    case = open_case(desk, mask=REAL)
    facts = desk.pictures.of_case(ANNA, case.id, ViewOrder())
    assert facts.view is not None
    assert facts.kind is PictureKind.VIEW
    assert facts.view.plane == "axial"
    assert facts.view.slice in range(9, 13)
    assert (facts.view.center, facts.view.width, facts.view.window) == (50, 400, "soft tissue")
    assert not facts.view.overlay
    assert facts.view.revision == 1
    grey, _ = picture.slice_picture(
        desk.store.volume(case), None, plane="axial", slice_number=facts.view.slice, window=SOFT, overlay=False
    )
    assert np.abs(desk.pixels_of(facts).astype(int) - grey).mean() < 3


def test_without_a_mask_it_is_the_middle_slice_and_no_structures_are_claimed(desk):
    facts = desk.pictures.of_case(ANNA, open_case(desk).id, ViewOrder())
    assert facts.view is not None
    assert facts.view.slice == 12
    assert facts.structures is None


def test_the_structures_on_the_slice_are_told_with_and_without_the_overlay(desk):
    case = open_case(desk, mask=REAL)
    for overlay in (False, True):
        facts = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10, overlay=overlay))
        assert facts.structures is not None
        assert [each.name for each in facts.structures] == ["liver", "spleen"]
        # 16 x 20 and 8 x 8 pixels of 1 x 2 mm.
        assert [each.area_mm2 for each in facts.structures] == [640.0, 128.0]
        assert facts.notes == ()
    beyond = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=1))
    assert beyond.structures == ()


def test_an_overlay_is_drawn_only_when_it_is_wanted(desk):
    case = open_case(desk, mask=REAL)
    plain = desk.pixels_of(desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10)))
    drawn = desk.pixels_of(desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10, overlay=True)))
    alone = desk.pixels_of(
        desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10, overlay=True, visible=frozenset({SPLEEN})))
    )
    assert plain.ndim == 2
    # The array runs to the left and to the back, as the picture does; rows are of 2 mm and stand twice.
    liver, spleen = np.s_[20:44, 8:16], np.s_[20:28, 30:34]
    for coloured, place, is_coloured in (
        (drawn, liver, True),
        (drawn, spleen, True),
        (alone, liver, False),
        (alone, spleen, True),
    ):
        spread = np.ptp(coloured[place].astype(int), axis=2).mean()
        assert (spread > 20) == is_coloured


def test_a_mosaic_is_what_the_imaging_draws_with_a_slice_of_each_plane(desk):
    case = open_case(desk, mask=REAL)
    order = ViewOrder(plane="sagittal", slice=12, slices={"axial": 10}, mosaic=True, overlay=True)
    facts = desk.pictures.of_case(ANNA, case.id, order)
    assert facts.view is not None
    assert facts.kind is PictureKind.MOSAIC
    assert next(iter(facts.view.slices)) == "sagittal"
    coronal = picture.default_slice(desk.store.segmentation(case).labels, desk.store.volume(case).grid, "coronal")
    assert dict(facts.view.slices) == {"axial": 10, "coronal": coronal, "sagittal": 12}
    pixels, mm = picture.mosaic_picture(
        desk.store.volume(case),
        desk.store.segmentation(case).labels,
        slices=facts.view.slices,
        window=SOFT,
        overlay=True,
    )
    assert desk.bytes_of(facts) == picture.encode_picture(pixels, mark=None, mm_per_px=mm).encoded
    assert facts.structures is None


def test_a_picture_inherits_the_mark_of_what_is_drawn_in_it_and_of_nothing_else(desk):
    def mark_of(number: int, volume: Provenance, mask: Provenance | None, *, overlay: bool) -> str | None:
        case = open_case(desk, volume=volume, mask=mask, case_id=f"case-{number:04}")
        facts = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10, overlay=overlay))
        pixels = desk.pixels_of(facts)
        amber = pixels.ndim == 3 and (np.abs(pixels.astype(int) - (240, 180, 41)).sum(axis=2) < 60)[:3].any()
        assert bool(amber) == (facts.mark is not None)
        assert facts.provenance.inputs[0] == volume
        return facts.mark

    assert mark_of(1, made.UPLOAD, REAL, overlay=True) is None
    assert mark_of(2, made.UPLOAD, made.MOCK, overlay=False) is None
    assert mark_of(3, made.UPLOAD, made.MOCK, overlay=True) == "MOCK"
    assert mark_of(4, made.MOCK, REAL, overlay=False) == "MOCK"
    assert mark_of(5, SYNTHETIC, REAL, overlay=False) == "SYNTHETIC"
    assert mark_of(6, SYNTHETIC, made.MOCK, overlay=True) == "MOCK SYNTHETIC"


def test_structures_from_a_mocks_mask_and_from_a_part_of_the_list_are_said_to_be_that(desk):
    case = open_case(desk, mask=made.MOCK, asked=(LIVER, SPLEEN))
    facts = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10))
    assert not facts.provenance.is_mock
    assert len(facts.notes) == 2
    assert "asked for" in facts.notes[0]
    assert "mock" in facts.notes[1]


def test_a_phantom_without_a_mask_tells_its_structures_from_its_own_labels_and_draws_none(desk):
    case = open_case(desk, volume=made.MOCK)
    np.save(desk.store.folder(case) / TRUTH, np.asfortranarray(hu_and_labels()[1]))
    facts = desk.pictures.of_case(ANNA, case.id, ViewOrder())
    assert [each.name for each in facts.structures or ()] == ["liver", "spleen"]
    with pytest.raises(StateConflict, match="no segmentation"):
        desk.pictures.of_case(ANNA, case.id, ViewOrder(overlay=True))


def test_the_patients_right_is_on_the_left_of_the_picture_however_the_array_lies(desk):
    # One bright block at the right, anterior, superior end of the patient; an array that runs P, R, I.
    grid = Grid(
        shape=(30, 20, 10), affine_ras_mm=np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, -2, 0], [0, 0, 0, 1.0]])
    )
    hu = np.full(grid.shape, -1000, np.int16)
    hu[:6, -5:, :3] = 400
    case = desk.store.create(
        made.case("case-one-1", "anna", shape=grid.shape).with_(
            affine_ras_mm=tuple(grid.affine_ras_mm.ravel().tolist())
        )
    )
    np.save(desk.store.folder(case) / VOXELS, np.asfortranarray(hu))
    axial = desk.pixels_of(desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=9)))
    assert axial.shape == (30, 20)
    assert axial[:6, :5].mean() > 240
    assert axial[8:, 7:].mean() < 10
    coronal = desk.pixels_of(desk.pictures.of_case(ANNA, case.id, ViewOrder(plane="coronal", slice=3)))
    assert coronal.shape == (20, 20)
    assert coronal[:5, :4].mean() > 240
    assert coronal[8:, 7:].mean() < 10


def test_text_on_the_slices_of_a_scan_is_warned_of_where_it_is_shown(desk):
    lettered = Image.new("L", (200, 160))
    ImageDraw.Draw(lettered).text((8, 6), "WINTERMUTE ANNA 1970", fill=255, font=ImageFont.load_default(14))
    # The picture of an array that runs to the left and to the back is the array itself, columns first.
    hu = np.full((200, 160, 6), -200, np.int16)
    hu[:, :, 2:5] = np.asarray(lettered).T[..., None] * np.int16(8) - 200
    case = desk.store.create(
        made.case("case-one-1", "anna", shape=hu.shape).with_(
            affine_ras_mm=tuple(made.affine((1.0, 1.0, 5.0)).ravel().tolist())
        )
    )
    np.save(desk.store.folder(case) / VOXELS, np.asfortranarray(hu))

    def warned(order: ViewOrder) -> bool:
        return desk.pictures.of_case(ANNA, case.id, order).burned_in is not None

    assert warned(ViewOrder(slice=4))
    assert warned(ViewOrder(mosaic=True, slices={"axial": 3}))
    assert not warned(ViewOrder(slice=1))
    assert not warned(ViewOrder(plane="coronal", slice=10))


def test_a_case_of_somebody_else_or_one_that_is_still_read_gives_no_picture(desk):
    case = open_case(desk)
    with pytest.raises(NotFound):
        desk.pictures.of_case(BEN, case.id, ViewOrder())
    desk.store.save(case.with_(state=CaseState.READING))
    with pytest.raises(StateConflict):
        desk.pictures.of_case(ANNA, case.id, ViewOrder())
    assert desk.shelf.count() == 0


@pytest.mark.parametrize(
    "order",
    [
        ViewOrder(plane="up"),
        ViewOrder(slice=0),
        ViewOrder(slice=25),
        ViewOrder(plane="sagittal", slice=41),
        ViewOrder(mosaic=True, slices={"coronal": 99}),
        ViewOrder(mosaic=True, slices={"oblique": 1}),
        ViewOrder(overlay=True),
    ],
)
def test_a_view_that_the_case_does_not_have_is_refused_and_nothing_is_kept(desk, order):
    with pytest.raises(StateConflict if order.overlay else InvalidRequest):
        desk.pictures.of_case(ANNA, open_case(desk).id, order)
    assert desk.shelf.count() == 0


def test_a_case_that_is_erased_while_it_is_drawn_leaves_no_picture(tmp_path):
    desk: Desk

    def erase_first() -> str:
        desk.store.delete("case-one-1")
        return "picture-of-what-is-gone"

    desk = desk_in(tmp_path, Clock(new_id=erase_first))
    open_case(desk)
    with pytest.raises(NotFound):
        desk.pictures.of_case(ANNA, "case-one-1", ViewOrder())
    assert desk.shelf.count() == 0


def test_a_picture_outlives_the_mask_that_it_was_drawn_with_and_says_which_it_was(desk):
    case = open_case(desk, mask=REAL)
    facts = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10, overlay=True))
    before = desk.bytes_of(facts)
    record = case.segmentation
    assert record is not None
    desk.store.write_labels(case, np.zeros(SHAPE, np.uint8), 2)
    desk.store.drop_older(desk.store.save(case.with_(segmentation=replace(record, revision=2))))
    assert desk.bytes_of(facts) == before
    assert facts.view is not None
    assert facts.view.revision == 1


# Windows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("lung", (-600, 1500, "lung")),
        ("Soft_Tissue", (50, 400, "soft tissue")),
        ("50,400", (50, 400, "soft tissue")),
        (" 90 , 151.5 ", (90, 151.5, None)),
        ({"center": 40, "width": 80}, (40, 80, "brain")),
    ],
)
def test_a_window_is_taken_by_name_or_by_numbers(given, expected):
    assert read_window(given) == expected


@pytest.mark.parametrize("given", ["bright", "50", "50,400,2", "50,0", "nan,400", "50,inf", {"center": 50}, {}])
def test_a_window_that_is_none_is_refused_with_how_to_give_one(given):
    with pytest.raises(InvalidRequest) as refused:
        read_window(given)
    assert refused.value.hint


# Uploads


def test_of_an_upload_nothing_but_its_pixels_is_kept(desk, tmp_path):
    facts = desk.pictures.upload(ANNA, a_png(tmp_path / "Wintermute Anna 1970.png"))
    kept = b"".join(each.read_bytes() for each in (tmp_path / "data/pictures").rglob("*") if each.is_file())
    assert b"Wintermute" not in kept
    assert b"1970" not in kept
    assert facts.kind is PictureKind.UPLOAD
    assert (facts.width_px, facts.height_px) == (90, 60)
    assert facts.provenance.origin is Origin.UPLOAD
    assert facts.mark is None
    assert facts.view is None
    assert facts.modality is None
    assert facts.structures is None
    original = np.asarray(Image.open(tmp_path / "Wintermute Anna 1970.png")).astype(int)
    assert np.abs(desk.pixels_of(facts) - original).mean() < 3


def test_an_upload_leaves_no_scratch_and_the_file_as_it_was(desk, tmp_path):
    file = a_png(tmp_path / "a.png")
    before = file.read_bytes()
    desk.pictures.upload(ANNA, file)
    assert file.read_bytes() == before
    assert not list((tmp_path / "data/uploads").iterdir())


@pytest.mark.parametrize("content", [None, b"", b"%PDF-1.7 something", b"\x89PNG\r\n\x1a\nhalf"])
def test_what_arrives_in_a_form_is_erased_whether_it_can_be_read_or_not(desk, tmp_path, content):
    placed = desk.pictures.receive(ANNA)
    with desk.pictures.new_file(placed, "../../Anna.png", 0) as file:
        file.write(a_png(tmp_path / "a.png").read_bytes() if content is None else content)
    assert list((tmp_path / "data/uploads").rglob("picture"))
    if content is None:
        desk.pictures.take(ANNA, placed)
    else:
        with pytest.raises(UnreadableImage):
            desk.pictures.take(ANNA, placed)
    assert not list((tmp_path / "data/uploads").iterdir())
    assert desk.shelf.count() == (content is None)


def test_a_second_file_is_refused(desk):
    placed = desk.pictures.receive(ANNA)
    desk.pictures.new_file(placed, "a.png", 0).close()
    with pytest.raises(InvalidRequest, match="one picture"):
        desk.pictures.new_file(placed, "b.png", 1)
    desk.pictures.give_up(placed)


def test_a_picture_over_the_limit_is_refused_before_it_is_read(tmp_path):
    assert desk_in(tmp_path / "one").pictures.max_bytes == 64_000_000
    desk = desk_in(tmp_path, max_bytes=1000)
    assert desk.pictures.max_bytes == 1000
    large = tmp_path / "large.png"
    large.write_bytes(bytes(1001))
    with pytest.raises(TooLarge):
        desk.pictures.upload(ANNA, large)


def test_a_volume_is_no_picture_and_the_person_is_sent_to_segment(desk, tmp_path):
    with pytest.raises(InputError) as refused:
        desk.pictures.upload(ANNA, write_ct(tmp_path / "body.nii.gz"))
    assert "Segment" in (refused.value.hint or "")


def test_a_ct_slice_is_seen_in_the_models_window_unless_another_is_chosen(desk, tmp_path):
    stored = np.tile(np.arange(0, 1024, 16, dtype=np.int16), (48, 1))  # HU -512 to 496 from left to right
    make_image(tmp_path / "slice.dcm", stored + 512, spacing=(1.0, 1.0), WindowCenter=2000, WindowWidth=1)
    usual = desk.pixels_of(desk.pictures.upload(ANNA, tmp_path / "slice.dcm"))
    lung = desk.pixels_of(desk.pictures.upload(ANNA, tmp_path / "slice.dcm", window=(-600, 1500)))
    middle = usual[20].astype(int)
    # Grey begins at -150 HU, pixel 23, and is white from 250 HU, pixel 48.
    assert middle[20] < 8
    assert abs(middle[35] - 255 * (16 * 35 - 512 + 150) / 400) < 8
    assert middle[50] > 247
    assert lung[20].astype(int)[20] > 90


def test_an_expert_picture_belongs_to_the_view_that_it_was_made_for(desk):
    case = open_case(desk)
    of = desk.pictures.of_case(ANNA, case.id, ViewOrder(slice=10))
    _, labels = hu_and_labels()
    volume = desk.store.volume(case)
    pixels, mm, legend, _ = picture.expert_picture(volume, labels, plane="axial", slice_number=10, window=SOFT)
    made_by = replace(made.UPLOAD, origin=Origin.MOCK, inputs=(volume.provenance, made.MOCK))
    structures = picture.structures_on(labels, volume.grid, "axial", 10, None)
    drawn = picture.encode_picture(pixels, mark=made_by.mark, mm_per_px=mm)
    kept = desk.pictures.keep_expert(ANNA, of, drawn, legend, structures, made_by)
    assert kept.kind is PictureKind.EXPERT
    assert kept.legend == "red: liver, blue: spleen"
    assert kept.view is not None
    assert (kept.view.case_id, kept.view.plane, kept.view.slice) == (case.id, "axial", 10)
    assert kept.mark == "MOCK"
    assert desk.bytes_of(kept) == drawn.encoded
    assert kept.provenance.sha256 == kept.sha256
    desk.store.delete(case.id)
    with pytest.raises(NotFound):
        desk.pictures.get(ANNA, kept.id)


# Whatever is given


def place(desk: Desk, file: Path) -> Case:
    case = desk.opening.receive(ANNA)
    with desk.opening.new_file(case, file.name, 0) as target:
        target.write(file.read_bytes())
    return case


def test_an_uploaded_picture_opens_no_case_and_an_uploaded_volume_does(desk, tmp_path):
    case = place(desk, a_png(tmp_path / "a.png"))
    facts = desk.pictures.open_picture(ANNA, Placed(case=case), ViewOrder())
    assert facts.kind is PictureKind.UPLOAD
    assert desk.store.all() == []
    case = place(desk, write_ct(tmp_path / "body.nii.gz"))
    facts = desk.pictures.open_picture(ANNA, Placed(case=case), ViewOrder(plane="coronal", slice=20))
    assert facts.view is not None
    assert (facts.view.case_id, facts.view.plane, facts.view.slice) == (case.id, "coronal", 20)
    assert [each.id for each in desk.store.all()] == [case.id]
    assert not list((tmp_path / "data/uploads").iterdir())


@pytest.mark.parametrize("name", ["a.gif", "empty.png", "note.txt", "damaged.nii.gz"])
def test_what_is_neither_leaves_no_case_and_no_upload(desk, tmp_path, name):
    file = tmp_path / name
    content = {
        "a.gif": b"GIF89a" + bytes(60),
        "empty.png": b"",
        "note.txt": b"words",
        "damaged.nii.gz": b"\x1f\x8b\x08",
    }
    file.write_bytes(content[name])
    case = place(desk, file)
    with pytest.raises(InputError):
        desk.pictures.open_picture(ANNA, Placed(case=case), ViewOrder())
    assert desk.store.all() == []
    assert not list((tmp_path / "data/uploads").iterdir())
    assert desk.shelf.count() == 0


@pytest.mark.parametrize("content", [b"", b"words", b"%PDF-1.7 ", bytes(range(128, 256)) * 9])
def test_a_file_that_is_neither_is_refused_as_a_picture_and_not_as_a_ct(desk, tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"not a picture|file is empty") as refused:
        desk.pictures.open_picture(ANNA, OnDisk(files=(file,)), ViewOrder())
    assert "CT" not in f"{refused.value.message} {refused.value.hint}"
    assert desk.store.all() == []


def test_several_pictures_are_refused_as_such(desk, tmp_path):
    files = (a_png(tmp_path / "a.png"), a_png(tmp_path / "b.png"))
    with pytest.raises(InvalidRequest, match="about one picture, and 2 were given"):
        desk.pictures.open_picture(ANNA, OnDisk(files=files), ViewOrder())
    assert desk.store.all() == []


def test_a_path_is_read_only_within_the_input_folders(desk, tmp_path):
    (tmp_path / "inputs").mkdir()
    a_png(tmp_path / "inputs/a.png")
    write_ct(tmp_path / "inputs/ct/body.nii.gz")
    a_png(tmp_path / "outside.png")
    assert desk.pictures.open_picture(ANNA, InputPath(path="a.png"), ViewOrder()).kind is PictureKind.UPLOAD
    assert desk.pictures.open_picture(ANNA, InputPath(path="ct"), ViewOrder()).kind is PictureKind.VIEW
    with pytest.raises(OutsideInputFolders):
        desk.pictures.open_picture(ANNA, InputPath(path=str(tmp_path / "outside.png")), ViewOrder())
    with pytest.raises(NotFound):
        desk.pictures.open_picture(ANNA, InputPath(path="b.png"), ViewOrder())


def test_files_of_the_machine_are_read_where_they_lie(desk, tmp_path):
    file = a_png(tmp_path / "a.png")
    facts = desk.pictures.open_picture(ANNA, OnDisk(files=(file,)), ViewOrder())
    assert facts.kind is PictureKind.UPLOAD
    assert file.exists()


def test_an_open_case_is_drawn_as_ordered(desk):
    case = open_case(desk)
    facts = desk.pictures.open_picture(ANNA, OpenCase(case_id=case.id), ViewOrder(slice=3))
    assert facts.view is not None
    assert facts.view.slice == 3


def test_the_window_that_is_chosen_holds_for_a_dicom_slice_too(desk, tmp_path):
    stored = np.full((40, 40), 1024 - 600, np.int16)
    make_image(tmp_path / "slice.dcm", stored, spacing=(1.0, 1.0))
    usual = desk.pictures.open_picture(ANNA, OnDisk(files=(tmp_path / "slice.dcm",)), ViewOrder())
    lung = desk.pictures.open_picture(ANNA, OnDisk(files=(tmp_path / "slice.dcm",)), ViewOrder().windowed("lung"))
    assert desk.pixels_of(usual).mean() < 3
    assert abs(desk.pixels_of(lung).mean() - 127.5) < 4


def test_a_person_who_stops_waiting_stops_the_reading(tmp_path):
    class GoesAway:
        """Progress of somebody who leaves once the volume is being read."""

        def stage(self, name: str, fraction: float | None = None) -> None:
            if name == "reading for ever":
                raise Cancelled("Stopped.")

    def reads_for_ever(function: Callable[..., Any], /, *args: Any, progress: Progress) -> Any:
        if function is lone_picture:
            return False
        while True:
            progress.stage("reading for ever")

    desk = desk_in(tmp_path, run_in_worker=reads_for_ever)
    with pytest.raises(Cancelled):
        desk.pictures.open_picture(ANNA, OnDisk(files=(tmp_path / "body.nii.gz",)), ViewOrder(), progress=GoesAway())
    wait_until(lambda: desk.jobs.running_count() == 0)
    assert desk.store.all() == []
    assert desk.shelf.count() == 0


# Real ones


@pytest.mark.parametrize(
    ("name", "modality", "size"),
    [
        ("images/cxr/nih_00000001_000.png", None, (512, 512)),
        ("dicom-tricky/nema-ct1_UNC.dcm", Modality.CT, (512, 512)),
    ],
)
def test_a_real_x_ray_and_a_real_ct_slice_go_through(desk, name, modality, size):
    facts = desk.pictures.open_picture(ANNA, OnDisk(files=(real(name),)), ViewOrder())
    assert facts.kind is PictureKind.UPLOAD
    assert facts.modality is modality
    assert (facts.width_px, facts.height_px) == size
    assert 20 < desk.pixels_of(facts).mean() < 200


def test_a_slice_of_a_real_ct_is_the_one_that_was_read(desk, tmp_path):
    shutil.copyfile(real("ct/crlm-ct-1004.nii.gz"), tmp_path / "ct.nii.gz")
    facts = desk.pictures.open_picture(ANNA, OnDisk(files=(tmp_path / "ct.nii.gz",)), ViewOrder(slice=21))
    assert (facts.width_px, facts.height_px) == (512, 512)
    (case,) = desk.store.all()
    pixels, mm = picture.slice_picture(
        desk.store.volume(case), None, plane="axial", slice_number=21, window=SOFT, overlay=False
    )
    assert desk.bytes_of(facts) == picture.encode_picture(pixels, mark=None, mm_per_px=mm).encoded
    assert facts.mm_per_px == pytest.approx(0.797, abs=1e-3)
