"""What six hanging NIMs cost the page: `python -m tests.bench.bench_status`, by hand, about two minutes.

Prints medians in ms of a slice fetched, a status answered, a slice step and a tab switch in the browser: with six
NIMs that work, with six that take connections and never answer, and the ratio of the two.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from tests.browser import ARGUMENTS, find_browser
from tests.contract_server import Vista3dNim, Work, WorkingNim
from tests.serving import serving, wait_until, write_ct

NAMES = ("VISTA3D", "MAISI", "VILAM3", "LLM", "EMBED", "RERANK")
TIMES = 40
VIEWER = "window.workbench.viewers['seg-viewer']"
STEP = f"""async () => {{
  const begun = performance.now();
  {VIEWER}.setSlice({VIEWER}.slice % 40 + 1);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - begun;
}}"""
SWITCH = """async (name) => {
  const tab = [...document.querySelectorAll('#wb-tabs [role=tab]')].find((each) => each.textContent.trim() === name);
  const begun = performance.now();
  tab.click();
  while (tab.getAttribute('aria-selected') !== 'true') await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - begun;
}"""


@contextlib.contextmanager
def working() -> Iterator[dict[str, str]]:
    with contextlib.ExitStack() as running:
        nims = [Vista3dNim(), *(WorkingNim(each) for each in (Work.SYNTHESIS, Work.VISION, Work.CHAT))]
        nims += [WorkingNim(Work.EMBEDDING), WorkingNim(Work.RANKING)]
        for nim in nims:
            running.enter_context(nim)
        yield {f"IMAGING_NIM_{name}_URL": nim.url for name, nim in zip(NAMES, nims, strict=True)}


@contextlib.contextmanager
def hanging() -> Iterator[dict[str, str]]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as silent:
        yield {f"IMAGING_NIM_{name}_URL": f"http://127.0.0.1:{silent.getsockname()[1]}" for name in NAMES}


def median_ms(act: Callable[[int], float | None]) -> float:
    """The median over some calls, spread so that looks at the NIMs fall among them; `act` may tell its own time."""
    took = []
    for turn in range(TIMES):
        begun = time.perf_counter()
        told = act(turn)
        took.append(1000 * (time.perf_counter() - begun) if told is None else told)
        time.sleep(0.1)
    return statistics.median(took)


def opened(client: httpx.Client, folder: Path) -> str:
    """A small CT, read and not segmented: nobody is asked for anything."""
    with write_ct(folder / "ct.nii.gz").open("rb") as file:
        made = client.post("/cases", files={"file": ("ct.nii.gz", file)}).json()
    wait_until(lambda: client.get(f"/jobs/{made['job_id']}").json()["state"] == "done")
    return str(made["case_id"])


def measured(urls: dict[str, str], folder: Path) -> dict[str, float]:
    """Everything measured against these NIMs."""
    with serving(folder / "data", IMAGING_NIM_MODE="local", **urls) as server, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}/")
        page.wait_for_selector("#nim-llm[data-state]")
        with server.client() as client:
            client.cookies.update({each["name"]: each["value"] for each in page.context.cookies()})
            case = opened(client, folder)
            page.evaluate("([id]) => { VIEWER.open(id, {}); }".replace("VIEWER", VIEWER), [case])
            page.wait_for_selector("#seg-viewer[data-state=ready]", timeout=120_000)

            def fetch(path: str) -> Callable[[int], None]:
                def act(turn: int) -> None:
                    client.get(path.format(turn % 40 + 1)).raise_for_status()

                return act

            found = {
                "slice fetched": median_ms(fetch(f"/cases/{case}/stack/raw16/axial?start={{}}&n=1")),
                "status answered": median_ms(fetch("/nim/status")),
                "health answered": median_ms(fetch("/health")),
                "slice step": median_ms(lambda turn: float(page.evaluate(STEP))),
                "tab switch": median_ms(
                    lambda turn: float(page.evaluate(SWITCH, "Status" if turn % 2 == 0 else "Segment"))
                ),
            }
        browser.close()
        return found


def main() -> None:
    results = []
    for kind in (working, hanging):
        with tempfile.TemporaryDirectory() as folder, kind() as urls:
            results.append(measured(urls, Path(folder)))
    for name, with_none in results[0].items():
        with_six = results[1][name]
        print(f"{name:16} {with_none:6.1f} ms   six hanging {with_six:6.1f} ms   ({with_six / with_none:.2f} x)")  # noqa: T201


if __name__ == "__main__":
    main()
