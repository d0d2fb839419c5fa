"""A person at the Synthesize tab."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Locator, expect

from tests.ui.desk import Desk


class SynthesisDesk(Desk):
    """A visit that is on the Synthesize tab."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        super().__init__(browser, url, **{"path": "/?tab=synthesize", **options})
        self.wait_form()

    def wait_form(self) -> None:
        """Until the form is filled and the rules have answered."""
        self.page.wait_for_selector("#syn-form:is([data-state=allowed], [data-state=refused])")

    def ask(
        self,
        *,
        regions: tuple[str, ...] = ("abdomen",),
        anatomies: tuple[str, ...] = (),
        size: tuple[int, int] = (256, 128),
        spacing: tuple[float, float] = (1.5, 2.0),
        samples: int = 1,
    ) -> None:
        """Enter a request by hand."""
        page = self.page
        for chip in page.locator("#syn-region [data-region]").all():
            if (chip.get_attribute("data-region") in regions) != (chip.get_attribute("aria-pressed") == "true"):
                chip.click()
        page.locator("#syn-anatomy [data-anatomy=none]").click()
        for name in anatomies:
            page.fill("#syn-anatomy-find", name)
            page.locator(f"#syn-anatomy-list [data-name='{name}']").click()
        page.keyboard.press("Escape")
        page.select_option("#syn-size-xy", str(size[0]))
        page.select_option("#syn-size-z", str(size[1]))
        page.fill("#syn-spacing-xy", str(spacing[0]))
        page.fill("#syn-spacing-z", str(spacing[1]))
        page.fill("#syn-samples-count", str(samples))

    @property
    def generate(self) -> Locator:
        return self.page.locator("#syn-run")

    @property
    def said(self) -> Locator:
        """What is said about the request at the foot of the form, and how the last run ended."""
        return self.page.locator("#syn-progress")

    def rule(self, field: str) -> Locator:
        """What is said beside a field."""
        return self.page.locator(f"#syn-form [data-field={field}] [data-rule]")

    def start(self) -> None:
        expect(self.generate).to_be_enabled()
        self.generate.click()
        self.page.wait_for_selector("#syn-form[data-running=true]")

    def run_through(self) -> None:
        """Press Generate and wait until it has ended, well or not."""
        self.start()
        self.wait_end()

    def wait_end(self) -> None:
        self.page.wait_for_selector("#syn-progress :is([data-ended], [role=alert])", state="attached")
        expect(self.page.locator("#syn-cancel")).to_be_hidden()

    def wait_shown(self) -> None:
        self.page.wait_for_selector("#syn-viewer[data-state=ready]")
        self.page.wait_for_selector("#syn-organs tbody tr", state="attached")

    @property
    def organs(self) -> Locator:
        return self.page.locator("#syn-organs tbody tr")

    def organ_ml(self) -> dict[str, float]:
        told = self.organs.evaluate_all("rows => rows.map(row => [row.dataset.name, Number(row.dataset.volume)])")
        return {str(name): float(volume) for name, volume in told}

    def side(self, name: str) -> None:
        self.page.click(f"#syn-switch [data-side={name}]")

    def words(self) -> list[str]:
        """The words drawn into the picture's corner, as the viewer was told."""
        told = self.page.evaluate("window.workbench.viewers['syn-viewer'].manifest.badge")
        return [word for word in ("mock", "synthetic") if told[word]]

    def overlay_colours(self) -> int:
        """How many pixels of the picture have a colour that is no grey and no amber of the band."""
        return int(
            self.page.evaluate(
                """() => { const canvas = document.querySelector('#syn-viewer canvas[data-main=true]');
                const { data } = canvas.getContext('2d').getImageData(30, 60, canvas.width - 60, canvas.height - 90);
                let count = 0;
                for (let at = 0; at < data.length; at += 4) {
                  const [red, green, blue] = data.slice(at, at + 3);
                  if (Math.max(red, green, blue) - Math.min(red, green, blue) > 24) count += 1;
                }
                return count; }"""
            )
        )
