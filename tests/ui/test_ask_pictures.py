"""The picture beside the talk: what is shown is what is sent, and each answer stays with its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.ask_app import AskTold, grey, of_case, script
from tests.ui.ask_desk import TELL_STATUS, AskDesk, ask, grey_png, served, told

__all__ = ["ask", "grey_png", "served", "told"]

pytestmark = pytest.mark.browser


def test_the_preview_shows_the_very_bytes_and_their_facts(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    shown = ask.take(grey_png)
    facts, kept = told.pictures[shown]
    assert ask.bytes_shown() == kept
    width, height = ask.preview.evaluate("each => [each.naturalWidth, each.naturalHeight]")
    assert (width, height) == (64, 48)
    expect(ask.fact("Picture")).to_contain_text("64 × 48\u202fpx")
    expect(ask.fact("Picture")).to_contain_text("PNG")
    expect(ask.fact("SHA-256")).to_contain_text(facts["sha256"][:16])
    assert told.forms == [("picture", len(kept), "")], "the name of the file stays here"


@pytest.mark.parametrize("state", ["available", "cloud", "mock"])
def test_where_the_picture_would_go_is_said_before_it_goes(
    ask: AskDesk, told: AskTold, grey_png: Path, state: str
) -> None:
    told.next_picture = {"sent_as": "asset" if state == "cloud" else "inline", "burned_in": "Bright text in a corner."}
    ask.page.evaluate(TELL_STATUS, {"status": state})
    ask.take(grey_png)
    words = {
        "available": "In the request, to your own NIM",
        "cloud": "Uploaded to the hosted catalogue as an asset, deleted after the answer",
        "mock": "Nowhere: the mock looks at the pixels here",
    }
    expect(ask.fact("Goes")).to_have_text(words[state])
    notice = ask.facts.locator("[data-burned]")
    expect(notice).to_contain_text("Bright text in a corner.")
    if state == "cloud":
        expect(notice).to_have_attribute("data-strong", "")
        expect(notice).to_contain_text("would leave this machine")
    else:
        expect(notice).not_to_have_attribute("data-strong", "")


def test_what_is_no_picture_is_told_in_place_and_the_one_before_stays(
    ask: AskDesk, told: AskTold, grey_png: Path
) -> None:
    shown = ask.take(grey_png)
    ask.field.fill("half a thought")
    told.picture_problem = {
        "status": 415,
        "title": "Not a file that is read here",
        "detail": "This is a PDF.",
        "hint": "Save the page as PNG.",
    }
    ask.choose(grey_png)
    expect(ask.trouble).to_contain_text("The new picture was not taken")
    expect(ask.trouble).to_contain_text("This is a PDF.")
    expect(ask.trouble.locator(".wb-hint")).to_have_text("Save the page as PNG.")
    assert ask.shown() == shown
    expect(ask.field).to_have_value("half a thought")
    expect(ask.room).to_have_attribute("data-picture", "ready")


def test_what_is_too_large_is_refused_before_it_travels(ask: AskDesk, told: AskTold, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(bytes(1_000_001))
    ask.choose(large)
    expect(ask.trouble).to_contain_text("Too large to upload")
    assert told.forms == []


def test_several_files_at_once_are_no_picture(ask: AskDesk, told: AskTold) -> None:
    ask.page.evaluate(
        """() => { const carried = new DataTransfer();
        for (const name of ['a.png', 'b.png']) carried.items.add(new File(['x'], name));
        document.querySelector('.ask-drop').dispatchEvent(
            new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true })); }"""
    )
    expect(ask.trouble).to_contain_text("2 files were dropped")
    assert told.forms == []


def test_without_an_open_case_the_button_says_why_and_offers_the_demo(ask: AskDesk, told: AskTold) -> None:
    ask.page.click("#ask-from-viewer")
    expect(ask.trouble).to_contain_text("No case is open")
    expect(ask.trouble.get_by_role("button", name="Open the demo case")).to_be_visible()
    assert told.orders == []


def test_another_picture_begins_another_talk_and_the_earlier_one_keeps_its_own(
    ask: AskDesk, told: AskTold, grey_png: Path, tmp_path: Path
) -> None:
    first = ask.take(grey_png)
    told.script = script("One grey.")
    ask.ask("What is it?")
    other = tmp_path / "other.png"
    other.write_bytes(grey(32, 32, 200))
    second = ask.take(other)
    assert second != first
    ask.ask("And this?")
    assert told.asked[-1]["history"] == []
    assert told.asked[-1]["picture_id"] == second
    expect(ask.last.locator(".ask-divider")).to_contain_text("a new talk begins")
    expect(ask.exchanges.first.locator(".ask-divider")).to_have_count(0)
    for exchange, own in ((ask.exchanges.first, first), (ask.last, second)):
        expect(exchange.locator(".ask-thumb img")).to_have_attribute("src", f"{ask.url}/pictures/{own}/image")
    ask.exchanges.first.get_by_role("button", name="Ask about this picture").click()
    expect(ask.preview).to_have_attribute("data-picture", first)
    ask.ask("Once more?")
    assert told.asked[-1]["picture_id"] == first
    assert [each["text"] for each in told.asked[-1]["history"]] == ["What is it?", "One grey."]


def test_a_picture_that_was_never_asked_about_is_erased_when_another_comes(
    ask: AskDesk, told: AskTold, grey_png: Path
) -> None:
    first = ask.take(grey_png)
    second = ask.take(grey_png)
    told.script = script("One grey.")
    ask.ask("What is it?")
    third = ask.take(grey_png)
    assert told.forgotten == [first]
    assert set(told.pictures) >= {second, third}


def test_a_picture_that_is_not_kept_any_more_is_said_to_be_gone(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    shown = ask.take(grey_png)
    told.script = script("One grey.")
    ask.ask("What is it?")
    told.pictures.pop(shown)
    ask.open()
    expect(ask.trouble).to_contain_text("not kept any more")
    expect(ask.room).to_have_attribute("data-picture", "none")
    expect(ask.exchanges).to_have_count(1)
    expect(ask.last.locator(".ask-gone")).to_have_text("not kept")


def test_a_made_up_picture_says_so_in_words_beside_its_pixels(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    told.next_picture = of_case(mark="MOCK SYNTHETIC", is_mock=True, is_synthetic=True)
    ask.take(grey_png)
    expect(ask.fact("View")).to_contain_text("MOCK")
    expect(ask.fact("View")).to_contain_text("SYNTHETIC")
    expect(ask.fact("View")).to_contain_text("axial 20, W 400 L 50 (soft tissue), overlay off")
    badge = ask.page.locator("#ask-badge .wb-badge")
    expect(badge).to_have_attribute("data-kind", "mock")
    expect(badge).to_contain_text("MOCK SYNTHETIC")


def test_an_uploaded_ct_slice_can_be_had_in_another_window(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    told.next_picture = {"modality": "CT"}
    first = ask.take(grey_png)
    ask.page.get_by_label("Window of the CT slice").select_option("-600,1500")
    expect(ask.preview).not_to_have_attribute("data-picture", first)
    assert [window for _, _, window in told.forms] == ["", "-600,1500"]
