"""Scrolling while somebody else's large CT is uploaded, read, segmented and measured.

Run by hand: `python -m tests.bench.bench_slices`. Prints the median time of a slice's answer (one raw16 axial slice of
512 x 512, a new one each time) when nothing else happens and under that load, and their ratio, which should stay
under 3.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.serving import body_hu, serving, write_ct

LIMIT = 3.0
IDLE_SLICES = 400
SLICES = 60
LOAD_SLICES = 300


def trunk(slices: int) -> NDArray[np.int16]:
    """A noisy trunk of 512 x 512, so that packing and reading it costs what a real one does."""
    coarse = body_hu((128, 128, max(slices // 4, 8)))
    fine = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2)[:, :, :slices]
    noise = np.random.default_rng(1).integers(-12, 13, fine.shape, dtype=np.int16)
    return np.asfortranarray(fine + noise)


def scroll(client: httpx.Client, case_id: str, going_on: Callable[[int], bool]) -> list[float]:
    """Seconds that each slice took, one after the other."""
    took: list[float] = []
    while going_on(len(took)):
        number = len(took) % SLICES + 1
        begun = time.perf_counter()
        client.get(f"/cases/{case_id}/stack/raw16/axial?start={number}&n=1").raise_for_status()
        took.append(time.perf_counter() - begun)
    return took


def start(client: httpx.Client, path: Path) -> dict[str, str]:
    """Upload without waiting for the answer; the job."""
    with path.open("rb") as file:
        answer = client.post(
            "/nim/vista3d/segment", files={"file": ("ct.nii.gz", file)}, headers={"Prefer": "respond-async"}
        )
    job: dict[str, str] = answer.raise_for_status().json()
    return job


def finish(client: httpx.Client, job: dict[str, str]) -> None:
    while client.get(f"/jobs/{job['job_id']}").json()["state"] == "running":
        time.sleep(0.1)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scrolled = write_ct(folder / "a.nii.gz", trunk(SLICES), (0.8, 0.8, 1.5))
        large = write_ct(folder / "b.nii.gz", trunk(LOAD_SLICES), (0.8, 0.8, 1.5))
        with serving(folder / "data") as server, server.client() as anna, server.client() as ben:
            anna.get("/")
            ben.get("/")
            mine = start(anna, scrolled)
            finish(anna, mine)
            scroll(anna, mine["case_id"], lambda done: done < SLICES)
            idle = scroll(anna, mine["case_id"], lambda done: done < IDLE_SLICES)
            begun = time.perf_counter()
            load = threading.Thread(target=lambda: finish(ben, start(ben, large)))
            load.start()
            loaded = scroll(anna, mine["case_id"], lambda _: load.is_alive())
            lasted = time.perf_counter() - begun
    quiet, busy = statistics.median(idle) * 1000, statistics.median(loaded) * 1000
    worst = statistics.quantiles(loaded, n=20)[-1] * 1000
    sys.stdout.write(
        f"idle: median {quiet:.1f} ms over {len(idle)} slices\n"
        f"while a CT of 512 x 512 x {LOAD_SLICES} is uploaded, read, segmented and measured ({lasted:.0f} s): "
        f"median {busy:.1f} ms over {len(loaded)} slices, 95th percentile {worst:.1f} ms\n"
        f"ratio of the medians: {busy / quiet:.2f} (limit {LIMIT:.0f})\n"
    )


if __name__ == "__main__":
    main()
