"""Experts that the model calls for: asked about, run after a yes, shown with what they marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.ask_app import LOCAL, TUMOUR, AskTold, answer, begun, grey, of_case, script
from tests.ui.ask_desk import AskDesk, ask, grey_png, served, told

__all__ = ["ask", "grey_png", "served", "told"]

pytestmark = pytest.mark.browser

CALL = "<VISTA3D(hepatic tumor)>"


def reading(told: AskTold, **more: Any) -> dict[str, Any]:
    """What an expert gave, as published, with its coloured slice on the shelf."""
    kept = told.keep(grey(40, 40), **of_case(kind="expert", overlay=True))
    return {
        "expert": "VISTA3D",
        "argument": "hepatic tumor",
        "picture": {**kept, "picture_id": kept["id"]},
        "legend": "red: liver, blue: hepatic tumor",
        "not_found": [],
        "warnings": [],
        "is_mock": False,
        "model": "vista3d",
        "fallback_reason": None,
        "provenance": {**LOCAL, "model": "vista3d", "version": "1.0"},
        **more,
    }


@pytest.fixture
def called(ask: AskDesk, told: AskTold, grey_png: Path) -> AskDesk:
    """A picture of a case was asked about, and the model calls for an expert."""
    told.next_picture = of_case()
    ask.take(grey_png)
    told.script = script(CALL, **TUMOUR)
    ask.ask("Is there a tumor?")
    return ask


def test_nothing_runs_before_a_yes_and_then_the_whole_exchange_is_shown(called: AskDesk, told: AskTold) -> None:
    offer = called.last.get_by_role("group", name="What the model calls for")
    expect(offer).to_contain_text("Segment hepatic tumor with VISTA-3D?")
    expect(called.text).to_have_text(CALL)
    assert told.experts == []
    found = reading(told)
    told.expert_script = [
        ("working", {"stage": "segmenting", "fraction": 0.4}),
        ("wait", None),
        ("expert", found),
        begun(),
        ("token", {"text": "A mass "}),
        ("done", answer("A mass of blue colour.", expert=found)),
    ]
    offer.get_by_role("button", name="Yes, segment").click()
    working = called.last.locator(".ask-expert")
    expect(working).to_contain_text("segmenting")
    expect(working.get_by_role("progressbar")).to_have_attribute("value", "0.4")
    told.go.set()
    called.ended()
    assert told.experts[0]["argument"] == "hepatic tumor"
    assert (told.experts[0]["question"], told.experts[0]["history"]) == ("Is there a tumor?", [])
    marked = called.last.locator(".ask-marked")
    assert marked.locator("img").evaluate("each => each.decode().then(() => each.naturalWidth)") == 40
    assert marked.locator(".ask-legend li").all_text_contents() == ["liver in red", "hepatic tumor in blue"]
    assert marked.locator(".ask-swatch").first.evaluate("each => each.style.background") == "red"
    expect(called.text).to_have_text("A mass of blue colour.")
    told.script = script("Yes.")
    called.ask("Is it large?")
    assert [each["text"] for each in told.asked[-1]["history"]] == ["Is there a tumor?", "A mass of blue colour."]


def test_a_no_runs_nothing_and_can_be_thought_over(called: AskDesk, told: AskTold) -> None:
    called.last.get_by_role("button", name="No", exact=True).click()
    offer = called.last.get_by_role("group", name="What the model calls for")
    expect(offer).to_contain_text("Not run.")
    assert told.experts == []
    told.expert_script = [("expert", reading(told)), *script("A mass.")]
    offer.get_by_role("button", name="Run it after all").click()
    called.ended()
    assert len(told.experts) == 1


def test_an_expert_under_way_can_be_cancelled_and_run_again(called: AskDesk, told: AskTold) -> None:
    told.expert_script = [("working", {"stage": "waiting", "fraction": None}), ("wait", None)]
    called.last.get_by_role("button", name="Yes, segment").click()
    called.last.get_by_role("button", name="Cancel").click()
    called.ended("stopped")
    assert told.stopped.wait(20)
    expect(called.last.locator(".ask-expert")).to_contain_text("It did not come to a result.")
    told.expert_script = [("expert", reading(told)), *script("A mass.")]
    called.last.locator("[data-retry]").click()
    called.ended()
    expect(called.exchanges).to_have_count(2)


def test_an_expert_that_fails_says_why_and_the_call_stays(called: AskDesk, told: AskTold) -> None:
    broken = {"title": "The NIM failed", "detail": "VISTA-3D ran out of memory.", "hint": "Crop the CT.", "status": 502}
    told.expert_script = [("error", broken)]
    called.last.get_by_role("button", name="Yes, segment").click()
    called.ended("failed")
    expect(called.last.get_by_role("alert")).to_contain_text("VISTA-3D ran out of memory.")
    expect(called.exchanges.first.locator(".chat-answer-text")).to_have_text(CALL)
    called.page.click("#ask-room [data-undo]")
    expect(called.exchanges).to_have_count(1)
    expect(called.field).to_have_value("")
    expect(called.last.get_by_role("button", name="Yes, segment")).to_be_enabled()


def test_a_call_that_cannot_be_followed_gives_its_reason_and_no_button(
    ask: AskDesk, told: AskTold, grey_png: Path
) -> None:
    ask.take(grey_png)
    why = "The model calls for the chest X-ray expert. It is not deployed here; nothing was run."
    told.script = script("<CXR()>", trigger={"expert": "CXR", "argument": ""}, offer=why)
    ask.ask("Is there an effusion?")
    offer = ask.last.get_by_role("group", name="What the model calls for")
    expect(offer).to_contain_text(why)
    expect(offer.get_by_role("button")).to_have_count(0)


def test_where_nothing_was_marked_it_is_said_and_not_drawn(called: AskDesk, told: AskTold) -> None:
    found = reading(told, legend="", not_found=["hepatic tumor"])
    said = "VISTA-3D marked nothing on this slice."
    told.expert_script = [("expert", found), begun(), ("token", {"text": said}), ("done", answer(said, expert=found))]
    called.last.get_by_role("button", name="Yes, segment").click()
    called.ended()
    marked = called.last.locator(".ask-marked")
    expect(marked).to_contain_text("Nothing of it lies on this slice.")
    expect(marked).to_contain_text("Looked for and not found: hepatic tumor.")
    expect(marked.locator(".ask-legend")).to_have_count(0)
