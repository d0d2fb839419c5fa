"""How long the page needs to paint the first token of an answer: `python -m tests.bench.bench_chat_page`.

The server writes the time at which it sends a token into the token; the page notes when the frame that shows it is
done. Both clocks are this machine's. What Llama-3 itself needs is not in it.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser import ARGUMENTS, find_browser
from tests.ui import chat_app
from tests.ui.chat_app import Told, answer, found, passage
from tests.ui.chat_desk import ChatDesk

TIMES = 20
LIMIT_MS = 150.0
LONG = "A sentence of an answer that goes on and on [1]. "

PAINTED = """() => new Promise((done) => {
  const look = () => {
    const text = document.querySelector('.chat-exchange:last-child .chat-answer-text')?.textContent ?? '';
    const sent = /sent (\\d+\\.\\d+) ms/.exec(text);
    if (!sent) return false;
    watcher.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(Date.now() - Number(sent[1]))));
    return true;
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.querySelector('#chat-log'), { childList: true, subtree: true, characterData: true });
  document.querySelector('#chat-send').click();
})"""


class Stamped(list[Any]):
    """Steps whose first token carries the time at which it is read, which is when it is sent."""

    def __iter__(self) -> Any:
        for name, data in super().__iter__():
            if name == "token" and data["text"] == "now":
                yield name, {"text": f"sent {1000 * time.time():.3f} ms "}
            else:
                yield name, data


def script(told: Told, *, tokens: int) -> None:
    steps = [("searching", {"rewritten": None}), found(passage(1, "A passage. " * 60)), ("token", {"text": "now"})]
    steps += [("pause", 0.005), ("token", {"text": LONG})] * tokens
    told.script = Stamped([*steps, ("done", answer("Done."))])


def main() -> None:
    """Print the median and the 95th percentile, of short answers and of long ones."""
    with chat_app.serving() as (url, told), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        chat = ChatDesk(browser.new_page(viewport={"width": 1440, "height": 900}), url)
        for name, tokens in (("short answers", 5), ("answers of 200 tokens", 200)):
            taken = []
            for _ in range(TIMES):
                script(told, tokens=tokens)
                chat.field.fill("How long?")
                taken.append(float(chat.page.evaluate(PAINTED)))
                chat.ended()
            p95 = statistics.quantiles(taken, n=20)[-1]
            result = {"what": name, "median_ms": statistics.median(taken), "p95_ms": round(p95, 1)}
            print(json.dumps(result | {"share_of_limit": round(p95 / LIMIT_MS, 3)}))  # noqa: T201 - it is its output
        browser.close()


if __name__ == "__main__":
    main()
