"""A person at the Ask tab: chooses a picture, asks about it, reads, returns to the view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser import visiting
from tests.ui import ask_app, chat_app
from tests.ui.ask_app import AskTold, grey
from tests.ui.desk import Desk
from tests.ui.talk_desk import TalkDesk

TELL_STATUS = """told => document.dispatchEvent(new CustomEvent('nim:status', { detail: { services: [
    { name: 'vila_m3', finer_state: told.status, model: null, detail: '', ...told },
] } }))"""


class AskDesk(TalkDesk):
    """The Ask tab in a page; what is asked for is waited for by what is seen."""

    tab = "ask"
    log = "#ask-answer"
    input = "#ask-question"

    @classmethod
    def of(cls, desk: Desk) -> AskDesk:
        """The tab of a page that is open already; its desk hears the complaints."""
        at = cls.__new__(cls)
        at.page, at.url, at.complaints = desk.page, desk.url, []
        desk.page.get_by_role("tab", name="Ask", exact=True).click()
        desk.page.wait_for_selector("#ask-room[data-state=ready]")
        return at

    # The picture.

    @property
    def room(self) -> Locator:
        return self.page.locator("#ask-room")

    @property
    def preview(self) -> Locator:
        return self.page.locator("#ask-image .ask-preview img")

    @property
    def facts(self) -> Locator:
        return self.page.locator("#ask-image .ask-facts")

    def fact(self, name: str) -> Locator:
        """The value beside the name of a fact."""
        return self.facts.locator(f"dt:text-is('{name}') + dd")

    @property
    def trouble(self) -> Locator:
        return self.page.locator("#ask-image [data-ask=trouble] > *")

    def choose(self, *files: Path) -> None:
        """Choose a file, whatever comes of it."""
        self.page.set_input_files("#ask-image input[type=file]", [str(each) for each in files])

    def take(self, file: Path) -> str:
        """Choose a picture file and wait until it is on show; its id."""
        return self.shown_after(lambda: self.choose(file))

    def from_viewer(self) -> str:
        """Take the slice on screen and wait until it is on show; its id."""
        return self.shown_after(lambda: self.page.click("#ask-from-viewer"))

    def shown_after(self, act: object) -> str:
        """The id of the picture that comes of it, once it is decoded."""
        before = self.shown()
        assert callable(act)
        act()
        expect(self.room).to_have_attribute("data-picture", "ready")
        if before:
            expect(self.preview).not_to_have_attribute("data-picture", before)
        self.preview.wait_for()
        self.preview.evaluate("each => each.decode()")
        return self.shown()

    def shown(self) -> str:
        """The id of the picture on show; empty without one."""
        return (self.preview.get_attribute("data-picture") or "") if self.preview.count() else ""

    def bytes_shown(self) -> bytes:
        """The very bytes that the browser draws."""
        said = self.preview.evaluate(
            "async each => [...new Uint8Array(await (await fetch(each.src)).arrayBuffer())].map(String).join(' ')"
        )
        return bytes(int(each) for each in said.split())

    # Asking.

    @property
    def refused(self) -> Locator:
        return self.page.locator("#ask-room .ask-refused")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog", name="Send this outside this machine?")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, AskTold]]:
    """The tab over scripted REST, once for the tests of a file."""
    with chat_app.serving(ask_app.build_app, AskTold()) as running:
        yield running


@pytest.fixture
def told(served: tuple[str, AskTold]) -> AskTold:
    """What the server says in this test."""
    served[1].begin()
    return served[1]


@pytest.fixture
def ask(chromium: Browser, served: tuple[str, AskTold], told: AskTold) -> Iterator[AskDesk]:
    """A new visit to the tab. A script error on the page fails the test."""
    context = visiting(chromium)
    at = AskDesk(context.new_page(), served[0])
    at.open()
    yield at
    context.close()
    told.go.set()
    assert at.complaints == []


@pytest.fixture
def grey_png(tmp_path: Path) -> Path:
    """A picture file whose name must go nowhere."""
    path = tmp_path / "DOE JOHN chest.png"
    path.write_bytes(grey())
    return path
