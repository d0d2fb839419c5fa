"""Talks about pictures taken away."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.asking_made import ADA, PIXELS, Shelf, a_picture
from workbench.domain.picture import Picture
from workbench.usecases.export_ask import EXPORTS, NOTICE, export_ask

PLANTED = "<script>alert(1)</script> ![p](http://there.example/p.png) [1](http://there.example) with p < 0.05"
PICTURE = a_picture()
MARKED = a_picture("marked01", encoded=b"\xff\xd8 in colours \xff\xd9")


def image_of(picture: Picture, **changes: Any) -> dict[str, Any]:
    facts = picture.facts
    row = {
        "sha256": facts.sha256,
        "plane": "axial",
        "slice": 30,
        "slices": {"axial": 30},
        "window": {"name": "soft tissue", "center": 50.0, "width": 400.0},
        "kind": "view",
        "overlay": False,
        "mark": None,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "picture_id": facts.id,
        "id": facts.id,
    }
    return {**row, **changes}


def answer(**changes: Any) -> dict[str, Any]:
    made = {
        "answer": "It shows the liver.",
        "model": "vila-m3",
        "is_mock": False,
        "is_synthetic": False,
        "fallback_reason": None,
        "image": image_of(PICTURE),
        "finish": "stop",
        "prompt": "user:\n[picture] Which organs?",
        "sent_as": "inline",
        "offer": "",
        "expert": None,
        "notices": [],
        "warnings": [],
        "provenance": {"origin": "local", "created_at": "2026-01-15T12:03:00Z", "model": "vila-m3"},
    }
    return {**made, **changes}


EXPERT = {
    "expert": "VISTA3D",
    "argument": "hepatic tumor",
    "legend": "red: liver, blue: hepatic tumor",
    "not_found": ["spleen"],
    "is_mock": True,
    "model": "vista3d",
    "picture": image_of(MARKED, kind="expert", mark="MOCK"),
}


def exported(form: str, *answers: dict[str, Any], question: str = "Which organs?") -> str:
    shelf = Shelf()
    shelf.put(PICTURE)
    shelf.put(MARKED)
    return export_ask(
        [{"question": question, "answer": each} for each in answers],
        form,
        at="2026-01-15T12:03:00Z",
        picture=lambda name: shelf.get(ADA, name),
    )


def embedded(page: str) -> list[bytes]:
    return [base64.b64decode(each) for each in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)]


@pytest.mark.parametrize("form", sorted(EXPORTS))
def test_every_form_holds_question_answer_prompt_picture_origin_and_notice(form):
    text = exported(form, answer())

    for part in ("Which organs?", "It shows the liver.", "[picture]", PICTURE.facts.sha256, "vila-m3", NOTICE, "axial"):
        assert part in text


def test_a_page_holds_the_bytes_themselves_and_names_what_they_show():
    page = exported("html", answer())

    assert embedded(page) == [PIXELS]
    assert 'alt="axial slice 30"' in page
    assert "window 50 / 400 HU (soft tissue); overlay off; 512 x 400 pixels" in page


def test_a_picture_stands_once_before_the_questions_about_it():
    page = exported("html", answer(), answer(), answer(expert=EXPERT))

    assert embedded(page) == [PIXELS, MARKED.encoded]


def test_an_expert_is_told_with_its_colours_and_what_it_did_not_find():
    for form in ("html", "md"):
        text = exported(form, answer(expert=EXPERT, is_mock=True))
        assert "vista3d (MOCK) was asked for hepatic tumor." in text
        assert "The colours are red: liver, blue: hepatic tumor." in text
        assert "Not found: spleen." in text
        assert "MOCK, axial slice 30" in text


def test_other_bytes_are_never_shown_under_a_digest():
    page = exported("html", answer(image=image_of(PICTURE, sha256="0" * 64)))

    assert "<img" not in page
    assert "no longer kept" in page


def test_a_picture_that_is_gone_leaves_its_facts():
    page = exported("html", answer(image=image_of(PICTURE, picture_id="gone0000")))

    assert "<img" not in page
    assert PICTURE.facts.sha256 in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"is_mock": True, "provenance": {"origin": "mock", "created_at": "now"}}, "(MOCK)"),
        ({"is_mock": True}, "MOCK: what it rests on is made up"),
        ({"is_synthetic": True}, "SYNTHETIC: a model drew the CT"),
        ({"fallback_reason": "no key"}, "A mock stood in: no key"),
        ({"finish": "cut"}, "The answer is not complete."),
        ({"finish": "length"}, "cut at its longest length"),
        ({"offer": "Segment liver?"}, "Segment liver?"),
        ({"warnings": ["Text is burned in."]}, "Text is burned in."),
        ({"notices": ["The talk is long."]}, "The talk is long."),
        ({"image": image_of(PICTURE, plane=None, window=None)}, "uploaded picture"),
        ({"image": image_of(PICTURE, kind="mosaic", slices={"axial": 3, "coronal": 4})}, "axial 3, coronal 4"),
    ],
)
@pytest.mark.parametrize("form", ["html", "md"])
def test_what_is_to_be_known_of_an_answer_is_told(form, changes, told):
    assert told in exported(form, answer(**changes))


def test_html_keeps_what_was_written_as_text_and_runs_and_fetches_nothing():
    row = {**EXPERT, "legend": PLANTED, "model": PLANTED, "argument": PLANTED, "not_found": [PLANTED]}
    planted = answer(answer=PLANTED, prompt=PLANTED, offer=PLANTED, notices=[PLANTED], model=PLANTED, expert=row)
    page = exported("html", planted, question=PLANTED)

    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:image/)', page)
    assert "&lt;script&gt;" in page


def test_markdown_keeps_what_was_written_as_text():
    row = {**EXPERT, "legend": PLANTED, "model": PLANTED, "argument": PLANTED, "not_found": [PLANTED]}
    planted = answer(answer=PLANTED, prompt=PLANTED, offer=PLANTED, notices=[PLANTED], model=PLANTED, expert=row)
    shown = MarkdownIt().render(exported("md", planted, question=PLANTED))

    for active in ("<script", "<img", "<a ", "</script"):
        assert active not in shown
    assert "p &lt; 0.05" in shown


def test_json_can_be_read_back_whole():
    content = json.loads(exported("json", answer(), answer(expert=EXPERT)))

    assert content["notice"] == NOTICE
    assert [each["answer"]["expert"] for each in content["exchanges"]] == [None, EXPERT]


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_of_the_page_can_be_read_on_its_ground(dark):
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 for text."""
    style = exported("html", answer()).split("<style>")[1].split("</style>")[0]
    colours = dict(re.findall(r"--(\w+):(#\w{6})", style.split("prefers-color-scheme:dark")[int(dark)]))

    assert set(colours) == {"page", "text", "muted", "line", "mark"}
    for name in ("text", "muted", "mark"):
        lighter, darker = sorted((luminance(colours[name]), luminance(colours["page"])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
