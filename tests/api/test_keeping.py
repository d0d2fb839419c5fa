"""Cases outlive the process, not their time, and not being erased; many of them cost little memory."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from tests import dicom_made
from tests.processes import alive, descendants, needs_proc, own_memory_bytes
from tests.serving import assert_problem, in_thread, segment_file, serving, wait_until, write_ct

SEGMENT = "/nim/vista3d/segment"


@pytest.fixture(scope="module")
def killed(tmp_path_factory, small_ct):
    """A data folder whose workbench was killed, with a finished case and an upload it had not read."""
    data = tmp_path_factory.mktemp("killed") / "data"
    with serving(data) as server:
        with server.client() as client:
            finished = segment_file(client, small_ct, target_classes="lung").json()
            table = client.get(f"/cases/{finished['case_id']}/volumes.csv").text
        workers = descendants(server.process.pid) if os.path.exists("/proc") else []
        server.stop(signal.SIGKILL)
        for folder in (f"uploads/{'B' * 24}-upload/00000", f"uploads/{'B' * 24}", "tmp/gradio", f"cases/{'B' * 24}"):
            (data / folder).mkdir(parents=True, exist_ok=True)
            (data / folder / "patient.dcm").write_bytes(b"Wintermute^Anna")
    return data, finished, table, workers


@needs_proc
def test_the_workers_of_a_killed_workbench_end_with_it(killed):
    wait_until(lambda: not any(map(alive, killed[3])))


def test_after_a_restart_a_finished_case_is_as_it_was_and_a_half_read_one_is_gone(killed):
    data, finished, table, _ = killed
    case_file = data / "cases" / finished["case_id"] / "case.json"
    reading = data / "cases" / ("C" * 24)
    reading.mkdir()
    half = case_file.read_text("utf-8").replace('"ready"', '"reading"').replace(finished["case_id"], "C" * 24)
    (reading / "case.json").write_text(half, "utf-8")
    with serving(data) as server, server.client() as client:
        assert client.get(f"/cases/{finished['case_id']}").json()["segmentation"] == finished
        assert client.get(f"/cases/{finished['case_id']}/volumes.csv").text == table
        assert client.get(f"/cases/{finished['case_id']}/stack/label/axial").status_code == 200
        assert_problem(client.get(f"/cases/{'C' * 24}"), 404)
        assert not reading.exists()
        assert server.left_behind() == []
        assert not list((data / "tmp").rglob("patient.dcm"))


def test_a_visit_goes_on_after_a_restart(tmp_path):
    with in_thread(tmp_path / "data") as server, server.client() as browser:
        browser.get("/")
        cookies = dict(browser.cookies)
        case = browser.post(SEGMENT, json={"target_classes": ["liver"]}).json()["case_id"]
    with in_thread(tmp_path / "data") as server, server.client() as browser:
        browser.cookies.update(cookies)
        assert browser.get(f"/cases/{case}").status_code == 200


def test_a_secret_cut_short_by_a_crash_is_not_used(tmp_path):
    import hashlib
    import hmac

    (tmp_path / "data").mkdir()
    (tmp_path / "data/secret").write_bytes(b"")
    with in_thread(tmp_path / "data", host="0.0.0.0") as server, server.client() as client:  # noqa: S104
        forged = hmac.new(b"", b"anna", hashlib.sha256).hexdigest()
        client.cookies.set("workbench_visit", f"anna.{forged}")
        assert_problem(client.get("/health"), 401)
    assert len((tmp_path / "data/secret").read_bytes()) >= 32


def test_a_case_left_unused_past_its_time_is_gone_with_its_files(server, client, case_id):
    folder = server.data / "cases" / case_id
    long_ago = time.time() - 25 * 3600
    os.utime(folder, (long_ago, long_ago))
    assert_problem(client.get(f"/cases/{case_id}"), 404)
    assert not folder.exists()


def test_looking_at_a_case_keeps_it(server, client, case_id):
    folder = server.data / "cases" / case_id
    yesterday = time.time() - 23 * 3600
    os.utime(folder, (yesterday, yesterday))
    client.get(f"/cases/{case_id}/stack/raw16/axial")
    assert time.time() - folder.stat().st_mtime < 3600


def test_erasing_a_case_erases_every_file_of_it(server, client, case_id):
    for name in ("mask.nii.gz", "image.nii.gz", "view.png"):
        client.get(f"/cases/{case_id}/{name}")
    assert len(list((server.data / "cases" / case_id).iterdir())) >= 4
    assert client.delete(f"/cases/{case_id}").json() == {"deleted": case_id}
    assert case_id not in server.case_ids()
    assert not [path for path in server.data.rglob("*") if case_id in str(path)]
    for address in ("", "/view", "/mask.nii.gz", "/stack/raw16/axial"):
        assert_problem(client.get(f"/cases/{case_id}{address}"), 404)
    assert_problem(client.delete(f"/cases/{case_id}"), 404)


@needs_proc
def test_ten_open_cases_do_not_cost_ten_volumes_of_memory(tmp_path):
    """Ten volumes of 26 MB are opened and scrolled through; the processes may grow by three of them.

    Three and not none: buffers of the last reading are kept by the allocator, and slices are cached a little. Holding
    the volumes would grow it by ten.
    """
    shape = (256, 256, 200)
    volume_bytes = 2 * int(np.prod(shape))
    write_ct(tmp_path / "inputs/a.nii", np.full(shape, 40, np.int16), (1, 1, 1))
    with (
        serving(tmp_path / "data", IMAGING_INPUT_DIRS=str(tmp_path / "inputs"), IMAGING_WORKERS="1") as server,
        server.client() as client,
    ):
        assert server.process is not None
        pids = [server.process.pid, *descendants(server.process.pid)]

        def used() -> int:
            return sum(own_memory_bytes(each) for each in pids if alive(each))

        def open_and_scroll() -> None:
            told = client.post(SEGMENT, json={"input_path": "a.nii", "target_classes": ["left lung upper lobe"]})
            assert told.status_code == 200, told.text
            case = told.json()["case_id"]
            for start in range(1, 200, 64):
                assert client.get(f"/cases/{case}/stack/raw16/axial?start={start}&n=64").status_code == 200

        open_and_scroll()
        open_and_scroll()
        before = used()
        for _ in range(10):
            open_and_scroll()
        assert len(server.case_ids()) == 12
        assert used() - before < 3 * volume_bytes


def test_dicom_that_was_read_is_nowhere_in_the_data_folder(server, client, tmp_path):
    files = dicom_made.make_series(
        tmp_path / "s", np.full((5, 16, 16), 1064, np.int16), PatientName="Wintermute^Anna", PatientID="PAT-4711"
    )
    parts = [("file", (path.name, path.read_bytes())) for path in files]
    assert client.post(SEGMENT, files=parts, data={"target_classes": "liver"}).status_code == 200
    for path in server.data.rglob("*"):
        if path.is_file() and path.name != "voxels.npy":
            assert b"Wintermute" not in path.read_bytes()
            assert b"PAT-4711" not in path.read_bytes()
