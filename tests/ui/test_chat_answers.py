"""Reading: marks, sources and evidence as the check found them, and nothing a model or a document says is HTML."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.chat_app import Told, answer, found, passage, sentence
from tests.ui.chat_desk import ChatDesk, chat, served, told
from tests.ui.chat_said import FAT, cited, script, two_sources

__all__ = ["chat", "served", "told"]

pytestmark = pytest.mark.browser


def test_an_answer_streams_in_and_its_numbers_open_the_passages(chat: ChatDesk, told: Told) -> None:
    steps = script(two_sources(), "Fat lies between -120 ", "and -90 HU [1].", rewritten="What HU has fat?")
    told.script = [*steps[:3], ("wait", None), *steps[3:]]
    chat.type_and_send("Which HU has fat?")
    expect(chat.text).to_have_text("Fat lies between -120")
    expect(chat.last).to_have_attribute("aria-busy", "true")
    expect(chat.send).to_have_text("Stop")
    expect(chat.last.locator(".chat-rewritten")).to_have_text("Searched for: What HU has fat?")
    expect(chat.sources.locator(".chat-source")).to_have_count(3)
    told.go.set()
    chat.ended()
    expect(chat.text).to_have_text("Fat lies between -120 and -90 HU 1. The liver has 60 HU 2.")
    expect(chat.last.locator(".chat-provenance")).to_have_text(
        "meta/llama3-8b-instruct · own NIM · 03:04:05 · 1.2\u202fs"
    )
    expect(chat.last.locator(".chat-checked")).to_have_text("Checked: all 2 sentences are covered by the text cited.")
    assert chat.last.locator(".chat-mock").count() == 0
    cards = chat.sources.locator(".chat-source[data-source]:not([data-source=null])")
    expect(cards).to_have_count(2)
    expect(chat.sources.locator("mark")).to_have_text("Fat lies between -120 and -90 HU")
    chat.text.get_by_role("button", name="Source 2: Article 2").click()
    expect(chat.sources.locator("[data-source='2']")).to_have_attribute("data-pointed", "")
    expect(chat.sources.locator("[data-source='2'] h4")).to_be_focused()
    expect(chat.sources.locator("[data-source='2']")).to_contain_text("covers 66\u202f% of the sentence citing it")
    chat.page.keyboard.press("Escape")
    expect(chat.text.get_by_role("button", name="Source 2: Article 2")).to_be_focused()
    others = chat.sources.locator(".chat-others")
    expect(others.locator("summary")).to_have_text("Also given, not cited: 1")
    expect(others.locator(".chat-passage")).to_be_hidden()


def test_what_no_passage_bears_out_is_marked_in_words(chat: ChatDesk, told: Told) -> None:
    text = "The spleen has 60 HU [1]. It glows [1]. Nobody knows. The case has 120 mL [Case]."
    told.script = script(
        answer(
            text,
            citations=[cited(1, FAT)],
            removed=2,
            case={"case_id": "c", "text": "spleen 210 mL", "marks": ["MOCK"]},
            sentences=[
                sentence("The spleen has 60 HU [1].", text, 1),
                sentence("It glows [1].", text, 1, support="unsupported", note="“glows” does not stand in [1]."),
                sentence("Nobody knows.", text, support="uncited"),
                sentence("The case has 120 mL [Case].", text, 0, support="wrong number", note="The table says 210 mL."),
            ],
        )
    )
    chat.ask("How bright is the spleen?")
    assert chat.text.locator(".chat-doubt").all_inner_texts() == [
        "not supported by [1]",
        "no source cited",
        "not the number in the case",
    ]
    checked = chat.last.locator(".chat-checked")
    expect(checked).to_contain_text("3 of 4 sentences not borne out by what they cite: marked.")
    expect(checked).to_contain_text("2 citations pointed to no passage and were removed.")
    checked.get_by_text("Why marked").click()
    expect(checked.locator("li")).to_have_text(
        ["It glows [1]. “glows” does not stand in [1].", "The case has 120 mL [Case]. The table says 210 mL."]
    )
    chat.text.get_by_role("button", name="Source: the open case").click()
    expect(chat.sources.locator("[data-source=Case]")).to_contain_text("spleen 210 mL")
    expect(chat.sources.locator("[data-source=Case]")).to_contain_text("MOCK")


def test_a_mock_is_marked_on_its_answer_with_the_reason(chat: ChatDesk, told: Told) -> None:
    made = {"origin": "mock", "created_at": "2026-01-02T03:04:05Z", "elapsed_s": 0.0}
    told.script = script(
        two_sources(is_mock=True, model="mock Llama-3", fallback_reason="Llama-3 is away", provenance=made),
        fallback_reason="Llama-3 is away",
    )
    chat.ask("Which HU has fat?")
    expect(chat.last.locator(".chat-mock")).to_have_text("MOCK")
    expect(chat.last.locator(".chat-because")).to_contain_text("Stands in: Llama-3 is away")


def test_weak_evidence_is_said_over_the_answer(chat: ChatDesk, told: Told) -> None:
    told.script = script(two_sources(evidence="weak", missing=["lipoma"], notices=["Keywords alone were searched."]))
    chat.ask("Is a lipoma dense?")
    banner = chat.last.locator(".chat-banner")
    expect(banner).to_contain_text("Weak evidence")
    expect(banner).to_contain_text("Not found in any passage: lipoma")
    expect(chat.last.locator(".chat-notice")).to_have_text("Keywords alone were searched.")


def test_where_the_library_does_not_answer_the_nearest_passages_are_no_evidence(chat: ChatDesk, told: Told) -> None:
    said = "The library does not answer this. No passage holds “zeppelin”."
    nothing = answer(said, evidence="none", missing=["zeppelin"], nearest=[passage(1, FAT)], finish=None, model="none")
    told.script = [
        ("searching", {"rewritten": None}),
        found(passage(1, FAT), evidence="none", missing=["zeppelin"], model=None),
        ("done", nothing),
    ]
    chat.ask("Who built the zeppelin?")
    expect(chat.last.locator(".chat-banner")).to_contain_text("No evidence in the library")
    expect(chat.text).to_contain_text("zeppelin")
    expect(chat.last.locator(".chat-provenance")).to_have_text("No model was asked")
    expect(chat.sources.locator("h3")).to_have_text("Nearest passages. Not evidence")
    assert chat.sources.locator(".chat-number").count() == 0


NASTY = (
    '<img src=x onerror="window.hurt=1"> <script>window.hurt=1</script> ![x](http://evil.invalid/a.png) '
    "[click](javascript:alert(1)) </p><b>loud</b> [1]."
)


def test_nothing_a_model_or_a_document_says_becomes_html(chat: ChatDesk, told: Told) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    bad = {
        "title": NASTY, "source": NASTY, "section": NASTY, "references": [NASTY, "https://example.org/x ok"],
        "source_url": "javascript:window.hurt=1",
    }  # fmt: skip
    told.script = script(
        answer(
            NASTY, citations=[cited(1, NASTY, (0, 10), **bad)], rewritten=NASTY, missing=[NASTY], notices=[NASTY],
            evidence="weak", model=NASTY, sentences=[sentence(NASTY, NASTY, 1, support="unsupported", note=NASTY)],
        ),
        NASTY,
        rewritten=NASTY,
    )  # fmt: skip
    chat.ask(NASTY)
    expect(chat.text).to_contain_text('<img src=x onerror="window.hurt=1"> <script>')
    expect(chat.text).to_contain_text("![x](http://evil.invalid/a.png) [click](javascript:alert(1)) </p><b>loud</b>")
    chat.sources.locator(".chat-references summary").first.click()
    assert chat.page.locator("#chat-room :is(img, script, b:text-is('loud'))").count() == 0
    assert chat.page.evaluate("window.hurt") is None
    links = chat.page.locator("#chat-room a").evaluate_all("links => links.map(each => [each.href, each.rel])")
    assert {href for href, _ in links} == {"http://evil.invalid/a.png", "https://example.org/x"}
    assert {rel for _, rel in links} == {"noopener noreferrer"}
    assert [each for each in asked if "evil" in each] == []


def test_simple_marks_of_a_model_are_drawn_and_numbers_beyond_ascii_stay_in_place(chat: ChatDesk, told: Told) -> None:
    text = "𝛼 is **bold** here [1].\n\n- one\n- two\n\n3. third\n`code`"
    first = "𝛼 is **bold** here [1]."
    said = answer(
        text, citations=[cited(1, "𝛼𝛽 beta", (1, 2))], sentences=[sentence(first, text, 1, support="uncited")]
    )
    told.script = script(said)
    chat.ask("Which?")
    expect(chat.text.locator("strong")).to_have_text("bold")
    expect(chat.text.locator("ul li")).to_have_text(["one", "two"])
    expect(chat.text.locator("ol li")).to_have_attribute("value", "3")
    expect(chat.text.locator("code")).to_have_text("code")
    expect(chat.text.locator(".chat-sentence")).to_have_text("𝛼 is bold here 1.")
    expect(chat.sources.locator("mark")).to_have_text("𝛽")


def test_a_link_opens_its_passage_and_the_address_forgets_it_when_another_answer_is_shown(
    chat: ChatDesk, told: Told
) -> None:
    told.passages["p1"] = {
        "passage": passage(1, FAT),
        "before": [passage(0, "Before it.")],
        "after": [],
        "document": {},
    }
    chat.open("/?tab=chat&collection=imaging_literature&passage=p1")
    shown = chat.sources.locator(".chat-source")
    expect(shown.locator(".chat-passage")).to_have_text(FAT)
    expect(shown.locator(".chat-around p")).to_have_text(["Before it.", FAT])
    told.script = script(two_sources())
    chat.ask("Which HU has fat?")
    assert "passage=" not in chat.page.url
    chat.open("/?tab=chat&passage=gone")
    expect(chat.sources.get_by_role("alert")).to_contain_text("There is no such passage.")


def test_a_source_offers_its_original_its_page_its_context_and_a_link_to_it(chat: ChatDesk, told: Told) -> None:
    told.passages["p1"] = {"passage": passage(1, FAT), "before": None, "after": passage(9, "After it."), "document": {}}
    rich = cited(
        1, FAT, page="3-4", section="Attenuation", source_url="https://example.org/a",
        page_image="/documents/d1/pages/3.png", references=["Hounsfield G. 1973. https://doi.org/10.1/x."],
    )  # fmt: skip
    said = answer("Fat is light [1].", citations=[rich])
    told.script = script(said)
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.ask("Which HU has fat?")
    card = chat.sources.locator("[data-source='1']")
    expect(card.locator(".chat-meta").first).to_have_text("source 1 · 2021 · p. 3-4 · Attenuation")
    expect(card.get_by_role("link", name="Original")).to_have_attribute("href", "https://example.org/a")
    card.get_by_role("button", name="Show page 3-4").click()
    expect(card.get_by_role("img", name="Page 3-4 of the document")).to_be_visible()
    card.get_by_role("button", name="In context").click()
    expect(card.locator(".chat-around p")).to_have_text([FAT, "After it."])
    card.get_by_role("button", name="Copy link").click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()
    link = chat.page.evaluate("navigator.clipboard.readText()")
    assert link == f"{chat.url}/?tab=chat&collection=imaging_literature&passage=p1"
    card.locator(".chat-references summary").click()
    expect(card.locator(".chat-references a")).to_have_attribute("href", "https://doi.org/10.1/x")


def test_a_line_of_an_answer_has_at_most_75_characters(chat: ChatDesk, told: Told) -> None:
    told.script = script(answer("The mean attenuation of the liver lies between fifty and sixty. " * 12))
    chat.ask("How long is a line?")
    longest = chat.page.evaluate(
        """() => { const node = document.querySelector('.chat-answer-text p').firstChild;
        const range = document.createRange();
        const lines = new Map();
        for (let at = 0; at < node.length; at += 1) {
          range.setStart(node, at);
          range.setEnd(node, at + 1);
          const top = Math.round(range.getBoundingClientRect().top);
          lines.set(top, (lines.get(top) ?? 0) + 1);
        }
        return Math.max(...lines.values()); }"""
    )
    assert 45 < longest <= 75
