import errno
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from tests import made
from workbench.cases.files import VOXELS
from workbench.cases.store import CaseStore, telling_disk_full
from workbench.domain.case import CaseState, SegmentationRecord, Visitor
from workbench.domain.errors import NotFound, StateConflict, StorageFull

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")
KEY = Visitor(owner="api", reaches_all=True)


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore(tmp_path / "data", ttl_s=3600, most_cases=4)


def put(store: CaseStore, case_id: str, owner: str):
    case = store.create(made.case(case_id, owner))
    voxels = np.asfortranarray(np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    np.save(store.folder(case) / VOXELS, voxels)
    return case


def test_a_case_is_found_again_after_a_restart(store, tmp_path):
    put(store, "case-one-1", "anna")
    again = CaseStore(tmp_path / "data", ttl_s=3600, most_cases=4)
    found = again.get(ANNA, "case-one-1")
    assert found.to_json() == made.case("case-one-1", "anna").to_json()
    assert int(again.volume(found).voxels_hu[1, 2, 3]) == 1 * 30 + 2 * 6 + 3


def test_someone_elses_case_and_no_case_are_told_in_the_same_words(store):
    put(store, "case-one-1", "anna")
    with pytest.raises(NotFound) as theirs:
        store.get(BEN, "case-one-1")
    with pytest.raises(NotFound) as nobodys:
        store.get(BEN, "case-two-2")
    assert (theirs.value.message, theirs.value.hint) == (nobodys.value.message, nobodys.value.hint)


def test_the_api_key_reaches_every_case(store):
    put(store, "case-one-1", "anna")
    assert store.get(KEY, "case-one-1").owner == "anna"


@pytest.mark.parametrize("wrong", ["../../etc", "..", "a/b/c/d/e/f", "", "x" * 80, "case\0one-1"])
def test_an_id_that_is_a_path_finds_nothing(store, wrong):
    with pytest.raises(NotFound):
        store.get(KEY, wrong)


def test_deleting_a_case_leaves_nothing_of_it(store, tmp_path):
    case = put(store, "case-one-1", "anna")
    store.volume(case)
    store.delete(case.id)
    assert not list((tmp_path / "data" / "cases").iterdir())
    with pytest.raises(NotFound):
        store.get(ANNA, case.id)


def test_a_volume_is_mapped_from_its_file_not_held_in_memory(store):
    case = put(store, "case-one-1", "anna")
    base = store.volume(case).voxels_hu
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_a_case_left_unused_for_its_time_is_deleted(store, tmp_path):
    put(store, "case-one-1", "anna")
    long_ago = time.time() - 4000
    os.utime(tmp_path / "data" / "cases" / "case-one-1", (long_ago, long_ago))
    assert store.sweep() == 1
    assert not list((tmp_path / "data" / "cases").iterdir())


def test_an_expired_case_is_gone_even_before_the_sweep(store, tmp_path):
    put(store, "case-one-1", "anna")
    long_ago = time.time() - 4000
    os.utime(tmp_path / "data" / "cases" / "case-one-1", (long_ago, long_ago))
    with pytest.raises(NotFound):
        store.get(ANNA, "case-one-1")


def test_using_a_case_keeps_it(store, tmp_path):
    put(store, "case-one-1", "anna")
    earlier = time.time() - 3000
    os.utime(tmp_path / "data" / "cases" / "case-one-1", (earlier, earlier))
    store.get(ANNA, "case-one-1")
    assert time.time() - (tmp_path / "data" / "cases" / "case-one-1").stat().st_mtime < 100


def test_who_has_most_cases_loses_the_oldest_and_nobody_else(store):
    put(store, "ben-case-1", "ben")
    for number in range(5):
        put(store, f"anna-case-{number}", "anna")
    assert store.get(BEN, "ben-case-1").owner == "ben"
    kept = {case.id for case in store.all()}
    assert "anna-case-0" not in kept
    assert "anna-case-4" in kept


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_the_folders_are_private(store, tmp_path):
    put(store, "case-one-1", "anna")
    for folder in ("data", "data/cases", "data/cases/case-one-1", "data/uploads"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_case_that_is_still_read_has_no_volume(store):
    case = store.create(made.case("case-one-1", "anna").with_(state=CaseState.READING))
    with pytest.raises(StateConflict):
        store.volume(case)


def test_a_new_mask_takes_the_place_of_the_old_one(store):
    case = put(store, "case-one-1", "anna")
    for revision in (1, 2):
        labels = np.full((4, 5, 6), revision, dtype=np.uint8)
        record = SegmentationRecord(asked=None, not_found=(), warnings=(), provenance=made.MOCK, revision=revision)
        store.write_labels(case, labels, revision)
        case = store.save(case.with_(segmentation=record))
        store.drop_older(case)
    assert int(store.segmentation(case).labels.max()) == 2
    assert [path.name for path in store.folder(case).glob("labels-*.npy")] == ["labels-2.npy"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "case-one-1"}'])
def test_a_damaged_case_is_not_found_and_keeps_nobody_from_the_others(store, tmp_path, content):
    put(store, "case-one-1", "anna")
    put(store, "case-two-2", "anna")
    (tmp_path / "data/cases/case-one-1/case.json").write_text(content)
    again = CaseStore(tmp_path / "data", ttl_s=3600, most_cases=4)
    assert [case.id for case in again.all()] == ["case-two-2"]
    with pytest.raises(NotFound):
        again.get(ANNA, "case-one-1")


def test_scratch_is_gone_even_after_an_error(store, tmp_path):
    def fails() -> None:
        with store.scratch("some-work") as folder:
            (folder / "patient.dcm").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_a_full_disk_is_told_in_words():
    with pytest.raises(StorageFull, match="disk is full"), telling_disk_full():
        raise OSError(errno.ENOSPC, "No space left on device")
