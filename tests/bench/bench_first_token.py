"""How long the first token of an answer takes beyond the model itself: `python -m tests.bench.bench_first_token`.

By hand, a few seconds. A contract server answers at once, so all the time is ours: prompt, connection, reading the
stream. Prints medians in ms of the client of Llama-3, of a bare request to the same server, the ratio of the two, the
share of the limit of 150 ms, and the same for the stand-in.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import httpx

from tests.contract_server import LlmNim
from tests.nim.made import CLOCK
from tests.nim.made_chat import LIVER, a_llama, a_request, a_sheet, found
from workbench.domain.dialogue import ChatRequest, Talker
from workbench.nim.llm_stand_in import LlmStandIn

LIMIT_MS = 150.0
TIMES = 40


def median_ms(act: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        act()
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def first_token(talker: Talker, request: ChatRequest) -> str:
    stream = talker.run(request)
    token = next(stream.tokens)
    stream.close()
    return token


def bare(client: httpx.Client, nim: LlmNim) -> None:
    body = {**nim.chats()[0], "stream": True}
    with client.stream("POST", f"{nim.url}/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if '"content": "' in line and '"content": ""' not in line:
                return


def main() -> None:
    request = a_request(passages=tuple(found(LIVER * 5, at=at) for at in range(8)), case=a_sheet("MOCK"))
    with LlmNim() as nim, a_llama(nim.url) as llama, httpx.Client(trust_env=False) as client:
        begun = time.perf_counter()
        llama.warm()
        sys.stdout.write(f"loading the client, once: {1000 * (time.perf_counter() - begun):.0f} ms\n")
        first_token(llama, request)
        ours, plain = median_ms(lambda: first_token(llama, request)), median_ms(lambda: bare(client, nim))
        quoted = median_ms(lambda: first_token(LlmStandIn(clock=CLOCK), request))
    sys.stdout.write(
        f"first token: {ours:.1f} ms, a bare request {plain:.1f} ms, ratio {ours / plain:.2f}, "
        f"{ours / LIMIT_MS:.2f} of the limit\nstand-in: {quoted:.1f} ms, {quoted / LIMIT_MS:.2f} of the limit\n"
    )


if __name__ == "__main__":
    main()
