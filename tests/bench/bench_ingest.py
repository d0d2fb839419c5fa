"""Adding sets of 1,000 documents to the library while somebody scrolls through a CT.

Run by hand: `python -m tests.bench.bench_ingest [documents]`. Prints the passages a second of an ingest alone, at least
40, and while slices are fetched as fast as they come; and the median time of a slice's answer (one raw16 axial slice of
512 x 512, a new one each time) when nothing else happens and under the ingest, whose ratio should stay under 2. The
documents are words of the model's vocabulary in the order of chance, as many as a passage has.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from tests.bench.bench_slices import IDLE_SLICES, SLICES, finish, scroll, start, trunk
from tests.serving import ROOT, serving, write_ct

DOCUMENTS = 1000
LEAST_PER_S = 40.0
MOST_RATIO = 2.0


def documents(seed: int, count: int) -> bytes:
    """JSON Lines of so many documents of one passage each, of some 150 tokens, as real ones have in the middle."""
    drawn = random.Random(seed)  # noqa: S311 - the same sets on every run
    vocabulary = (ROOT / "assets/models/minilm-vocab.txt").read_text("utf-8").splitlines()
    words = [each for each in vocabulary if each.isascii() and each.isalpha() and len(each) > 2]
    rare = ["".join(drawn.choices(words, k=2)) for _ in range(2000)]
    lines = []
    for number in range(count):
        text = " ".join(drawn.choice(rare if drawn.random() < 0.15 else words) for _ in range(115))
        told = {"title": f"Document {number} of {seed}", "text": f"{text.capitalize()}.", "source": f"made {number}"}
        lines.append(json.dumps(told))
    return "\n".join(lines).encode()


def ingest(client: httpx.Client, seed: int, count: int) -> float:
    """Add a set and wait; passages a second, from the first one embedded to the end."""
    answer = client.post(
        "/documents", files={"file": (f"set{seed}.jsonl", documents(seed, count))}, data={"collection": "bench"}
    )
    job_id = answer.raise_for_status().json()["job_id"]
    begun = 0.0
    while True:
        job = client.get(f"/documents/jobs/{job_id}").raise_for_status().json()
        if job["state"] != "running":
            break
        if not begun and job["progress"]["passages_done"]:
            begun, first = time.perf_counter(), job["progress"]["passages_done"]
        time.sleep(0.05)
    assert job["state"] == "done", job
    done: float = job["progress"]["passages_done"] - first
    return done / (time.perf_counter() - begun)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scrolled = write_ct(folder / "a.nii.gz", trunk(SLICES), (0.8, 0.8, 1.5))
        with serving(folder / "data") as server, server.client() as anna, server.client() as ben:
            anna.get("/")
            ben.get("/")
            mine = start(anna, scrolled)
            finish(anna, mine)
            scroll(anna, mine["case_id"], lambda done: done < SLICES)
            idle = scroll(anna, mine["case_id"], lambda done: done < IDLE_SLICES)
            alone = ingest(ben, 1, count)
            under: list[float] = []
            load = threading.Thread(target=lambda: under.append(ingest(ben, 2, count)))
            load.start()
            loaded = scroll(anna, mine["case_id"], lambda _: load.is_alive())
    quiet, busy = statistics.median(idle) * 1000, statistics.median(loaded) * 1000
    worst = statistics.quantiles(loaded, n=20)[-1] * 1000
    sys.stdout.write(
        f"ingest alone: {alone:.0f} passages/s (at least {LEAST_PER_S:.0f}); "
        f"while slices are fetched without a pause: {under[0]:.0f} passages/s\n"
        f"idle: median {quiet:.1f} ms over {len(idle)} slices\n"
        f"under an ingest: median {busy:.1f} ms over {len(loaded)} slices, 95th percentile {worst:.1f} ms\n"
        f"ratio of the medians: {busy / quiet:.2f} (limit {MOST_RATIO:.0f})\n"
    )


if __name__ == "__main__":
    main()
