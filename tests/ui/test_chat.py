"""Asking: what is typed is asked, with its scope and its history, and neither an error nor a stop loses it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.ui.chat_app import Told, answer
from tests.ui.chat_desk import ChatDesk, chat, served, told
from tests.ui.chat_said import SAID, script, two_sources

__all__ = ["chat", "served", "told"]

pytestmark = pytest.mark.browser


def test_before_the_first_question_the_page_says_what_it_is_and_what_to_ask(chat: ChatDesk, told: Told) -> None:
    welcome = chat.page.locator(".chat-welcome")
    expect(welcome).to_contain_text("61 documents, 412 passages")
    expect(welcome).to_contain_text("Where the library does not answer, it says so.")
    examples = welcome.locator(".chat-examples button")
    assert 4 <= examples.count() <= 5
    question = examples.first.inner_text()
    told.script = script(two_sources())
    examples.first.click()
    chat.ended()
    expect(chat.last.locator(".chat-question p")).to_have_text(question)
    assert told.asked[0]["question"] == question


def test_who_answers_is_said_before_the_first_question(chat: ChatDesk) -> None:
    tell = """state => document.dispatchEvent(new CustomEvent('nim:status', { detail: { services: [
        { name: 'llm', status: state, finer_state: state, model: 'meta/llama3-8b-instruct', detail: 'no answer' },
        ] } }))"""
    for state, words in (
        ("mock", "MOCK A mock answers: it quotes"),
        ("available", "Your own Llama-3 answers (meta/llama3-8b-instruct)."),
        ("cloud", "You are asked before anything is sent."),
        ("unavailable", "Llama-3 cannot be used now: no answer"),
    ):
        chat.page.evaluate(tell, state)
        expect(chat.page.locator(".chat-who")).to_contain_text(words)


def test_what_is_asked_carries_the_history_the_scope_and_the_settings(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    chat.ask("Which HU has fat?")
    chat.page.click("[data-fold=collections]")
    chat.page.get_by_label("protocols").check()
    chat.page.click("[data-fold=filters]")
    chat.page.get_by_label("From year").fill("2010")
    chat.page.get_by_label("Source", exact=True).fill("source 1")
    chat.page.get_by_label("Source", exact=True).press("Tab")
    expect(chat.page.locator("[data-fold=filters]")).to_have_text("2010–today, 1 source")
    chat.page.click("[data-fold=settings]")
    for name, value in (("Temperature", "0.7"), ("Top-p", "0.5"), ("Longest answer", "99"), ("Passages", "3")):
        chat.page.get_by_label(name).fill(value)
        chat.page.get_by_label(name).press("Tab")
    chat.page.keyboard.press("Escape")
    chat.ask("And the liver?")
    first, second = told.asked
    assert first["history"] == []
    assert first["collections"] == []
    assert first["stream"] is True
    assert (first["top_k"], first["sampling"]) == (5, {"temperature": 0, "top_p": 0.9, "max_tokens": 700})
    assert second["history"] == [
        {"role": "user", "text": "Which HU has fat?"},
        {"role": "assistant", "text": SAID},
    ]
    assert second["collections"] == ["protocols"]
    assert second["filters"] == {"year_from": 2010, "year_to": None, "sources": ["source 1"]}
    assert (second["top_k"], second["sampling"]) == (3, {"temperature": 0.7, "top_p": 0.5, "max_tokens": 99})
    chat.page.click("[data-fold=settings]")
    chat.page.get_by_role("button", name="As it was").click()
    expect(chat.page.get_by_label("Longest answer")).to_have_value("700")


def test_a_setting_out_of_range_is_not_taken(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    chat.page.click("[data-fold=settings]")
    chat.page.get_by_label("Temperature").fill("5")
    chat.page.get_by_label("Temperature").press("Tab")
    chat.ask("Which HU has fat?")
    assert told.asked[0]["sampling"]["temperature"] == 0


def test_stop_keeps_the_text_so_far_and_frees_the_server(chat: ChatDesk, told: Told) -> None:
    told.script = [*script(two_sources(), "Fat lies ")[:3], ("wait", None), ("done", two_sources())]
    chat.type_and_send("Which HU has fat?")
    expect(chat.text).to_have_text("Fat lies")
    chat.page.keyboard.press("Escape")
    chat.ended("stopped")
    assert told.stopped.wait(20)
    expect(chat.text).to_have_text("Fat lies")
    expect(chat.last).to_contain_text("it was not checked against the passages")
    expect(chat.send).to_have_text("Ask")
    told.script = script(two_sources())
    chat.last.get_by_role("button", name="Retry").click()
    chat.ended()
    expect(chat.exchanges).to_have_count(1)
    assert [each["question"] for each in told.asked] == ["Which HU has fat?"] * 2


@pytest.mark.parametrize("how", ["error event", "cut stream", "refused"])
def test_an_error_says_why_and_loses_neither_the_text_nor_the_question(chat: ChatDesk, told: Told, how: str) -> None:
    broken = {
        "title": "The NIM failed",
        "detail": "Llama-3 broke off.",
        "hint": "See the Status tab.",
        "trace_id": "t1",
    }
    begun = script(two_sources(), "Fat lies ")[:3]
    if how == "refused":
        told.refusals = [(503, broken)]
    told.script = [*begun, ("error", broken) if how == "error event" else ("cut", None)]
    chat.ask("Which HU has fat?", ends="failed")
    trouble = chat.last.get_by_role("alert")
    if how == "cut stream":
        expect(trouble).to_contain_text("The answer broke off")
    else:
        expect(trouble).to_contain_text("Llama-3 broke off.")
        expect(trouble.locator(".wb-hint")).to_have_text("See the Status tab.")
    if how != "refused":
        expect(chat.text).to_have_text("Fat lies")
        expect(trouble).to_contain_text("The text so far is kept")
    told.script = script(two_sources())
    chat.last.get_by_role("button", name="Retry").click()
    chat.ended()
    expect(chat.exchanges).to_have_count(1)


def test_a_workbench_that_is_gone_is_told_and_the_question_is_kept(chat: ChatDesk) -> None:
    chat.page.route("**/query", lambda route: route.abort())
    chat.ask("Which HU has fat?", ends="failed")
    expect(chat.last.get_by_role("alert")).to_contain_text("The workbench does not answer")
    expect(chat.last.locator(".chat-question p")).to_have_text("Which HU has fat?")


def test_an_edited_question_replaces_its_answer_and_all_after_it(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    for question in ("First?", "Second?"):
        chat.ask(question)
    chat.exchanges.first.get_by_role("button", name="Edit this question").click()
    expect(chat.field).to_have_value("First?")
    expect(chat.page.locator(".chat-editing")).to_contain_text("replaces that answer and all after it")
    expect(chat.exchanges).to_have_count(2)
    chat.field.fill("First, but better?")
    chat.field.press("Enter")
    expect(chat.exchanges).to_have_count(1)
    chat.ended()
    assert told.asked[-1]["history"] == []
    chat.field.press("ArrowUp")
    expect(chat.field).to_have_value("First, but better?")
    chat.field.press("Escape")
    expect(chat.page.locator(".chat-editing")).to_have_count(0)


def test_undo_gives_the_question_back_and_clear_can_be_taken_back(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    for question in ("First?", "Second?"):
        chat.ask(question)
    chat.page.click("[data-undo]")
    expect(chat.exchanges).to_have_count(1)
    expect(chat.field).to_have_value("Second?")
    chat.page.click("[data-clear]")
    expect(chat.exchanges).to_have_count(0)
    chat.page.get_by_role("button", name="Bring it back").click()
    expect(chat.exchanges).to_have_count(1)


def test_the_conversation_outlives_a_reload_and_an_answer_cut_by_it_says_so(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    chat.ask("Which HU has fat?")
    told.script = [*script(two_sources(), "Half of ")[:3], ("wait", None)]
    chat.type_and_send("And the liver?")
    expect(chat.text).to_have_text("Half of")
    chat.open()
    expect(chat.exchanges).to_have_count(2)
    chat.ended("stopped")
    expect(chat.last).to_contain_text("The page was loaded anew while this was being answered.")
    expect(chat.exchanges.first.locator(".chat-cite")).to_have_count(2)
    chat.field.fill("half a thought")
    chat.open()
    expect(chat.field).to_have_value("half a thought")


def test_the_keyboard_alone_is_enough(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    chat.field.focus()
    chat.page.keyboard.type("Which HU")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("has fat?")
    chat.page.keyboard.press("Enter")
    chat.ended()
    assert told.asked[0]["question"] == "Which HU\nhas fat?"
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_focused()
    chat.text.locator(".chat-cite").first.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.sources.locator("[data-source='1'] h4")).to_be_focused()
    chat.page.locator("#chat-show-library").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator("#chat-show-library")).to_have_attribute("aria-pressed", "true")
    expect(chat.page.locator("#chat-library")).to_be_visible()


def test_a_question_that_is_too_long_is_kept_and_not_sent(chat: ChatDesk, told: Told) -> None:
    chat.field.fill("a" * 50_000)
    expect(chat.page.locator(".chat-length")).to_contain_text(
        "50\u202f000 of at most 4\u202f000 characters. Shorten it"
    )
    expect(chat.send).to_be_disabled()
    chat.field.press("Enter")
    assert told.asked == []
    assert len(chat.field.input_value()) == 50_000


@pytest.mark.parametrize(("press", "granted"), [("Send", True), ("Do not send", False)])
def test_before_anything_leaves_the_person_is_asked_once_and_the_question_goes_on(
    chat: ChatDesk, told: Told, press: str, granted: bool
) -> None:
    consent = {"what": "text", "where": "integrate.api.nvidia.com", "sent": "your question and the passages found"}
    told.refusals = [(409, {"type": "/problems/consent-needed", "title": "Not possible now", "consent": consent})]
    told.script = script(two_sources())
    chat.type_and_send("Which HU has fat?")
    dialog = chat.page.get_by_role("dialog", name="Send this outside this machine?")
    expect(dialog).to_contain_text("your question and the passages found")
    expect(dialog).to_contain_text("integrate.api.nvidia.com")
    assert told.consents == []
    dialog.get_by_role("button", name=press, exact=True).click()
    chat.ended()
    assert told.consents == [{"what": "text", "granted": granted}]
    assert len(told.asked) == 2


def test_a_consent_put_aside_sends_nothing_and_can_be_asked_for_again(chat: ChatDesk, told: Told) -> None:
    consent = {"what": "text", "where": "integrate.api.nvidia.com", "sent": "your question"}
    told.refusals = [(409, {"type": "/problems/consent-needed", "title": "Not possible now", "consent": consent})]
    chat.type_and_send("Which HU has fat?")
    chat.page.get_by_role("dialog").wait_for()
    chat.page.keyboard.press("Escape")
    chat.ended("failed")
    expect(chat.last.get_by_role("alert")).to_contain_text("Nothing was sent")
    assert told.consents == []


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_the_conversation_is_exported_as_it_was_answered(chat: ChatDesk, told: Told, form: str) -> None:
    told.script = script(two_sources())
    chat.ask("Which HU has fat?")
    chat.page.locator(".chat-export summary").click()
    with chat.page.expect_download() as taken:
        chat.page.click(f"[data-format={form}]")
    assert taken.value.suggested_filename == f"conversation.{form}"
    assert told.exported == [{"format": form, "exchanges": [{**two_sources(), "rewritten": None}]}]


def test_a_reader_who_scrolled_back_is_not_pulled_to_the_end(chat: ChatDesk, told: Told) -> None:
    long = "\n\n".join(f"Paragraph {number}." for number in range(80))
    told.script = script(answer(long))
    chat.ask("First?")
    log = chat.page.locator("[data-chat=log]")
    assert log.evaluate("each => each.scrollHeight - each.scrollTop - each.clientHeight") < 48
    told.script = [
        *script(two_sources(), "Fat lies ")[:3],
        ("wait", None),
        ("token", {"text": long}),
        ("done", answer(long)),
    ]
    chat.type_and_send("Second?")
    expect(chat.text).to_have_text("Fat lies")
    log.evaluate("each => { each.scrollTop = 0; }")
    expect(chat.page.get_by_role("button", name="Latest")).to_be_visible()
    told.go.set()
    chat.ended()
    assert log.evaluate("each => each.scrollTop") == 0
    chat.page.get_by_role("button", name="Latest").click()
    assert log.evaluate("each => each.scrollHeight - each.scrollTop - each.clientHeight") < 48


def test_what_is_kept_in_the_browser_ends_with_its_tab(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources())
    chat.ask("Which HU has fat?")
    kept: Page = chat.page.context.new_page()
    kept.goto(f"{chat.url}/?tab=chat")
    kept.wait_for_selector("#chat-room[data-state=ready]")
    expect(kept.locator(".chat-exchange")).to_have_count(0)
    stored = json.loads(chat.page.evaluate("sessionStorage.getItem('workbench.chat')"))
    assert stored["exchanges"][0]["question"] == "Which HU has fat?"
    assert chat.page.evaluate("Object.keys(localStorage).filter((each) => each.includes('chat'))") == []
