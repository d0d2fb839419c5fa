"""The Milvus index at the sizes it promises: run by hand, prints times and memory, and their ratios to the limits.

    python -m tests.bench.bench_library [--server] [sizes ...]

Passages have 120 words: 45 stop words and 75 made-up ones with the frequencies of a technical text (Zipf and
Mandelbrot), which is what real passages of that length analyse to; vectors lie in clusters as those of texts do. Each
size runs in a process of its own. With `--server` the same over a server on loopback, started here: `milvus-lite
server`. A question is seven words of that vocabulary, and a vector near others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.knowledge.milvus_made import hexadecimal
from tests.knowledge.milvus_server import milvus_server
from workbench.domain.library import EmbedderInfo, Passage, Scope, Vectors
from workbench.knowledge.milvus import MilvusIndex
from workbench.language.terms import analyse

NAME = "imaging_literature"
EMBEDDER = EmbedderInfo(model="made-up", dimension=384)
SIZES = (2_500, 13_000, 20_000)
LIMIT_MS = {2_500: 60.0, 13_000: 100.0, 20_000: 100.0}
"""Of a whole retrieval at the 95th percentile; embedding the question takes 4 ms of it."""
LIMIT_MB = 1_000.0
"""With 13,000 passages, of which the embedding model and the page take some 450 MB."""
PASSAGES_A_DOCUMENT, DOCUMENTS_A_SETTLE, FOUND = 10, 20, 50
VOCABULARY = 30_000
EVERYBODY = Scope()


class Texts:
    """Passages and vectors from a seed."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        chances = 1 / (np.arange(VOCABULARY) + 30.0)
        self.chances = chances / chances.sum()
        syllables = [c + v for c in "bdfgklmnprstv" for v in "aeiou"]
        picked = self.random.integers(0, len(syllables), (VOCABULARY, 4))
        self.words = np.array(["".join(syllables[each] for each in one) for one in picked])
        self.centres = self.random.normal(size=(200, EMBEDDER.dimension)).astype(np.float32)

    def documents(self, first: int, count: int) -> tuple[list[Passage], Vectors]:
        drawn = self.random.choice(VOCABULARY, size=(count * PASSAGES_A_DOCUMENT, 75), p=self.chances)
        passages = [
            Passage(
                id=hexadecimal(f"{first} {number}"),
                document_id=hexadecimal(f"document {first + number // PASSAGES_A_DOCUMENT}"),
                collection=NAME,
                title=f"Report {first + number // PASSAGES_A_DOCUMENT} on the measurement of volumes",
                source=f"report-{first + number // PASSAGES_A_DOCUMENT}.pdf",
                text="the " * 45 + " ".join(self.words[line]) + ".",
                ordinal=number % PASSAGES_A_DOCUMENT,
                total=PASSAGES_A_DOCUMENT,
                added="2026-01-01T00:00:00+00:00",
                year=2000 + number % 25,
                page_start=1 + number % PASSAGES_A_DOCUMENT,
            )
            for number, line in enumerate(drawn)
        ]
        return passages, self.vectors(len(passages))

    def vectors(self, count: int) -> Vectors:
        near = self.centres[self.random.integers(0, len(self.centres), count)]
        made = near + 1.2 * self.random.normal(size=near.shape).astype(np.float32)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    def question(self) -> list[str]:
        return analyse(" ".join(self.words[self.random.choice(VOCABULARY, size=7, p=self.chances)]))


def told(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


def spread(seconds: list[float], busy: list[float] | None = None) -> str:
    ms = np.array(seconds) * 1e3
    cpu = f", processor p50 {np.median(busy) * 1e3:6.1f} ms" if busy else ""
    return f"p50 {np.median(ms):6.1f} ms, p95 {np.percentile(ms, 95):6.1f} ms, most {ms.max():6.1f} ms{cpu}"


def timed(action: Callable[[], object], times: int = 1) -> list[float]:
    return [taken for taken, _ in watched(action, times)]


def watched(action: Callable[[], object], times: int) -> Iterator[tuple[float, float]]:
    """Seconds by the clock, and those of the processor: on a machine that others use as well, only these compare."""
    for _ in range(times):
        start, busy = time.perf_counter(), time.process_time()
        action()
        yield time.perf_counter() - start, time.process_time() - busy


def both_spread(action: Callable[[], object], times: int) -> str:
    taken, busy = zip(*watched(action, times), strict=True)
    return spread(list(taken), list(busy))


def own_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def fill(index: MilvusIndex, texts: Texts, size: int, first: int = 0) -> float:
    """Put and settle as an ingest does; the seconds that the index took."""
    taken = 0.0
    for at in range(first, first + size // PASSAGES_A_DOCUMENT, DOCUMENTS_A_SETTLE):
        passages, vectors = texts.documents(at, DOCUMENTS_A_SETTLE)
        start = time.perf_counter()
        index.put(NAME, passages, vectors)
        index.settle(NAME)
        taken += time.perf_counter() - start
    return taken


def measure(uri: str, size: int) -> None:
    texts, before = Texts(), own_mb()
    index = MilvusIndex(uri)
    told(f"{size:,} passages\n  first open {timed(index.collections)[0]:.2f} s")
    index.create(NAME, description="", embedder=EMBEDDER)
    told(f"  put and settle    {size / fill(index, texts, size):6.0f} passages/s")
    index.close()

    index = MilvusIndex(uri)
    told(f"  open again, ready {timed(index.warm)[0]:6.2f} s")

    def both() -> None:
        index.near(NAME, texts.vectors(1)[0], EVERYBODY, FOUND)
        index.matching(NAME, texts.question(), EVERYBODY, FOUND)

    both()
    told(f"  near              {both_spread(lambda: index.near(NAME, texts.vectors(1)[0], EVERYBODY, FOUND), 60)}")
    told(f"  matching          {both_spread(lambda: index.matching(NAME, texts.question(), EVERYBODY, FOUND), 60)}")
    taken = timed(both, 60)
    ratio = float(np.percentile(taken, 95)) * 1e3 / LIMIT_MS.get(size, 100.0)
    told(f"  one after another {spread(taken)}: {ratio:.2f} of the limit of a retrieval")
    narrow = Scope(year_from=2005, year_to=2020, sources=tuple(f"report-{n}.pdf" for n in range(100)))
    told(f"  near, filtered    {both_spread(lambda: index.near(NAME, texts.vectors(1)[0], narrow, FOUND), 30)}")

    writer = threading.Thread(target=fill, args=(index, Texts(), 1_000, 1_000_000))
    writer.start()
    taken = []
    while writer.is_alive():
        taken += timed(both)
    told(f"  the same, while passages are put as fast as they go: {spread(taken)}")
    mb = own_mb()
    told(
        f"  memory {mb:.0f} MB, {mb - before:.0f} MB of it the index: {(mb - before) / LIMIT_MB:.2f} of the whole limit"
    )
    told(f"  close {timed(index.close)[0]:.2f} s")


@contextmanager
def store(folder: Path, over_the_wire: bool) -> Iterator[str]:
    if not over_the_wire:
        yield str(folder / "milvus.db")
        return
    with milvus_server(folder / "server") as server:
        yield server.uri


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", action="store_true")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    given = parser.parse_args()
    for size in given.sizes:
        with tempfile.TemporaryDirectory() as made, store(Path(made), given.server) as uri:
            child = multiprocessing.get_context("spawn").Process(target=measure, args=(uri, size))
            child.start()
            child.join()


if __name__ == "__main__":
    main()
