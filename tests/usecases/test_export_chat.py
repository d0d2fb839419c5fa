"""Conversations taken away."""

from __future__ import annotations

import json

import pytest
from markdown_it import MarkdownIt

from tests.passages import found
from workbench.usecases.export_chat import EXPORTS, NOTICE, export_chat


def exchange(**changes):
    row = {
        "passage_id": "p1",
        "title": "Liver attenuation",
        "source": "liver.pdf",
        "year": 2020,
        "page": "3",
        "section": "Results",
        "text": found("The liver measures 55 to 65 HU.").passage.text,
        "references": ["A real paper. 2015."],
    }
    made = {
        "question": "How bright is the liver?",
        "answer": "It measures 55 to 65 HU [1]. It is <b>big</b>.",
        "evidence": "strong",
        "rewritten": None,
        "citations": [{"n": 1, **row}],
        "sentences": [
            {"text": "It measures 55 to 65 HU [1].", "support": "supported", "note": None},
            {"text": "It is <b>big</b>.", "support": "uncited", "note": None},
        ],
        "removed": 0,
        "nearest": [row],
        "notices": [],
        "case": None,
        "model": "mock Llama-3",
        "is_mock": True,
        "fallback_reason": "no key",
        "finish": "stop",
        "provenance": {"origin": "mock", "created_at": "2026-01-15T12:03:00Z"},
    }
    return {**made, **changes}


@pytest.mark.parametrize("form", sorted(EXPORTS))
def test_every_form_holds_question_answer_passage_origin_and_notice(form):
    text = export_chat([exchange()], form, at="2026-01-15T12:03:00Z")

    for part in ("How bright is the liver?", "55 to 65 HU [1]", "The liver measures", "liver.pdf", NOTICE):
        assert part in text
    assert "mock" in text.lower()


def test_markdown_marks_what_has_no_source_and_says_why_a_mock_answered():
    text = export_chat([exchange()], "md", at="now")

    assert "no source given" in text
    assert "A mock stood in: no key" in text
    assert "p. 3" in text
    assert "A real paper. 2015." in text


def test_html_keeps_what_was_written_as_text():
    text = export_chat([exchange(question="<script>alert(1)</script>")], "html", at="now")

    assert "<script>" not in text
    assert "<b>big" not in text
    assert "&lt;b&gt;big" in text


def test_markdown_keeps_what_was_written_as_text():
    planted = "<script>alert(1)</script> ![p](http://there.example/p.png) [1](http://there.example) with p < 0.05"
    row = {**exchange()["citations"][0], "text": planted, "title": planted, "references": [planted]}
    text = export_chat([exchange(question=planted, answer=planted, notices=[planted], citations=[row])], "md", at="now")

    shown = MarkdownIt().render(text)
    for active in ("<script", "<img", "<a ", "</script"):
        assert active not in shown
    assert shown.count("![p](http://there.example/p.png)") == 6
    assert "p &lt; 0.05" in shown
    assert "p < 0.05" in text


def test_json_can_be_read_back_whole():
    content = json.loads(export_chat([exchange(), exchange(question="Again?")], "json", at="now"))

    assert [each["question"] for each in content["exchanges"]] == ["How bright is the liver?", "Again?"]


def test_an_unanswered_question_lists_the_nearest_passages_as_no_evidence():
    text = export_chat([exchange(evidence="none", citations=[], sentences=[])], "md", at="now")

    assert "which are not evidence" in text


def test_a_case_that_is_cited_is_among_the_sources_with_its_marks():
    case = {"case_id": "c0ffee", "text": "MOCK: a demonstration.", "marks": ["MOCK"]}
    text = export_chat([exchange(answer="The liver has 1512.3 mL [Case].", case=case)], "md", at="now")

    assert "**[Case]**" in text
    assert "The case is marked MOCK." in text
