"""`workbench segment` as typed in a terminal."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest

from tests import dicom_made
from tests.serving import serving, workbench_command, write_ct

MOCK = {"IMAGING_NIM_MODE": "mock"}


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    return write_ct(tmp_path_factory.mktemp("ct") / "Wintermute Anna.nii.gz")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One data folder for the commands of this file, used by no workbench."""
    return tmp_path_factory.mktemp("cli") / "data"


def segment(*arguments, cwd, data, **settings):
    return workbench_command("segment", *map(str, arguments), "--data-dir", str(data), cwd=cwd, **{**MOCK, **settings})


def assert_one_line(done, status: int, *words: str) -> None:
    """A failure: its status, one line on standard error, nothing on standard output."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("workbench: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower()


def test_the_table_has_a_row_a_structure_and_says_mock_first(ct, data, tmp_path):
    done = segment(ct, "--classes", "lung", "brain", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("MOCK")
    assert "structure" in lines[1]
    assert "volume mL" in lines[1]
    assert {line.split()[0] for line in lines[2:7]} == {
        *("left_lung_upper_lobe", "left_lung_lower_lobe"),
        *("right_lung_upper_lobe", "right_lung_middle_lobe", "right_lung_lower_lobe"),
    }
    assert lines[7] == "not found: brain"
    assert all(line.startswith("note: ") for line in lines[8:])
    assert "Wintermute" not in done.stdout + done.stderr


def test_json_is_the_published_answer_and_nothing_else(ct, data, tmp_path):
    done = segment(ct, "--classes", "left_lung_upper_lobe", "--json", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["classes_detected"] == ["left_lung_upper_lobe"]
    assert {"case_id", "volumes", "organs", "mask_url", "provenance", "is_mock"} <= set(told)
    assert done.stderr == ""


def test_progress_is_told_stage_by_stage_on_standard_error(ct, data, tmp_path):
    done = segment(ct, "--classes", "lung", cwd=tmp_path, data=data)
    stages = done.stderr.splitlines()
    assert stages
    assert all(one != next_one for one, next_one in itertools.pairwise(stages)), "a stage is told once, when it begins"
    assert not set(stages) & set(done.stdout.splitlines())


def test_the_files_asked_for_are_written(ct, data, tmp_path):
    done = segment(ct, "--classes", "lung", "--json", "-o", tmp_path / "out/deep", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out/deep").iterdir()} == {"mask.nii.gz", "volumes.csv", "volumes.json"}
    table = json.loads((tmp_path / "out/deep/volumes.json").read_text("utf-8"))
    volumes = {row["name"]: row["volume_ml"] for row in table["organs"]}
    assert volumes == pytest.approx(json.loads(done.stdout)["volumes"])


def test_a_folder_of_dicom_files_is_one_ct(data, tmp_path):
    dicom_made.make_series(tmp_path / "series", np.full((6, 20, 24), 1064, np.int16))
    done = segment(tmp_path / "series", "--classes", "liver", "--json", cwd=tmp_path, data=data)
    assert done.returncode == 0, done.stderr


def test_an_output_folder_that_cannot_be_is_told_before_the_work(ct, data, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = segment(ct, "-o", tmp_path / "taken", cwd=tmp_path, data=data)
    assert_one_line(done, 1, "taken", "-o")
    assert str(tmp_path) not in done.stderr


def test_an_unknown_structure_is_told_with_the_nearest(ct, data, tmp_path):
    assert_one_line(segment(ct, "--classes", "livr", cwd=tmp_path, data=data), 1, "livr", "liver")


def test_a_file_that_is_not_there_is_told_without_its_folder(data, tmp_path):
    done = segment(tmp_path / "nothing.nii", cwd=tmp_path, data=data)
    assert_one_line(done, 1, "nothing.nii")
    assert str(tmp_path) not in done.stderr


def test_a_file_that_is_no_ct_is_told_in_one_line(data, tmp_path):
    (tmp_path / "notes.nii.gz").write_text("Liver unremarkable. " * 40)
    done = segment(tmp_path / "notes.nii.gz", "--json", cwd=tmp_path, data=data)
    assert_one_line(done, 1, "not a CT")
    assert str(tmp_path) not in done.stderr


def test_a_nim_that_is_not_there_is_told_in_one_line_where_no_mock_may_stand_in(ct, data, tmp_path):
    done = segment(
        *(ct, "--json"),
        cwd=tmp_path,
        data=data,
        IMAGING_NIM_MODE="local",
        IMAGING_NIM_VISTA3D_URL="",
        IMAGING_NIM_ALLOW_MOCK_FALLBACK="false",
    )
    assert_one_line(done, 1, "not deployed", "IMAGING_NIM_VISTA3D_URL")


@pytest.mark.parametrize("arguments", [[], ["segment"], ["segment", "--series", "x", "a.nii"], ["sgment"]])
def test_wrong_usage_ends_with_two(arguments, tmp_path):
    done = workbench_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_the_person_is_left_as_it_was(ct, data, tmp_path):
    copy = shutil.copy(ct, tmp_path / "mine.nii.gz")
    before = copy.read_bytes()
    assert segment(copy, "--classes", "lung", "--json", cwd=tmp_path, data=data).returncode == 0
    assert copy.read_bytes() == before


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("running") / "data") as server:
        yield server


def test_a_running_workbench_is_used_and_has_the_case_afterwards(ct, running, tmp_path):
    done = segment(ct, "--classes", "lung", "--json", "-o", tmp_path / "out", cwd=tmp_path, data=running.data)
    assert done.returncode == 0, done.stderr
    case = json.loads(done.stdout)["case_id"]
    with running.client() as client:
        assert client.get(f"/cases/{case}").json()["source"] == "upload"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mask.nii.gz", "volumes.csv", "volumes.json"}


def test_through_a_running_workbench_the_answer_is_the_same_as_without(ct, data, running, tmp_path):
    with_one = segment(ct, "--classes", "lung", "--json", cwd=tmp_path, data=running.data)
    without = segment(ct, "--classes", "lung", "--json", cwd=tmp_path, data=data)
    volumes = [json.loads(done.stdout)["volumes"] for done in (with_one, without)]
    assert volumes[0] == volumes[1]


def test_a_folder_of_more_files_than_a_process_may_hold_open_is_sent(running, tmp_path):
    """Half as many again as the usual limit of 1024."""
    dicom_made.make_series(tmp_path / "series", np.full((1500, 4, 4), 1064, np.int16), step=0.5)
    done = segment(tmp_path / "series", "--classes", "liver", "--json", cwd=tmp_path, data=running.data)
    assert done.returncode == 0, done.stderr
    with running.client() as client:
        report = client.get(f"/cases/{json.loads(done.stdout)['case_id']}").json()["report"]
    assert report["size"][2] == 1500


def test_the_error_of_a_running_workbench_is_told_in_one_line(running, tmp_path):
    (tmp_path / "notes.nii.gz").write_text("Liver unremarkable. " * 40)
    done = segment(tmp_path / "notes.nii.gz", "--json", cwd=tmp_path, data=running.data)
    assert_one_line(done, 1, "not a CT")


def test_another_mode_than_the_running_ones_is_refused(ct, running, tmp_path):
    assert_one_line(segment(ct, "--mode", "cloud", "--json", cwd=tmp_path, data=running.data), 1, "mode mock")
