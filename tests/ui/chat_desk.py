"""A person at the Chat tab: asks, reads, opens what an answer rests on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser import visiting
from tests.ui import chat_app
from tests.ui.chat_app import Told, collection
from tests.ui.talk_desk import TalkDesk


class ChatDesk(TalkDesk):
    """The Chat tab in a page; what is asked for is waited for by what is seen."""

    tab = "chat"
    log = "#chat-log"
    input = "#chat-input"

    def __init__(self, page: Page, url: str, *, path: str = "/?tab=chat") -> None:
        super().__init__(page, url)
        self.open(path)

    @property
    def sources(self) -> Locator:
        return self.page.locator("#chat-sources")

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
