"""The Chat tab against a Llama-3 by its contract: words checked, faults told, and consent before the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.contract_server import LlmNim
from tests.library_made import add_articles
from tests.serving import Server, wait_until
from tests.ui.chat_desk import ChatDesk
from tests.ui.desk import Desk

pytestmark = pytest.mark.browser

ASKED = "What is the attenuation of fat in Hounsfield units?"
KEY = "nvapi-of-the-test"
NOBODY = "http://127.0.0.1:9"
OWN = {
    "IMAGING_NIM_MODE": "local",
    "IMAGING_NIM_ALLOW_MOCK_FALLBACK": "false",
    **{f"IMAGING_NIM_{name}_URL": NOBODY for name in ("MAISI", "VILAM3", "VISTA3D")},
}


def filled(server: Server) -> Server:
    with server.client() as client:
        add_articles(client)
    return server


@pytest.fixture(scope="module")
def llama() -> Iterator[LlmNim]:
    with LlmNim() as nim:
        yield nim


@pytest.fixture(scope="module")
def own_server(start: Callable[..., Server], llama: LlmNim) -> Server:
    """Local mode where no mock may stand in."""
    return filled(start(**OWN, IMAGING_NIM_LLM_URL=llama.url))


@pytest.fixture
def own(own_server: Server, llama: LlmNim, sit_down: Callable[..., Desk]) -> Iterator[ChatDesk]:
    llama.switch()
    desk = sit_down(own_server, path="/?tab=chat")
    yield ChatDesk(desk.page, own_server.url)
    llama.switch()


@pytest.fixture(scope="module")
def hosted_server(start: Callable[..., Server]) -> Iterator[tuple[Server, LlmNim]]:
    """Cloud mode with a key; the catalogue is a fixture on this machine."""
    with ExitStack() as running:
        catalogue = running.enter_context(LlmNim(needs_key=KEY))
        settings = {"IMAGING_NIM_MODE": "cloud", "IMAGING_NVIDIA_API_KEY": KEY}
        model = {"IMAGING_NIM_CLOUD_URL": f"{catalogue.url}/v1", "IMAGING_NIM_CLOUD_LLM_MODEL": catalogue.model}
        yield filled(start(**settings, **model)), catalogue


def test_the_nims_words_are_shown_with_their_sources_and_without_a_mark(own: ChatDesk, llama: LlmNim) -> None:
    own.ask(ASKED)
    expect(own.last.locator(".chat-provenance")).to_contain_text(f"{llama.model} · own NIM")
    expect(own.last.locator(".chat-mock")).to_have_count(0)
    expect(own.last.locator(".chat-checked")).to_contain_text("covered by the text cited")
    assert own.text.locator(".chat-cite").count() >= 1
    assert own.sources.locator("mark").count() >= 1


@pytest.mark.parametrize(
    ("says", "word"),
    [
        ("out of range", "pointed to no passage and were removed"),
        ("uncited", "no source cited"),
        ("not in literature", "The library does not answer this."),
    ],
)
def test_what_the_nim_has_no_source_for_is_told(own: ChatDesk, llama: LlmNim, says: str, word: str) -> None:
    llama.switch(says=says)
    own.ask(ASKED)
    expect(own.last).to_contain_text(word)


def test_html_and_markdown_of_the_nim_stay_text(own: ChatDesk, llama: LlmNim) -> None:
    llama.switch(text="<b onclick=x>Fat</b> ![p](http://evil.invalid/p.png) <script>window.hurt = 1</script> [1].")
    own.ask(ASKED)
    expect(own.text).to_contain_text("<b onclick=x>Fat</b> ![p](http://evil.invalid/p.png) <script>")
    assert own.text.locator("b, img, script, a").count() == 0
    assert own.page.evaluate("window.hurt") is None


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ({"error": True, "after": 3}, True),
        ({"drop": "reset", "after": 3}, True),
        ({"broken_event": True, "after": 3}, True),
        ({"html": True}, False),
        ({"no_model": "nested"}, False),
        ({"status": 503}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_fault_says_what_and_what_to_do_and_the_next_try_works(
    own: ChatDesk, llama: LlmNim, fault: dict[str, object], kept: bool
) -> None:
    llama.switch(**fault)
    own.type_and_send(ASKED)
    expect(own.last).to_have_attribute("aria-busy", "false")
    if own.last.get_attribute("data-state") == "done":  # the model ended early, which is an answer that says so
        expect(own.last.locator(".chat-ended")).to_contain_text("ended in mid-answer")
    else:
        expect(own.last).to_have_attribute("data-state", "failed")
        trouble = own.last.get_by_role("alert")
        assert len(trouble.locator("p").first.inner_text()) > 20
        assert trouble.locator(".wb-hint").inner_text().strip()
    assert bool(own.text.inner_text().strip()) is kept
    expect(own.last.locator(".chat-question p")).to_have_text(ASKED)
    llama.switch()
    own.last.locator("[data-retry]").click()
    own.ended()
    expect(own.exchanges).to_have_count(1)
    expect(own.last.locator(".chat-checked")).to_contain_text("covered by the text cited")


def test_a_model_whose_context_is_too_small_is_told_with_the_question_kept(
    start: Callable[..., Server], sit_down: Callable[..., Desk]
) -> None:
    with LlmNim(overflow="flat", window=300, no_length=True) as small:
        server = filled(start(**OWN, IMAGING_NIM_LLM_URL=small.url))
        desk = sit_down(server, path="/?tab=chat")
        chat = ChatDesk(desk.page, server.url)
        chat.ask(ASKED, ends="failed")
        expect(chat.last.get_by_role("alert")).to_contain_text("300")
        assert chat.last.get_by_role("alert").locator(".wb-hint").inner_text().strip()
        expect(chat.last.locator(".chat-question p")).to_have_text(ASKED)


def test_stop_frees_the_nim_and_the_next_question_is_answered(own: ChatDesk, llama: LlmNim) -> None:
    llama.switch(text="Word after word of an answer that takes long. " * 40, piece_s=0.05)
    llama.left.clear()
    own.type_and_send(ASKED)
    expect(own.text).to_contain_text("Word after word")
    own.send.click()
    own.ended("stopped")
    wait_until(llama.left.is_set)
    llama.switch()
    own.ask("How large is the liver?")
    assert own.text.locator(".chat-cite").count() >= 1


def test_settings_reach_the_nim(own: ChatDesk, llama: LlmNim) -> None:
    own.page.click("[data-fold=settings]")
    for name, value in (("Temperature", "0.4"), ("Top-p", "0.6"), ("Longest answer", "88")):
        own.page.get_by_label(name).fill(value)
        own.page.get_by_label(name).press("Tab")
    own.page.keyboard.press("Escape")
    own.ask(ASKED)
    sent = llama.chats()[-1]
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.4, 0.6, 88)


def test_nothing_leaves_before_the_person_agrees_and_then_for_the_whole_visit(
    hosted_server: tuple[Server, LlmNim], sit_down: Callable[..., Desk]
) -> None:
    server, catalogue = hosted_server
    desk = sit_down(server, path="/?tab=chat")
    chat = ChatDesk(desk.page, server.url)
    before = len(catalogue.chats())
    chat.type_and_send(ASKED)
    dialog = desk.page.get_by_role("dialog", name="Send this outside this machine?")
    expect(dialog).to_contain_text("the passages found")
    expect(dialog).to_contain_text("127.0.0.1")
    assert len(catalogue.chats()) == before
    dialog.get_by_role("button", name="Send", exact=True).click()
    chat.ended()
    assert len(catalogue.chats()) == before + 1
    expect(chat.last.locator(".chat-provenance")).to_contain_text("hosted")
    chat.ask("How large is the liver?")
    assert len(catalogue.chats()) == before + 2


def test_declined_nothing_leaves_and_the_mock_says_why_it_answers(
    hosted_server: tuple[Server, LlmNim], sit_down: Callable[..., Desk]
) -> None:
    server, catalogue = hosted_server
    desk = sit_down(server, path="/?tab=chat")
    chat = ChatDesk(desk.page, server.url)
    before = len(catalogue.chats())
    chat.type_and_send(ASKED)
    desk.page.get_by_role("button", name="Do not send").click()
    chat.ended()
    assert len(catalogue.chats()) == before
    expect(chat.last.locator(".chat-mock")).to_have_text("MOCK")
    expect(chat.last.locator(".chat-because")).to_contain_text("you declined to send it")
