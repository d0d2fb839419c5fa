"""A person at a tab where something is asked and answered: what Chat and Ask have in common."""

from __future__ import annotations

from typing import ClassVar

from playwright.sync_api import Locator, Page, expect


class TalkDesk:
    """Question and answers in a page. A tab names its room by `tab`, and where the talk and the question are."""

    tab: ClassVar[str]
    log: ClassVar[str]
    input: ClassVar[str]

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str | None = None) -> None:
        """Open the tab, or another address of the workbench that leads to it."""
        self.page.goto(self.url + (path or f"/?tab={self.tab}"))
        self.page.wait_for_selector(f"#{self.tab}-room[data-state=ready]")

    @property
    def field(self) -> Locator:
        return self.page.locator(f"{self.input} textarea")

    @property
    def send(self) -> Locator:
        return self.page.locator(f"#{self.tab}-send")

    @property
    def exchanges(self) -> Locator:
        return self.page.locator(f"{self.log} .chat-exchange")

    @property
    def last(self) -> Locator:
        return self.exchanges.last

    @property
    def text(self) -> Locator:
        return self.last.locator(".chat-answer-text")

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
