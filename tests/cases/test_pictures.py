"""Pictures on disk: reached by their owner alone, kept across a restart, gone with their case or after their time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests import made
from workbench.cases.pictures import PictureShelf
from workbench.cases.store import CaseStore
from workbench.domain.case import Visitor
from workbench.domain.errors import NotFound, StorageFull
from workbench.domain.picture import Modality, Picture, PictureFacts, PictureKind, PictureView, Shown

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")
KEY = Visitor(owner="api", reaches_all=True)
LIVER = Shown(
    label=1, name="liver", area_mm2=120.5, share=0.25, center_xy=(0.3, 0.6), volume_ml=1500.0, colour="#aa0000"
)


@pytest.fixture
def shelf(tmp_path: Path) -> PictureShelf:
    return PictureShelf(tmp_path / "pictures", ttl_s=3600, most=4)


def facts_of(picture_id: str, owner: str, encoded: bytes, case_id: str | None = None) -> PictureFacts:
    view = case_id and PictureView(
        case_id=case_id, plane="axial", slices={"axial": 3, "coronal": 2, "sagittal": 1}, center=50, width=400
    )
    return PictureFacts(
        id=picture_id,
        owner=owner,
        created_at=made.STAMP,
        kind=PictureKind.MOSAIC if view else PictureKind.UPLOAD,
        sha256=hashlib.sha256(encoded).hexdigest(),
        media_type="image/jpeg",
        width_px=4,
        height_px=5,
        size_bytes=len(encoded),
        provenance=replace(made.UPLOAD, inputs=(made.MOCK,)),
        modality=Modality.CT,
        mm_per_px=0.5,
        view=view or None,
        structures=(LIVER,),
        notes=("Scaled down.",),
    )


def put(
    shelf: PictureShelf, picture_id: str, owner: str = "anna", case_id: str | None = None, size: int = 100
) -> Picture:
    encoded = picture_id.encode().ljust(size, b".")
    return shelf.keep(facts_of(picture_id, owner, encoded, case_id), encoded)


def is_kept(shelf: PictureShelf, picture_id: str) -> bool:
    try:
        shelf.get(KEY, picture_id)
    except NotFound:
        return False
    return True


def left_unused(folder: Path, seconds: float) -> None:
    past = time.time() - seconds
    os.utime(folder, (past, past))


def test_a_picture_is_found_again_after_a_restart_with_the_same_bytes_and_facts(shelf, tmp_path):
    kept = put(shelf, "picture-1", case_id="case-one-1")
    found = PictureShelf(tmp_path / "pictures", ttl_s=3600).get(ANNA, "picture-1")
    assert found.encoded == kept.encoded
    assert found.facts == kept.facts
    assert found.facts.view is not None
    assert found.facts.view.slice == 3
    assert found.is_mock


def test_someone_elses_picture_and_no_picture_are_told_in_the_same_words(shelf):
    put(shelf, "picture-1")
    with pytest.raises(NotFound) as theirs:
        shelf.get(BEN, "picture-1")
    with pytest.raises(NotFound) as nobodys:
        shelf.get(BEN, "picture-2")
    assert (theirs.value.message, theirs.value.hint) == (nobodys.value.message, nobodys.value.hint)


def test_the_api_key_reaches_every_picture(shelf):
    put(shelf, "picture-1")
    assert shelf.facts(KEY, "picture-1").owner == "anna"


@pytest.mark.parametrize("wrong", ["../../etc", "..", "", "picture-1/image", "x" * 80, "picture\0-1"])
def test_an_id_that_is_a_path_finds_nothing(shelf, wrong):
    put(shelf, "picture-1")
    with pytest.raises(NotFound):
        shelf.get(KEY, wrong)


def test_forgetting_a_picture_leaves_nothing_of_it(shelf, tmp_path):
    put(shelf, "picture-1")
    shelf.forget("picture-1")
    shelf.forget("picture-1")
    assert not list((tmp_path / "pictures").iterdir())
    assert not is_kept(shelf, "picture-1")


def test_a_picture_left_unused_for_its_time_is_swept(shelf, tmp_path):
    put(shelf, "picture-1")
    put(shelf, "picture-2")
    left_unused(tmp_path / "pictures/picture-1", 4000)
    assert shelf.sweep() == 1
    assert [each.name for each in (tmp_path / "pictures").iterdir()] == ["picture-2"]


def test_an_expired_picture_is_gone_even_before_the_sweep(shelf, tmp_path):
    put(shelf, "picture-1")
    left_unused(tmp_path / "pictures/picture-1", 4000)
    with pytest.raises(NotFound):
        shelf.facts(ANNA, "picture-1")
    assert not list((tmp_path / "pictures").iterdir())


def test_using_a_picture_keeps_it_and_somebody_elses_wish_does_not(shelf, tmp_path):
    put(shelf, "picture-1")
    left_unused(tmp_path / "pictures/picture-1", 3000)
    with pytest.raises(NotFound):
        shelf.get(BEN, "picture-1")
    assert time.time() - (tmp_path / "pictures/picture-1").stat().st_mtime > 2900
    shelf.get(ANNA, "picture-1")
    assert time.time() - (tmp_path / "pictures/picture-1").stat().st_mtime < 100


def test_who_has_too_many_loses_their_oldest_and_nobody_else(shelf):
    put(shelf, "bens-picture", "ben")
    for number in range(6):
        put(shelf, f"picture-{number}")
    assert [number for number in range(6) if is_kept(shelf, f"picture-{number}")] == [2, 3, 4, 5]
    assert is_kept(shelf, "bens-picture")


def test_who_has_most_bytes_gives_up_their_oldest_when_all_together_are_too_many(tmp_path):
    shelf = PictureShelf(tmp_path / "pictures", ttl_s=3600, most_bytes=1000)
    put(shelf, "annas-large-1", "anna", size=400)
    put(shelf, "bens-picture", "ben", size=100)
    put(shelf, "annas-large-2", "anna", size=400)
    put(shelf, "bens-picture-2", "ben", size=200)
    assert not is_kept(shelf, "annas-large-1")
    assert is_kept(shelf, "bens-picture")
    assert is_kept(shelf, "annas-large-2")
    assert is_kept(shelf, "bens-picture-2")


def test_the_newest_picture_is_never_the_one_that_makes_room(tmp_path):
    shelf = PictureShelf(tmp_path / "pictures", ttl_s=3600, most_bytes=1000)
    put(shelf, "bens-picture", "ben", size=300)
    put(shelf, "annas-large", "anna", size=900)
    assert is_kept(shelf, "annas-large")
    assert not is_kept(shelf, "bens-picture")


@pytest.mark.parametrize("way", ["deleted", "expired", "pushed out"])
def test_a_case_takes_its_pictures_with_it_however_it_goes(shelf, tmp_path, way):
    store = CaseStore(tmp_path / "data", ttl_s=3600, most_cases=2)
    store.on_delete(shelf.drop_case)
    for case_id in ("case-one-1", "case-two-2"):
        store.create(made.case(case_id, "anna"))
        put(shelf, f"of-{case_id}", case_id=case_id)
    put(shelf, "an-upload")
    left_unused(tmp_path / "data/cases/case-one-1", 60 if way == "pushed out" else 4000)
    if way == "deleted":
        store.delete("case-one-1")
    elif way == "expired":
        store.sweep()
    else:
        store.create(made.case("case-three-3", "anna"))
    assert not is_kept(shelf, "of-case-one-1")
    assert is_kept(shelf, "of-case-two-2")
    assert is_kept(shelf, "an-upload")
    assert sorted(each.name for each in (tmp_path / "pictures").iterdir()) == ["an-upload", "of-case-two-2"]


def test_a_case_that_is_looked_for_after_its_time_takes_its_pictures_with_it(shelf, tmp_path):
    store = CaseStore(tmp_path / "data", ttl_s=3600, most_cases=2)
    store.on_delete(shelf.drop_case)
    store.create(made.case("case-one-1", "anna"))
    put(shelf, "of-case-one-1", case_id="case-one-1")
    left_unused(tmp_path / "data/cases/case-one-1", 4000)
    with pytest.raises(NotFound):
        store.get(ANNA, "case-one-1")
    assert not is_kept(shelf, "of-case-one-1")


def test_a_start_erases_pictures_of_cases_that_are_gone_and_what_was_half_written(shelf, tmp_path):
    put(shelf, "of-case-one-1", case_id="case-one-1")
    put(shelf, "of-case-two-2", case_id="case-two-2")
    put(shelf, "an-upload")
    (tmp_path / "pictures/picture-9.part").mkdir()
    (tmp_path / "pictures/picture-9.part/image").write_bytes(b"half of a pict")
    again = PictureShelf(tmp_path / "pictures", ttl_s=3600)
    again.recover(lambda case_id: case_id == "case-two-2")
    assert sorted(each.name for each in (tmp_path / "pictures").iterdir()) == ["an-upload", "of-case-two-2"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "picture-1"}', '{"id": "picture-2"}'])
def test_a_damaged_picture_is_not_found_keeps_nobody_from_the_others_and_goes_at_the_next_start(
    shelf, tmp_path, content
):
    put(shelf, "picture-1")
    put(shelf, "picture-2")
    (tmp_path / "pictures/picture-1/facts.json").write_text(content)
    again = PictureShelf(tmp_path / "pictures", ttl_s=3600)
    again.recover(lambda case_id: True)
    assert not is_kept(again, "picture-1")
    assert is_kept(again, "picture-2")
    assert [each.name for each in (tmp_path / "pictures").iterdir()] == ["picture-2"]


def test_facts_that_lie_under_another_id_are_not_believed(shelf, tmp_path):
    put(shelf, "picture-1")
    (tmp_path / "pictures/picture-1").rename(tmp_path / "pictures/picture-7")
    assert PictureShelf(tmp_path / "pictures", ttl_s=3600).count() == 0


def test_other_bytes_than_were_kept_are_never_given_out(shelf, tmp_path):
    put(shelf, "picture-1")
    (tmp_path / "pictures/picture-1/image").write_bytes(b"somebody changed this")
    with pytest.raises(NotFound):
        shelf.get(ANNA, "picture-1")
    assert not list((tmp_path / "pictures").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_the_files_are_private(shelf, tmp_path):
    put(shelf, "picture-1")
    modes = {
        name: stat.S_IMODE((tmp_path / "pictures" / name).stat().st_mode)
        for name in ("", "picture-1", "picture-1/image", "picture-1/facts.json")
    }
    assert list(modes.values()) == [0o700, 0o700, 0o600, 0o600]


def test_what_is_stored_beside_the_bytes_names_no_patient_and_no_file(shelf, tmp_path):
    put(shelf, "picture-1", case_id="case-one-1")
    stored = json.loads((tmp_path / "pictures/picture-1/facts.json").read_text("utf-8"))
    assert set(stored) == set(PictureFacts.__dataclass_fields__)


def test_a_full_disk_leaves_nothing_of_a_picture(shelf, tmp_path):
    def full(self, content):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageFull):
            put(shelf, "picture-1")
    assert not list((tmp_path / "pictures").iterdir())
    assert not is_kept(shelf, "picture-1")
