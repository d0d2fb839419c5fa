"""A really served language model, where one is given: everything the contract server only imitates.

Set WORKBENCH_LIVE_LLM_URL to an OpenAI-compatible server, for example a small model served by llama.cpp:
`python -m llama_cpp.server --model SmolLM2-135M-Instruct.Q4_1.gguf --port 8520`, then
`WORKBENCH_LIVE_LLM_URL=http://127.0.0.1:8520/v1 python launch.py test tests/nim/test_live_llm.py -s`.
A model that small may write nonsense; held to account is what this program makes of it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.library_made import add_articles
from tests.serving import Server, in_thread

LIVE = os.environ.get("WORKBENCH_LIVE_LLM_URL", "")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not LIVE, reason="WORKBENCH_LIVE_LLM_URL names no served language model"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("live") / "data"
    with in_thread(data, nim_mode="local", nim_llm_url=LIVE, nim_allow_mock_fallback=False) as running:
        with running.client() as client:
            add_articles(client)
        yield running


def test_a_real_model_answers_under_its_own_name_and_every_citation_it_keeps_resolves(server: Server) -> None:
    listed = httpx.get(f"{LIVE.rstrip('/').removesuffix('/v1')}/v1/models", timeout=60).json()["data"][0]["id"]
    body = {
        "question": "What is the attenuation of fat in Hounsfield units?",
        "sampling": {"max_tokens": 120},
    }
    with server.client() as client:
        answer = client.post("/query", json=body, timeout=600)

    assert answer.status_code == 200, answer.text
    told = answer.json()
    sys.stdout.write(f"\n{told['model']}: {told['answer']}\nmarked: {told['uncited']}\n{told['timings_ms']}\n")
    assert told["model"] == listed
    assert not told["is_mock"]
    assert told["finish"] in ("stop", "length")
    known = {each["n"] for each in told["citations"]}
    assert {int(each) for each in re.findall(r"\[(\d+)\]", told["answer"])} <= known
    shown = "".join(each["text"] for each in told["sentences"])
    assert all(each in shown for each in told["uncited"])


def test_a_real_stream_ends_with_the_answer_that_was_streamed(server: Server) -> None:
    body = {"question": "What does halving the slice thickness do to image noise?", "stream": True}
    with server.client() as client, client.stream("POST", "/query", json=body, timeout=600) as answer:
        lines = [line for line in answer.iter_lines() if line]

    names = [line.removeprefix("event: ") for line in lines if line.startswith("event:")]
    assert names[-1] == "done", lines[-1]
    assert "token" in names


def test_a_real_model_stops_when_nobody_reads(server: Server) -> None:
    body = {"question": "What is the attenuation of fat?", "stream": True, "sampling": {"max_tokens": 2000}}
    with server.client() as client:
        with client.stream("POST", "/query", json=body, timeout=600) as answer:
            for line in answer.iter_lines():
                if line == "event: token":
                    break
        again = client.post("/query", json={**body, "stream": False, "sampling": {"max_tokens": 20}}, timeout=600)

    assert again.status_code == 200
