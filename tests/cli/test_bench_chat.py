"""`workbench bench chat` on a handful of questions."""

from __future__ import annotations

import json

from tests.serving import workbench_command

QUESTIONS = (
    {"question": "What is the formula for a Hounsfield unit?", "kind": "answerable", "article": "hounsfield-units"},
    {"question": "How many classes does VISTA-3D support?", "kind": "answerable", "article": "vista3d-overview"},
    {"question": "Which gear should I use to climb a hill on a bicycle?", "kind": "off_topic", "article": None},
)


def test_it_measures_the_search_against_words_alone_and_leaves_the_library_of_the_person_alone(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in QUESTIONS), "utf-8")
    data = tmp_path / "data"

    done = workbench_command(
        "bench",
        "chat",
        "--json",
        "--data-dir",
        str(data),
        "--questions",
        str(file),
        cwd=tmp_path,
        IMAGING_NIM_MODE="mock",
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    ranked = told["ranking"]["answerable"]["hit@5"]
    assert ranked["library"]["mean"] == 1.0
    assert ranked["library"]["count"] == 2
    assert set(ranked) == {"library", "words_alone", "gain"}
    assert told["refused"]["off_topic"]["mean"] == 1.0
    assert told["quotes_verbatim"]["mean"] == 1.0
    assert told["is_mock"] is True
    assert not (data / "library").exists()


def test_a_line_that_is_no_question_is_told_by_its_number(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "x", "kind": "answerable"}\n{"kind": "riddle"}\n', "utf-8")

    done = workbench_command("bench", "chat", "--questions", str(file), cwd=tmp_path, IMAGING_NIM_MODE="mock")

    assert done.returncode == 1
    assert "Line 2" in done.stderr
