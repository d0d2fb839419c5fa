"""How quick the page is, against the limits that were set for it. `python -m tests.bench.bench_page [CT]`.

Prints, for the demo case or the CT named, each median and its ratio to the limit: a slice step painted with the
volume there already (33 ms, two frames at 60 Hz), a window change (100 ms), the first slice after the volume is read
(0.5 s).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import ARGUMENTS, find_browser
from tests.serving import serving
from tests.ui.desk import Desk

V = "window.workbench.viewers['seg-viewer']"
TURNS = 30
PAINTED = """async ([code, turns]) => {
  const times = [];
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise((done) => requestAnimationFrame(done));
    const begun = performance.now();
    eval(code);
    await new Promise((done) => requestAnimationFrame(() => { VIEWER.paintNow(); setTimeout(done); }));
    VIEWER.panes[0].canvas.getContext('2d').getImageData(0, 0, 1, 1);
    times.push(performance.now() - begun);
  }
  return times;
}""".replace("VIEWER", V)
"""From the act to the frame that shows it: drawn, and the canvas read back so that nothing is left to do."""

FIRST = """() => new Promise((done) => {
  const report = new MutationObserver(() => {
    if (!document.querySelector('#seg-report .wb-facts')) return;
    report.disconnect();
    const begun = performance.now();
    const look = () => (document.querySelector('#seg-viewer').dataset.state === 'ready'
      ? done(performance.now() - begun) : requestAnimationFrame(look));
    look();
  });
  report.observe(document.body, { childList: true, subtree: true });
})"""
"""From the input report, which stands as soon as the volume is read, to the first slice painted."""


def tell(what: str, took_ms: float, limit_ms: float) -> None:
    ratio = took_ms / limit_ms
    print(f"{what:34} {took_ms:7.1f} ms, {ratio:5.2f} of the limit of {limit_ms:.0f} ms")  # noqa: T201 - a benchmark prints


def main(given: list[str]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "data") as server,
        sync_playwright() as player,
    ):
        browser = player.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        begun = time.perf_counter()
        desk = Desk(browser, server.url)
        print(f"page there after {time.perf_counter() - begun:.2f} s")  # noqa: T201 - likewise
        if not given:
            desk.open_demo()  # the phantom is built once; that is not measured
            desk.open()
        first = []
        for _ in range(3):
            desk.open()
            desk.page.evaluate(f"window.first = ({FIRST})(); 0")
            if given:
                desk.upload(*(Path(each) for each in given))
            else:
                desk.page.click("#seg-demo")
            desk.wait_open()
            first.append(desk.page.evaluate("window.first"))
        tell("first slice after reading", statistics.median(first), 500)
        desk.run()
        desk.still()
        for plane in ("axial", "coronal", "sagittal"):
            desk.page.evaluate(f"{V}.setPlane('{plane}')")
            code = f"{V}.setSlice({V}.slice % {V}.state().slices + 1)"
            tell(f"{plane} slice step, with mask", statistics.median(desk.page.evaluate(PAINTED, [code, TURNS])), 33.4)
        code = f"{V}.setWindow({{center: 40 + turn, width: 300 + turn}})"
        tell("window change", statistics.median(desk.page.evaluate(PAINTED, [code, TURNS])), 100)
        desk.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
