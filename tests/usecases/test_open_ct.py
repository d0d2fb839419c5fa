"""A case that cannot begin leaves nothing, and a start tidies up what a crash left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import made
from tests.serving import write_ct
from workbench.cases.jobs import Jobs
from workbench.cases.run_log import RunLog
from workbench.cases.store import CaseStore
from workbench.domain.case import CaseState, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Busy, NotFound, OutsideInputFolders, TooLarge
from workbench.telemetry.metrics import Metrics
from workbench.usecases.open_ct import InputLimits, OpenCt
from workbench.usecases.run_log import Runs

ANNA = Visitor(owner="anna")


def nobody_works(*_, **__):
    raise AssertionError("nothing is read in these tests")


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore(tmp_path / "data", ttl_s=3600, most_cases=8)


def runs_in(folder: Path) -> Runs:
    log = RunLog(folder / "records", max_bytes=1_000_000, files=2)
    return Runs(log=log, metrics=Metrics("test"), secret=b"s" * 32, mode="mock", clock=Clock())


@pytest.fixture
def full(store: CaseStore, tmp_path: Path) -> OpenCt:
    """Opens CTs where no more jobs are taken."""
    return OpenCt(
        store=store,
        jobs=Jobs(Clock(), most_running=0),
        run_in_worker=nobody_works,
        clock=Clock(),
        limits=InputLimits(max_bytes=1_000_000, max_voxels=10**9, input_folders=(tmp_path / "inputs",)),
        phantom_folder=tmp_path / "phantom",
        runs=runs_in(tmp_path),
    )


def nothing_is_left(tmp_path: Path) -> bool:
    return not list((tmp_path / "data/cases").iterdir()) and not list((tmp_path / "data/uploads").iterdir())


def test_an_upload_for_which_there_is_no_room_leaves_nothing(full, tmp_path):
    case = full.receive(ANNA)
    with full.new_file(case, "../../Anna.dcm", 0) as file:
        file.write(b"Wintermute^Anna")
    with pytest.raises(Busy):
        full.open_upload(ANNA, case)
    assert nothing_is_left(tmp_path)


def test_a_path_or_the_phantom_for_which_there_is_no_room_leaves_nothing(full, tmp_path):
    write_ct(tmp_path / "inputs/a.nii.gz")
    with pytest.raises(Busy):
        full.open_path(ANNA, "a.nii.gz")
    with pytest.raises(Busy):
        full.open_demo(ANNA)
    assert nothing_is_left(tmp_path)
    assert (tmp_path / "inputs/a.nii.gz").exists()


def test_a_file_of_an_upload_stays_in_its_folder_whatever_its_name(full, store, tmp_path):
    case = full.receive(ANNA)
    names = ["../../up.dcm", "C:\\scans\\a.dcm", "/etc/passwd", "..", "", "a\0b", "界" * 300 + ".nii.gz"]
    for number, name in enumerate(names):
        full.new_file(case, name, number).close()
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "case.json"]
    assert len(written) == len(names)
    assert {path.parents[1] for path in written} == {store.upload_folder(case.id)}
    assert any(path.name.endswith("界.nii.gz") for path in written)


def test_files_of_the_page_over_the_limit_are_erased(full, tmp_path):
    big = tmp_path / "big.nii"
    big.write_bytes(bytes(1_000_001))
    with pytest.raises(TooLarge):
        full.take_files(ANNA, [big])
    assert not big.exists()
    assert nothing_is_left(tmp_path)


def test_a_start_erases_uploads_and_cases_that_a_crash_left_half_read(full, store, tmp_path):
    store.create(made.case("half-read-1", "anna").with_(state=CaseState.READING))
    store.create(made.case("waiting-for-1", "anna").with_(state=CaseState.CHOOSING))
    store.create(made.case("whole-case-1", "anna"))
    (store.upload_folder("waiting-for-1") / "patient.dcm").write_bytes(b"Wintermute^Anna")
    (tmp_path / "data/uploads/half-read-1").mkdir()
    full.recover()
    assert [case.id for case in store.all()] == ["whole-case-1"]
    assert not list((tmp_path / "data/uploads").iterdir())


def test_of_two_input_folders_either_is_searched(store, tmp_path):
    for name in ("one", "two"):
        write_ct(tmp_path / name / f"{name}.nii.gz")
    opening = OpenCt(
        store=store,
        jobs=Jobs(Clock(), most_running=0),
        run_in_worker=nobody_works,
        clock=Clock(),
        limits=InputLimits(max_bytes=1, max_voxels=1, input_folders=(tmp_path / "one", tmp_path / "two")),
        phantom_folder=tmp_path / "phantom",
        runs=runs_in(tmp_path),
    )
    for name in ("one.nii.gz", "two.nii.gz", str(tmp_path / "two/two.nii.gz")):
        with pytest.raises(Busy):
            opening.open_path(ANNA, name)
    with pytest.raises(NotFound):
        opening.open_path(ANNA, "three.nii.gz")
    with pytest.raises(OutsideInputFolders):
        opening.open_path(ANNA, "../three.nii.gz")
