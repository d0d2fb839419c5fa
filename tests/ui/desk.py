"""A person at the page: opens it, drops files, presses, looks. Waits for what is seen, never for a time."""

from __future__ import annotations

import zipfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from tests.browser import visiting

TABS = ("Segment", "Synthesize", "Ask", "Chat", "Status")


class Desk:
    """One visit in a browser context of its own; `requests` lists every address it asked for."""

    def __init__(
        self, browser: Browser, url: str, *, size: tuple[int, int] = (1440, 900), theme: str = "dark", path: str = "/"
    ) -> None:
        self.url = url
        self.context: BrowserContext = visiting(
            browser, viewport={"width": size[0], "height": size[1]}, accept_downloads=True
        )
        self.context.add_init_script(
            f"localStorage.setItem('workbench-theme', localStorage.getItem('workbench-theme') ?? '{theme}')"
        )
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.open(path)

    def open(self, path: str = "/") -> None:
        """Open an address of the workbench and wait until its page works."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("#seg-viewer[data-state] .wbv-bar", state="attached")
        self.page.wait_for_selector("#nim-llm[data-state]")

    def close(self) -> None:
        self.context.close()

    # Opening a CT.

    def upload(self, *paths: Path) -> None:
        self.page.set_input_files("#seg-upload input[type=file]", [str(path) for path in paths])

    def open_demo(self) -> None:
        self.page.click("#seg-demo")
        self.wait_open()

    def wait_open(self) -> None:
        """Until the facts of a CT and its picture are there."""
        self.page.wait_for_selector("#seg-report .wb-facts", state="attached")
        self.page.wait_for_selector("#seg-viewer[data-state=ready]")
        expect(self.run_button).to_be_enabled()

    def open_ct(self, *paths: Path) -> None:
        before = self.fact("case")
        self.upload(*paths)
        expect(self.page.locator("#seg-downloads [data-case]").first).not_to_have_attribute("data-case", before)
        self.wait_open()

    def fact(self, name: str) -> str:
        """A fact of the input report by its title; `case` is the id behind the download links, empty without one."""
        if name == "case":
            links = self.page.locator("#seg-downloads [data-case]")
            return (links.first.get_attribute("data-case") or "") if links.count() else ""
        return self.page.locator(f"#seg-report dt:text-is('{name}') + dd").text_content() or ""

    # Segmenting.

    @property
    def run_button(self) -> Locator:
        return self.page.locator("#seg-run")

    def choose(self, *names: str) -> None:
        """Pick structures in the list, as one does: type, and take the one offered."""
        field = self.page.locator("#seg-classes input")
        for name in names:
            field.fill(name)
            self.page.get_by_role("option", name=name, exact=True).click()
        field.press("Escape")

    def run(self) -> None:
        """Press Run and wait until the run has ended, well or not."""
        self.page.evaluate("document.querySelectorAll('#seg-progress [role]').forEach(each => each.dataset.old = '')")
        self.run_button.click()
        ended = "#seg-progress :is([role=alert], [data-revision]):not([data-old])"
        self.page.wait_for_selector(ended, state="attached")
        expect(self.page.locator("#seg-cancel")).to_be_hidden()

    @property
    def rows(self) -> Locator:
        return self.page.locator("#seg-organs tbody tr")

    def row(self, name: str) -> Locator:
        return self.page.locator(f"#seg-organs tbody tr[data-name='{name}']")

    def volumes_ml(self) -> dict[str, float]:
        told = self.rows.evaluate_all("rows => rows.map(row => [row.dataset.name, Number(row.dataset.volume)])")
        return {str(name): float(volume) for name, volume in told}

    # Looking.

    @property
    def viewer(self) -> Locator:
        return self.page.locator("#seg-viewer")

    def seen(self, name: str) -> str:
        """One of the viewer's `data-` attributes: slice, plane, window-center."""
        return self.viewer.get_attribute(f"data-{name}") or ""

    def shows(self, name: str, value: str | int) -> None:
        expect(self.viewer).to_have_attribute(f"data-{name}", str(value))

    @property
    def report(self) -> Locator:
        return self.page.locator("#seg-report")

    @property
    def trouble(self) -> Locator:
        return self.page.locator("[role=alert]:visible")

    @property
    def badge(self) -> Locator:
        return self.page.locator("#origin-badge .wb-badge")

    def band(self) -> bool:
        """Whether the amber band of mock data lies along the top of the picture."""
        return bool(
            self.page.evaluate(
                """() => { const canvas = document.querySelector('#seg-viewer canvas[data-main=true]');
                const row = canvas.getContext('2d').getImageData(0, 2, canvas.width, 1).data;
                let amber = 0;
                for (let at = 0; at < row.length; at += 4) if (row[at] > 200 && row[at + 2] < 90) amber += 1;
                return amber > canvas.width / 8; }"""
            )
        )

    def settle(self) -> None:
        """Two frames: everything asked for so far is painted."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def still(self) -> None:
        """Everything loaded that belongs to what is on show."""
        self.page.wait_for_function(
            """() => { const viewer = window.workbench.viewers['seg-viewer'];
            return !viewer.manifest || (viewer.root.dataset.state === 'ready' && viewer.image.complete
                && (!viewer.labels || viewer.labels.complete)); }"""
        )
        self.page.evaluate("document.fonts.ready")
        self.settle()

    def outside(self) -> list[str]:
        """Addresses asked for that are not this server's."""
        own = (self.url + "/", self.url.replace("http", "ws") + "/", "data:", "blob:")
        return [each for each in self.requests if not each.startswith(own) and each != self.url]

    def asked_for(self, part: str) -> int:
        """How many requests had this in their address."""
        return sum(part in each for each in self.requests)


def is_upload(request: Request) -> bool:
    return request.method == "POST" and "/upload" in request.url


def unpacked(archive: Path, folder: Path) -> list[Path]:
    """The files of a zip, in its order."""
    with zipfile.ZipFile(archive) as opened:
        return [Path(opened.extract(each, folder)) for each in opened.infolist() if not each.is_dir()]
