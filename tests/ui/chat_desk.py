"""A person at the Chat tab: asks, reads, opens what an answer rests on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import visiting
from tests.ui import chat_app
from tests.ui.chat_app import Told, collection


class ChatDesk:
    """The Chat tab in a page; what is asked for is waited for by what is seen."""

    def __init__(self, page: Page, url: str, *, path: str = "/?tab=chat") -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.open(path)

    def open(self, path: str = "/?tab=chat") -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_selector("#chat-room[data-state=ready]")

    @property
    def field(self) -> Locator:
        return self.page.locator("#chat-input textarea")

    @property
    def send(self) -> Locator:
        return self.page.locator("#chat-send")

    @property
    def exchanges(self) -> Locator:
        return self.page.locator("#chat-log .chat-exchange")

    @property
    def last(self) -> Locator:
        return self.exchanges.last

    @property
    def text(self) -> Locator:
        return self.last.locator(".chat-answer-text")

    @property
    def sources(self) -> Locator:
        return self.page.locator("#chat-sources")

    def type_and_send(self, question: str) -> None:
        self.field.fill(question)
        self.field.press("Enter")

    def ask(self, question: str, *, ends: str = "done") -> None:
        """Ask, and wait until this answer has ended so."""
        before = self.exchanges.count()
        self.type_and_send(question)
        expect(self.exchanges).to_have_count(before + 1)
        self.ended(ends)

    def ended(self, state: str = "done") -> None:
        expect(self.last).to_have_attribute("data-state", state)
        expect(self.last).to_have_attribute("aria-busy", "false")

    def side(self, name: str) -> None:
        self.page.click(f"#chat-show-{name}")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Told]]:
    """The tab over scripted REST, once for the tests of a file."""
    with chat_app.serving() as running:
        yield running


@pytest.fixture
def told(served: tuple[str, Told]) -> Told:
    """What the server says in this test, from a small library on."""
    told = served[1]
    told.begin(collection("imaging_literature", documents=61, passages=412), collection("protocols"))
    return told


@pytest.fixture
def chat(chromium: Browser, served: tuple[str, Told], told: Told) -> Iterator[ChatDesk]:
    """A new visit to the tab. A script error on the page fails the test."""
    context = visiting(chromium)
    at = ChatDesk(context.new_page(), served[0])
    yield at
    context.close()
    told.go.set()
    assert at.complaints == []
