"""How long a word of VILA-M3 takes from reaching us to leaving us: `python -m tests.bench.bench_ask`.

By hand, half a minute. A contract server notes when it sends each piece, a client of REST when each one arrives; both
run in this process, so the clock is one. Prints in ms the median and the longest way of a word, as a share of the limit
of 100 ms, and the median time to the first word beside that of a bare request to the same server.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.contract_server import VisionNim
from tests.serving import in_thread

LIMIT_MS = 100.0
TIMES = 20
WORDS = "one two three four five six seven eight nine ten"


class _Noting(VisionNim):
    """Notes when each piece of text goes out."""

    def __init__(self, **options: Any) -> None:
        self.sent_at: list[float] = []
        super().__init__(**options)

    def _events(self, text: str) -> Iterator[bytes]:
        self.sent_at = []
        for event in super()._events(text):
            if b'"content": "' in event and b'"content": ""' not in event:
                self.sent_at.append(time.perf_counter())
            yield event


def tokens(client: httpx.Client, body: dict[str, Any]) -> list[float]:
    """When each word arrived."""
    came = []
    with client.stream("POST", "/nim/vilam3/analyze", json=body) as answer:
        for line in answer.iter_lines():
            if line == "event: token":
                came.append(time.perf_counter())
    return came


def bare(client: httpx.Client, nim: VisionNim) -> float:
    """A request with the same body to the server itself: ms to the first word."""
    begun = time.perf_counter()
    with client.stream("POST", f"{nim.url}/v1/chat/completions", json=nim.chats()[0]) as answer:
        for line in answer.iter_lines():
            if '"content": "' in line and '"content": ""' not in line:
                return 1000 * (time.perf_counter() - begun)
    raise AssertionError("no word came")


def a_picture() -> bytes:
    """1,000 x 800 pixels of smooth noise."""
    made = io.BytesIO()
    drawn = np.random.default_rng(1).integers(0, 256, (100, 125), np.uint8)
    Image.fromarray(drawn).resize((1000, 800)).save(made, "PNG")
    return made.getvalue()


def main() -> None:
    ways, firsts, plain = [], [], []
    with tempfile.TemporaryDirectory() as folder, _Noting(text=WORDS, piece_s=0.02) as nim:
        settings = {"nim_mode": "local", "nim_vilam3_url": nim.url}
        with in_thread(Path(folder) / "data", **settings) as server, server.client() as client:
            picture = client.post("/pictures", files={"file": ("a.png", a_picture())}).json()
            body = {"question": "What is this?", "picture_id": picture["id"], "stream": True}
            tokens(client, body)  # loads what the first question needs
            for _ in range(TIMES):
                begun = time.perf_counter()
                came = tokens(client, body)
                firsts.append(1000 * (came[0] - begun))
                # The first word waits for nothing but itself; the others are on their own way each.
                ways += [1000 * (at - sent) for at, sent in zip(came, nim.sent_at, strict=True)]
            with httpx.Client(trust_env=False) as alone:
                bare(alone, nim)
                plain = [bare(alone, nim) for _ in range(TIMES)]
    way, longest = statistics.median(ways), max(ways)
    first, alone_ms = statistics.median(firsts), statistics.median(plain)
    sys.stdout.write(
        f"way of a word: median {way:.1f} ms ({way / LIMIT_MS:.2f} of the limit), longest {longest:.1f} ms "
        f"({longest / LIMIT_MS:.2f})\nfirst word: {first:.0f} ms, a bare request {alone_ms:.0f} ms, "
        f"ratio {first / alone_ms:.2f}\n"
    )


if __name__ == "__main__":
    main()
