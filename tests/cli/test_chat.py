"""`workbench chat` as typed in a terminal: through a running workbench, and by itself after it has stopped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library_made import add_articles
from tests.serving import PATIENCE_S, Server, command, environment, serving, workbench_command

QUESTION = "What is the attenuation of fat in Hounsfield units?"
MOCK = {"IMAGING_NIM_MODE": "mock", "IMAGING_STARTER_LIBRARY": "false"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose library holds the articles, and that nobody owns."""
    data = tmp_path_factory.mktemp("chat-cli") / "data"
    with serving(data) as running, running.client() as client:
        add_articles(client)
    return data


@pytest.fixture(scope="module")
def server(filled: Path) -> Iterator[Server]:
    with serving(filled) as running:
        yield running


def chat(data: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return workbench_command("chat", "--data-dir", str(data), *arguments, cwd=cwd, **MOCK)


def test_one_question_is_answered_with_its_sources_and_says_that_a_mock_quotes(filled, tmp_path):
    done = chat(filled, tmp_path, QUESTION)

    assert done.returncode == 0, done.stderr
    assert "MOCK" in done.stdout
    assert "-100 HU" in done.stdout
    assert "[1] Attenuation of tissues. attenuation.txt, 2015" in done.stdout


def test_off_topic_is_said_to_be_unanswered_and_ends_well(filled, tmp_path):
    done = chat(filled, tmp_path, "How do I bake sourdough bread?")

    assert done.returncode == 0
    assert "The library does not answer this." in done.stdout
    assert "not evidence" in done.stdout


def test_json_is_the_published_answer(filled, tmp_path):
    done = chat(filled, tmp_path, QUESTION, "--json")

    told = json.loads(done.stdout)
    assert told["citations"][0]["title"] == "Attenuation of tissues"
    assert told["is_mock"] is True


def test_questions_by_the_line_stand_alone_and_one_that_cannot_be_asked_keeps_none_from_the_others(filled, tmp_path):
    lines = f"{QUESTION}\n\n{'x' * 5000}\nHow large is the liver of an adult?\n"
    done = subprocess.run(
        command("chat", "--data-dir", str(filled), "--json"),
        cwd=tmp_path,
        env=environment(tmp_path, MOCK),
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [("error" in each) for each in told] == [False, True, False]
    assert told[2]["rewritten"] is None
    assert "4,000" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_conversation_is_written_in_the_form_of_its_ending(filled, tmp_path):
    done = chat(filled, tmp_path, QUESTION, "-o", str(tmp_path / "talk.md"))

    assert done.returncode == 0, done.stderr
    assert "Research use" in (tmp_path / "talk.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "tells"),
    [
        ((QUESTION, "-o", "talk.docx"), 1, "ending"),
        ((QUESTION, "--collection", "nowhere"), 1, "nowhere"),
        ((QUESTION, "--top-k", "0"), 2, "between 1 and 20"),
        (("",), 1, "empty"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(filled, tmp_path, arguments, status, tells):
    done = chat(filled, tmp_path, *arguments)

    assert done.returncode == status
    assert tells in done.stderr
    assert "Traceback" not in done.stderr


def test_a_running_workbench_answers_with_the_same_words(server, filled, tmp_path):
    with server.client() as client:
        expected = client.post("/query", json={"question": QUESTION}).json()["answer"]

    done = chat(filled, tmp_path, QUESTION)

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
