"""`workbench ask` as typed in a terminal: by itself, and through a running workbench."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contract_server import VisionNim
from tests.serving import PATIENCE_S, Server, command, environment, serving, workbench_command, write_ct

MOCK = {"IMAGING_NIM_MODE": "mock", "IMAGING_STARTER_LIBRARY": "false"}
QUESTION = "How large is the picture?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture and a CT, and room for the data of workbenches."""
    folder = tmp_path_factory.mktemp("ask-cli")
    Image.fromarray(np.tile(np.arange(90, dtype=np.uint8), (50, 1))).save(folder / "Müller^Anna.png")
    write_ct(folder / "ct.nii.gz")
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with serving(home / "served") as running:
        yield running


def ask(
    home: Path, *arguments: str, data: str = "own", said: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder; `said` is what comes from standard input."""
    given = ("ask", "--data-dir", str(home / data), *arguments)
    if said is None:
        return workbench_command(*given, cwd=home, **{**MOCK, **settings})
    return subprocess.run(
        command(*given),
        cwd=home,
        env=environment(home, {**MOCK, **settings}),
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_picture_is_asked_about_and_a_mock_says_first_that_it_is_one(home):
    done = ask(home, "Müller^Anna.png", QUESTION)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MOCK: ")
    assert "90 x 50" in done.stdout
    assert "sha256" in done.stdout
    assert "Müller" not in done.stdout


def test_a_slice_of_a_ct_is_asked_about_in_the_plane_and_window_wanted(home):
    done = ask(home, "ct.nii.gz", QUESTION, "--plane", "coronal", "--slice", "20", "--window=-600,1500")

    assert done.returncode == 0, done.stderr
    assert "picture: coronal 20, window -600 / 1500 HU" in done.stdout


def test_options_that_hold_for_a_ct_alone_are_said_to_change_nothing_of_a_picture(home):
    done = ask(home, "Müller^Anna.png", QUESTION, "--plane", "coronal", "--slice", "3")

    assert done.returncode == 0
    assert "--plane, --slice changed nothing" in done.stderr


def test_json_is_the_published_answer(home):
    done = ask(home, "ct.nii.gz", QUESTION, "--json", "--modality", "CT")

    told = json.loads(done.stdout)
    assert (told["is_mock"], told["confidence"], told["image"]["plane"]) == (True, None, "axial")
    assert done.stderr == ""


def test_lines_are_turns_and_one_that_cannot_be_asked_keeps_none_from_the_others(home):
    done = ask(home, "Müller^Anna.png", "--json", said=f"{QUESTION}\n\n{'x' * 5000}\nAnd how bright is it?\n")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [("error" in each) for each in told] == [False, True, False]
    assert told[0]["image"]["sha256"] == told[2]["image"]["sha256"]
    assert "4,000" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("ending", ["html", "md"])
def test_the_talk_is_written_in_the_form_of_its_ending(home, ending):
    done = ask(home, "Müller^Anna.png", QUESTION, "-o", f"talk.{ending}")

    assert done.returncode == 0, done.stderr
    text = (home / f"talk.{ending}").read_text("utf-8")
    assert "Research use" in text
    assert QUESTION in text
    assert ("data:image/" in text) == (ending == "html")


@pytest.mark.parametrize(
    ("arguments", "status", "tells"),
    [
        (("Müller^Anna.png", ""), 1, "empty"),
        (("Müller^Anna.png", "x" * 4_001), 1, "4,000"),
        (("nothing.png", QUESTION), 1, "no file"),
        (("Müller^Anna.png", QUESTION, "-o", "talk.docx"), 1, "ending"),
        (("Müller^Anna.png", QUESTION, "-o", "nowhere/talk.md"), 1, "no folder"),
        (("ct.nii.gz", QUESTION, "--slice", "999"), 1, "slices"),
        (("ct.nii.gz", QUESTION, "--window", "rainbow"), 1, "window"),
        (("ct.nii.gz", QUESTION, "--overlay"), 1, "segmentation"),
        (("case:nobodys1", QUESTION), 1, "no such case"),
        (("ct.nii.gz", QUESTION, "--plane", "oblique"), 2, "--plane"),
        ((), 2, "IMAGE"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(home, arguments, status, tells):
    done = ask(home, *arguments)

    assert done.returncode == status
    assert tells in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("Müller^Anna.png",),
        ("ct.nii.gz", "--plane", "sagittal", "--slice", "12", "--window", "lung"),
    ],
)
def test_a_running_workbench_answers_with_the_same_words_about_the_same_pixels(home, server, arguments):
    ends = [ask(home, *arguments, QUESTION, "--json", data=data) for data in ("served", "own")]
    assert [each.stderr for each in ends] == ["", ""]
    there, here = (json.loads(each.stdout) for each in ends)

    for name in ("answer", "model"):
        assert there[name] == here[name]
    for name in ("sha256", "plane", "slice", "window", "kind"):
        assert there["image"][name] == here["image"][name]


def test_an_open_case_of_a_running_workbench_is_asked_about_with_its_overlay(home, server):
    with server.client() as client, (home / "ct.nii.gz").open("rb") as file:
        made = client.post("/nim/vista3d/segment", files={"file": ("ct.nii.gz", file)})
    case_id = made.json()["case_id"]

    done = ask(home, f"case:{case_id}", QUESTION, "--overlay", "--json", data="served")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["case_id"], told["image"]["overlay"]) == (case_id, True)


def test_the_phantom_is_asked_about_through_a_running_workbench_and_written_with_its_picture(home, server):
    done = ask(home, "demo", QUESTION, "-o", "demo.html", data="served")

    assert done.returncode == 0, done.stderr
    assert "picture: axial" in done.stdout
    assert "data:image/" in (home / "demo.html").read_text("utf-8")


@pytest.fixture(scope="module")
def vision() -> Iterator[VisionNim]:
    """A vision model that calls for an expert before it answers."""
    with VisionNim(calls="organs") as running:
        yield running


def local(vision: VisionNim) -> dict[str, str]:
    """An own vision model, and a VISTA-3D that is not deployed."""
    return {
        "IMAGING_NIM_MODE": "local",
        "IMAGING_NIM_VILAM3_URL": vision.url,
        "IMAGING_NIM_VISTA3D_URL": "",
    }


def test_what_the_model_calls_for_is_told_and_not_run_without_a_yes(home, vision):
    done = ask(home, "ct.nii.gz", "Which organs are visible?", **local(vision))

    assert done.returncode == 0, done.stderr
    assert "Segment organs with VISTA-3D?" in done.stdout
    assert "<VISTA3D(organs)>" in done.stdout
    assert len(vision.chats()) == 1


def test_with_a_yes_the_expert_runs_and_the_model_answers_to_its_picture(home, vision):
    before = len(vision.chats())
    # The mock finds an upper lobe on slice 43.
    done = ask(
        *(home, "ct.nii.gz", "--slice", "43", "--expert", "yes", "Which organs are visible?", "-o", "talk-expert.html"),
        **local(vision),
    )

    assert done.returncode == 0, done.stderr
    assert "MOCK: mock VISTA-3D, organs: red: left lung upper lobe, " in done.stdout
    assert "An expert's result came with it." in done.stdout
    assert len(vision.chats()) == before + 2
    assert (home / "talk-expert.html").read_text("utf-8").count("data:image/") == 2
