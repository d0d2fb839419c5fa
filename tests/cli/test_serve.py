"""`workbench serve`: one owner of a data folder, refusals in one line, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import stat

import pytest

from tests.contract_server import VisionNim
from tests.nim.made_image import a_picture
from tests.processes import alive, descendants, needs_proc
from tests.serving import Server, serving, wait_until, workbench_command

QUIET = ("--port", "0", "--no-browser", "--json")


def serve(*arguments, cwd, data, **settings):
    return workbench_command("serve", *arguments, "--data-dir", str(data), cwd=cwd, **settings)


def assert_refused(done, *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("running") / "data") as server:
        yield server


def test_a_second_workbench_on_the_same_folder_is_refused_and_told_where_the_first_is(running: Server, tmp_path):
    done = serve(*QUIET, cwd=tmp_path, data=running.data)
    assert_refused(done, "Another workbench", running.url, "--data-dir")
    with running.client() as client:
        assert client.get("/health").status_code == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_what_could_be_stolen_is_readable_by_this_user_only(running: Server):
    assert stat.S_IMODE(running.data.stat().st_mode) == 0o700
    for name in ("running.json", "secret"):
        assert stat.S_IMODE((running.data / name).stat().st_mode) == 0o600


def test_a_port_in_use_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = serve("--port", port, "--no-browser", cwd=tmp_path, data=tmp_path / "data")
    assert_refused(done, port, "--port")
    assert not (tmp_path / "data/running.json").exists()


def test_an_address_that_is_not_this_machines_is_told_in_one_line(tmp_path):
    done = serve("--host", "192.0.2.1", *QUIET, cwd=tmp_path, data=tmp_path / "data")
    assert_refused(done, "192.0.2.1")


def test_sharing_without_a_login_is_refused(tmp_path):
    assert_refused(serve("--share", *QUIET, cwd=tmp_path, data=tmp_path / "data"), "IMAGING_AUTH")


def test_sharing_a_test_run_is_refused(tmp_path):
    done = serve("--share", *QUIET, cwd=tmp_path, data=tmp_path / "data", IMAGING_AUTH="anna:pw", WORKBENCH_TEST="1")
    assert_refused(done, "WORKBENCH_TEST")


def test_an_unknown_setting_is_told_with_the_nearest(tmp_path):
    done = serve(*QUIET, cwd=tmp_path, data=tmp_path / "data", IMAGING_NIM_MOED="mock")
    assert_refused(done, "IMAGING_NIM_MOED", "IMAGING_NIM_MODE")


def test_a_login_without_a_password_is_refused_without_repeating_it(tmp_path):
    done = serve(*QUIET, cwd=tmp_path, data=tmp_path / "data", IMAGING_AUTH="only-a-secret")
    assert_refused(done, "IMAGING_AUTH")
    assert "only-a-secret" not in done.stderr


@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_all_it_started_and_leaves_no_word_of_it(tmp_path, sent):
    with serving(tmp_path / "data") as server:
        assert server.process is not None
        wait_until(lambda: len(descendants(server.process.pid)) >= 2)
        started = descendants(server.process.pid)
        assert (server.data / "running.json").exists()
        assert server.stop(sent) == 0
        wait_until(lambda: not any(map(alive, started)))
        assert not (server.data / "running.json").exists()
        assert server.log is not None
        assert "Traceback" not in server.log.read_text()


@needs_proc
def test_a_signal_in_the_middle_of_work_ends_it_too(tmp_path):
    with serving(tmp_path / "data") as server, server.client() as client:
        assert server.process is not None
        client.post("/nim/vista3d/segment", json={}, headers={"Prefer": "respond-async"})
        wait_until(lambda: len(descendants(server.process.pid)) >= 2)
        started = descendants(server.process.pid)
        assert server.stop() == 0
        wait_until(lambda: not any(map(alive, started)))
        assert server.log is not None
        assert "Traceback" not in server.log.read_text()


def test_a_signal_in_the_middle_of_an_answer_cuts_it_without_a_traceback(tmp_path):
    with (
        VisionNim() as nim,
        serving(tmp_path / "data", IMAGING_NIM_MODE="local", IMAGING_NIM_VILAM3_URL=nim.url) as server,
        server.client() as client,
    ):
        picture = client.post("/pictures", files={"file": ("x.jpg", a_picture().encoded)}).json()
        nim.switch(stall=60.0)
        body = {"question": "What is shown?", "picture_id": picture["id"], "stream": True}
        with client.stream("POST", "/nim/vilam3/analyze", json=body) as answer:
            lines = answer.iter_lines()  # held, for its end would close the connection
            assert "event: token" in lines
            assert server.stop() == 0
        assert server.log is not None
        assert "Traceback" not in server.log.read_text()


def test_after_a_crash_the_folder_is_free_and_the_stale_note_does_no_harm(tmp_path):
    with serving(tmp_path / "data") as server:
        server.stop(signal.SIGKILL)
    assert (tmp_path / "data/running.json").exists()
    done = workbench_command(
        *("segment", "nothing.nii", "--data-dir", str(tmp_path / "data")), cwd=tmp_path, IMAGING_NIM_MODE="mock"
    )
    assert "nothing.nii" in done.stderr
    with serving(tmp_path / "data") as again, again.client() as client:
        assert client.get("/health").status_code == 200
