"""Asking about a picture: what is typed is asked with its picture and its talk, and no failure loses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.ask_app import PROMPT, AskTold, answer, begun, grey, script
from tests.ui.ask_desk import TELL_STATUS, AskDesk, ask, grey_png, served, told

__all__ = ["ask", "grey_png", "served", "told"]

pytestmark = pytest.mark.browser

BROKEN = {"title": "The NIM failed", "detail": "VILA-M3 broke off.", "hint": "See the Status tab.", "status": 502}
CONSENT = {
    "type": "/problems/consent-needed",
    "title": "The person must be asked first",
    "consent": {"what": "image", "where": "integrate.api.nvidia.com", "sent": "the picture shown, with your question"},
}


def test_before_the_first_question_the_page_says_what_it_is_and_the_next_step(ask: AskDesk) -> None:
    welcome = ask.page.locator(".chat-welcome")
    expect(welcome).to_contain_text("shows the exact pixels and words that were sent")
    expect(welcome.get_by_role("button", name="Choose a picture")).to_be_visible()
    assert welcome.locator(".chat-examples button").count() >= 3
    expect(ask.page.locator(".ask-preview")).to_contain_text("exactly what is sent")
    for state, words in (
        ("mock", "MOCK A mock answers"),
        ("available", "Your own VILA-M3 answers"),
        ("cloud", "You are asked before anything is sent."),
        ("unavailable", "VILA-M3 cannot be used now"),
    ):
        ask.page.evaluate(TELL_STATUS, {"status": state})
        expect(ask.page.locator(".chat-who")).to_contain_text(words)


def test_examples_follow_what_made_the_picture(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    examples = ask.page.locator(".chat-examples")
    ask.take(grey_png)
    expect(examples).to_contain_text("What kind of picture is this?")
    ask.page.get_by_label("What made the picture").select_option("CXR")
    expect(examples).to_contain_text("Is this a frontal or a lateral view?")
    told.script = script("A frontal view.")
    examples.get_by_role("button", name="Is this a frontal or a lateral view?").click()
    ask.ended()
    assert (told.asked[0]["question"], told.asked[0]["modality"]) == ("Is this a frontal or a lateral view?", "CXR")


def test_an_empty_question_is_refused_in_place(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    ask.send.click()
    expect(ask.refused).to_have_text("Type a question first.")
    expect(ask.field).to_be_focused()
    ask.field.fill("  \n ")
    expect(ask.refused).to_have_text("")
    ask.field.press("Enter")
    expect(ask.refused).to_have_text("Type a question first.")
    assert told.asked == []


def test_a_question_without_a_picture_is_kept_and_says_what_is_missing(ask: AskDesk, told: AskTold) -> None:
    ask.type_and_send("Which organs are visible?")
    expect(ask.refused).to_contain_text("Choose a picture first")
    expect(ask.field).to_have_value("Which organs are visible?")
    expect(ask.exchanges).to_have_count(0)
    assert told.asked == []


def test_a_question_that_is_too_long_is_kept_and_not_sent(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    ask.field.fill("a" * 3_700)
    expect(ask.page.locator("#ask-room .chat-length")).to_have_text("3\u202f700 of at most 4\u202f000 characters.")
    ask.field.fill("a" * 5_000)
    expect(ask.page.locator("#ask-room .chat-length")).to_contain_text("Shorten it, or ask in several turns.")
    expect(ask.send).to_be_disabled()
    ask.field.press("Enter")
    assert told.asked == []
    assert len(ask.field.input_value()) == 5_000


def test_what_is_asked_carries_picture_history_and_settings(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    shown = ask.take(grey_png)
    told.script = script("The **liver** and the spleen.")
    ask.ask("Which organs are visible?")
    expect(ask.text.locator("strong")).to_have_text("liver")
    ask.page.click("#ask-room [data-fold=settings]")
    for name, value in (("Temperature", "0.7"), ("Top-p", "0.5"), ("Longest answer", "99")):
        ask.page.locator("#ask-folder").get_by_label(name).fill(value)
        ask.page.locator("#ask-folder").get_by_label(name).press("Tab")
    expect(ask.page.locator("#ask-folder").get_by_label("Passages")).to_have_count(0)
    ask.page.keyboard.press("Escape")
    ask.ask("And where?")
    first, second = told.asked
    assert first == {
        "question": "Which organs are visible?",
        "picture_id": shown,
        "history": [],
        "sampling": {"temperature": 0, "top_p": 0.9, "max_tokens": 1024},
        "modality": None,
        "stream": True,
    }
    assert second["sampling"] == {"temperature": 0.7, "top_p": 0.5, "max_tokens": 99}
    assert second["history"] == [
        {"role": "user", "text": "Which organs are visible?"},
        {"role": "assistant", "text": "The **liver** and the spleen."},
    ]


def test_words_are_painted_as_they_come_and_stop_keeps_them(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    told.script = [begun(), ("token", {"text": "The liver "}), ("token", {"text": "and"}), ("wait", None)]
    ask.type_and_send("Which organs are visible?")
    expect(ask.text).to_have_text("The liver and")
    expect(ask.last.locator(".ask-who")).to_contain_text("vila-m3-8b")
    expect(ask.send).to_have_text("Stop")
    ask.page.keyboard.press("Escape")
    ask.ended("stopped")
    assert told.stopped.wait(20)
    expect(ask.text).to_have_text("The liver and")
    expect(ask.last.locator(".chat-ended")).to_contain_text("the answer is not whole")
    told.script = script("The liver and the spleen.")
    ask.last.locator("[data-retry]").click()
    ask.ended()
    expect(ask.exchanges).to_have_count(1)
    assert [each["question"] for each in told.asked] == ["Which organs are visible?"] * 2


@pytest.mark.parametrize("how", ["error event", "cut stream", "refused", "gone"])
def test_a_failure_keeps_picture_question_and_the_words_that_came(
    ask: AskDesk, told: AskTold, grey_png: Path, how: str
) -> None:
    shown = ask.take(grey_png)
    if how == "refused":
        told.refusals = [(502, BROKEN)]
    if how == "gone":
        ask.page.route("**/analyze", lambda route: route.abort())
    half = [begun(), ("token", {"text": "The liver "})]
    told.script = [*half, ("error", BROKEN) if how == "error event" else ("cut", None)]
    ask.ask("Which organs are visible?", ends="failed")
    trouble = ask.last.get_by_role("alert")
    words = {"cut stream": "The answer broke off", "gone": "The workbench does not answer"}
    expect(trouble).to_contain_text(words.get(how, "VILA-M3 broke off."))
    expect(trouble.locator(".wb-hint")).not_to_be_empty()
    expect(ask.last.locator(".chat-question p").first).to_have_text("Which organs are visible?")
    if how in ("error event", "cut stream"):
        expect(ask.text).to_have_text("The liver")
        expect(trouble).to_contain_text("the answer is not whole")
    assert ask.shown() == shown
    ask.page.unroute("**/analyze")
    told.script = script("The liver and the spleen.")
    ask.last.get_by_role("button", name="Retry").click()
    ask.ended()
    expect(ask.exchanges).to_have_count(1)


def test_who_answered_and_what_was_sent_stand_on_every_answer_and_no_confidence(
    ask: AskDesk, told: AskTold, grey_png: Path
) -> None:
    ask.take(grey_png)
    told.script = script("The liver.", confidence=0.97)
    ask.ask("Which organs are visible?")
    expect(ask.last.locator(".ask-who")).to_have_text("Your NIMvila-m3-8b")
    fold = ask.last.locator(".ask-prompt")
    fold.locator("summary").click()
    expect(fold.locator("pre")).to_have_text(PROMPT)
    expect(fold).to_contain_text("In the request, to your own NIM")
    assert fold.locator("img").evaluate("each => each.decode().then(() => each.naturalWidth)") == 64
    assert "97" not in ask.last.inner_text()
    assert "onfidence" not in ask.last.inner_text()
    mock = {"origin": "mock", "created_at": "2026-01-02T03:04:05Z", "elapsed_s": 0.1}
    because = {"is_mock": True, "fallback_reason": "VILA-M3 is not deployed", "provenance": mock, "prompt": ""}
    told.script = [begun(**because, sent_as="not sent"), ("done", answer("48 grey.", sent_as="not sent", **because))]
    ask.ask("And now?")
    expect(ask.last).to_have_attribute("data-mock", "true")
    expect(ask.last.locator(".ask-who")).to_contain_text("MOCKStands in for VILA-M3: VILA-M3 is not deployed")
    expect(ask.last.locator(".ask-prompt summary")).to_have_text("Nothing was sent")


def test_html_and_links_of_a_model_stay_text(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    said = "<img src=x onerror='window.hurt = 1'> <VISTA3D(x)> ![p](http://evil.invalid/p.png)"
    told.script = script(said)
    ask.take(grey_png)
    ask.ask("Which organs are visible?")
    expect(ask.text).to_have_text(said)
    assert ask.text.locator("img, a, script").count() == 0
    assert ask.page.evaluate("window.hurt") is None


@pytest.mark.parametrize(("press", "granted"), [("Send", True), ("Do not send", False)])
def test_before_a_picture_leaves_the_person_sees_it_and_is_asked_once(
    ask: AskDesk, told: AskTold, grey_png: Path, press: str, granted: bool
) -> None:
    told.next_picture = {"burned_in": "The file says that its pixels hold text."}
    shown = ask.take(grey_png)
    told.refusals = [(409, CONSENT)]
    told.script = script("The liver.")
    ask.type_and_send("Which organs are visible?")
    expect(ask.dialog).to_contain_text("the picture shown, with your question")
    expect(ask.dialog).to_contain_text("integrate.api.nvidia.com")
    expect(ask.dialog.locator(".ask-burned")).to_contain_text("pixels hold text")
    assert str(ask.dialog.locator("img").get_attribute("src")).endswith(f"pictures/{shown}/image")
    assert told.consents == []
    ask.dialog.get_by_role("button", name=press, exact=True).click()
    ask.ended()
    assert told.consents == [{"what": "image", "granted": granted}]
    assert len(told.asked) == 2


def test_a_consent_put_aside_sends_nothing_and_keeps_the_question(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    told.refusals = [(409, CONSENT)]
    ask.type_and_send("Which organs are visible?")
    ask.dialog.wait_for()
    ask.page.keyboard.press("Escape")
    ask.ended("failed")
    expect(ask.last.get_by_role("alert")).to_contain_text("Nothing was sent")
    assert told.consents == []
    expect(ask.last.locator(".chat-question p").first).to_have_text("Which organs are visible?")


def test_edit_undo_and_clear_take_back_and_give_back(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    told.script = script("Yes.")
    for question in ("First?", "Second?"):
        ask.ask(question)
    ask.exchanges.first.get_by_role("button", name="Edit this question").click()
    expect(ask.field).to_have_value("First?")
    ask.field.fill("First, but better?")
    ask.field.press("Enter")
    expect(ask.exchanges).to_have_count(1)
    ask.ended()
    assert told.asked[-1]["history"] == []
    ask.page.click("#ask-room [data-undo]")
    expect(ask.exchanges).to_have_count(0)
    expect(ask.field).to_have_value("First, but better?")
    ask.field.press("Enter")
    ask.ended()
    ask.page.click("#ask-room [data-clear]")
    expect(ask.exchanges).to_have_count(0)
    ask.page.get_by_role("button", name="Bring them back").click()
    expect(ask.exchanges).to_have_count(1)


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_the_questions_are_exported_as_they_were_answered(
    ask: AskDesk, told: AskTold, grey_png: Path, form: str
) -> None:
    ask.take(grey_png)
    told.script = script("The liver.")
    ask.ask("Which organs are visible?")
    ask.page.locator("#ask-room .chat-export summary").click()
    with ask.page.expect_download() as taken:
        ask.page.click(f"#ask-room [data-format={form}]")
    assert taken.value.suggested_filename == f"questions.{form}"
    exchange = {"question": "Which organs are visible?", "answer": answer("The liver.")}
    assert told.exported == [{"format": form, "exchanges": [exchange]}]


def test_the_talk_outlives_a_reload_and_ends_with_its_tab(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    shown = ask.take(grey_png)
    told.script = script("The liver.")
    ask.ask("Which organs are visible?")
    told.script = [begun(), ("token", {"text": "Half of "}), ("wait", None)]
    ask.type_and_send("And where?")
    expect(ask.text).to_have_text("Half of")
    ask.field.fill("half a thought")
    ask.open()
    expect(ask.exchanges).to_have_count(2)
    ask.ended("stopped")
    expect(ask.last).to_contain_text("The page was loaded anew while this was being answered.")
    expect(ask.field).to_have_value("half a thought")
    ask.preview.wait_for()
    assert (ask.shown(), ask.bytes_shown()) == (shown, grey())
    stored = json.loads(ask.page.evaluate("sessionStorage.getItem('workbench.ask')"))
    assert stored["exchanges"][0]["picture"]["sha256"] == told.pictures[shown][0]["sha256"]
    assert ask.page.evaluate("Object.keys(localStorage).filter((each) => each.includes('ask'))") == []


def test_the_keyboard_alone_is_enough(ask: AskDesk, told: AskTold, grey_png: Path) -> None:
    ask.take(grey_png)
    told.script = script("The liver.")
    ask.field.focus()
    ask.page.keyboard.type("Which organs")
    ask.page.keyboard.press("Shift+Enter")
    ask.page.keyboard.type("are visible?")
    ask.page.keyboard.press("Enter")
    ask.ended()
    assert told.asked[0]["question"] == "Which organs\nare visible?"
    expect(ask.field).to_be_focused()
    expect(ask.page.locator("[data-ask=told]")).to_have_text("Answer complete.")
    ask.field.press("ArrowUp")
    expect(ask.field).to_have_value("Which organs\nare visible?")
    ask.field.press("Escape")
    expect(ask.page.locator("#ask-room .chat-editing")).to_have_count(0)
