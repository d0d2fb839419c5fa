"""How fast slices are served and drawn: `python -m tests.bench.bench_viewer`, by hand, about a minute.

Prints medians in ms and their ratio to the least work there is: copying the same slice out of the same array.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from playwright.sync_api import sync_playwright

from tests.browser import ARGUMENTS, find_browser
from tests.ui.viewer_app import Served, serving
from workbench.domain.volume import Grid
from workbench.imaging.slices import PLANES, slice_count, slice_of
from workbench.imaging.stacks import stack_bytes

SHAPE = (512, 512, 300)
V = "window.workbench.viewers['seg-viewer']"
FORTH = f"{V}.setSlice({V}.slice % 512 + 1)"
STEP = """async ([code, n]) => {
  const times = [];
  for (let each = 0; each < n; each += 1) {
    await new Promise((done) => requestAnimationFrame(done));
    const begun = performance.now();
    eval(code);
    VIEWER.paintNow();
    VIEWER.panes[0].canvas.getContext('2d').getImageData(0, 0, 1, 1);
    const drawn = performance.now() - begun;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push([drawn, performance.now() - begun]);
  }
  return times;
}""".replace("VIEWER", V)


def made() -> Served:
    rng = np.random.default_rng(1)
    voxels = np.asfortranarray(rng.normal(40, 18, SHAPE).astype(np.int16))
    labels = np.zeros(SHAPE, np.uint8, order="F")
    for label in range(1, 20):
        start = 20 * label
        labels[start : start + 60, 100:400, label * 12 : label * 12 + 60] = label if label != 2 else 30
    return Served(voxels, Grid(shape=SHAPE, affine_ras_mm=np.diag([-0.8, -0.8, 1.5, 1.0])), labels)


def median_ms(work: Callable[[int], object], times: int = 15) -> float:
    took = []
    for turn in range(times):
        begun = time.perf_counter()
        work(turn)
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def server(served: Served) -> None:
    for plane in PLANES:
        count = slice_count(served.grid, plane)

        def number(turn: int, count: int = count) -> int:
            return 1 + (turn * 37) % count

        def copy(turn: int, plane: str = plane) -> object:
            return np.ascontiguousarray(slice_of(served.voxels_hu, served.grid, plane, number(turn)))

        base = median_ms(copy)
        print(f"{plane:9} copy {base:6.2f} ms", end="")  # noqa: T201 - a benchmark prints
        for kind in ("raw16", "jpeg", "label"):
            array = served.labels if kind == "label" else served.voxels_hu

            def encode(turn: int, plane: str = plane, kind: str = kind, array: object = array) -> object:
                return stack_bytes(array, served.grid, kind, plane, number(turn), 1)

            took = median_ms(encode)
            print(f"   {kind} {took:6.2f} ms ({took / base:5.1f} x)", end="")  # noqa: T201
        print()  # noqa: T201


def browser(served: Served) -> None:
    served.manifest()  # measures its structures once, as a segmented case has
    with serving(served) as url, sync_playwright() as player:
        page = player.chromium.launch(executable_path=find_browser(), args=ARGUMENTS).new_page(
            viewport={"width": 1440, "height": 900}
        )
        page.goto(url)
        page.wait_for_selector("#seg-viewer[data-state=empty] .wbv-bar", state="attached")
        begun = time.perf_counter()
        page.evaluate(f"() => {{ {V}.open('case', {{}}) }}")
        page.wait_for_selector("#seg-viewer[data-state=ready]")
        print(f"first slice {time.perf_counter() - begun:.2f} s", end="")  # noqa: T201
        page.wait_for_function(f"{V}.image.complete && {V}.labels.complete", timeout=120_000)
        print(f", whole volume {time.perf_counter() - begun:.2f} s")  # noqa: T201
        for name, code in {
            "axial step": f"{V}.setSlice({V}.slice % 300 + 1)",
            "window": f"{V}.setWindow({{center: 40 + Math.round(performance.now()) % 50, width: 300}})",
            "opacity": f"{V}.setOpacity((performance.now() % 100) / 100)",
            "structure off": f"{V}.setVisible([each])",
            "outline step": f"{V}.style = 'outline'; {V}.setSlice({V}.slice % 300 + 1)",
            "coronal step": f"{V}.style = 'fill'; {V}.plane = 'coronal'; {V}.arrange(); {FORTH}",
            "sagittal step": f"{V}.plane = 'sagittal'; {V}.arrange(); {FORTH}",
        }.items():
            times = page.evaluate(STEP, [code, 20])
            drawn, painted = (statistics.median(each) for each in zip(*times, strict=True))
            print(f"{name:14} drawn {drawn:5.1f} ms, painted {painted:5.1f} ms ({painted / 16.7:.1f} frames)")  # noqa: T201
        page.context.browser.close()


if __name__ == "__main__":
    example = made()
    server(example)
    browser(example)
