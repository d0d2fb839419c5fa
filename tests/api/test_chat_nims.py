"""Questions over REST while NIMs by their contract answer, break off, refuse or are away; and in cloud mode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_chat import events_of
from tests.contract_server import EmbedNim, LlmNim, RerankNim
from tests.contract_server.llm import OBEYED
from tests.library_made import ARTICLES, add_articles
from tests.serving import Server, assert_problem, in_thread, write_ct
from workbench.usecases.access import VISIT_COOKIE

NOBODY = "http://127.0.0.1:9"
QUESTION = "What is the attenuation of fat on CT?"
QUOTE = "Fat has an attenuation of about -100 HU on CT. [1]"
KEY = "nvapi-a-key-that-nobody-may-see"


@pytest.fixture(scope="module")
def nims() -> Iterator[tuple[LlmNim, EmbedNim, RerankNim]]:
    with LlmNim() as llm, EmbedNim() as embed, RerankNim() as rerank:
        yield llm, embed, rerank


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, nims: tuple[LlmNim, EmbedNim, RerankNim]) -> Iterator[Server]:
    llm, embed, rerank = nims
    urls = {"nim_llm_url": llm.url, "nim_embed_url": embed.url, "nim_rerank_url": rerank.url, "nim_vista3d_url": ""}
    with in_thread(tmp_path_factory.mktemp("nims") / "data", nim_mode="local", **urls) as running:
        with running.client() as client:
            assert add_articles(client)["new"] == len(ARTICLES)
        yield running


@pytest.fixture
def client(server: Server, nims: tuple[LlmNim, EmbedNim, RerankNim]) -> Iterator[httpx.Client]:
    for each in nims:
        each.switch()
    with server.client() as made:
        yield made


@pytest.fixture
def llm(nims: tuple[LlmNim, EmbedNim, RerankNim]) -> LlmNim:
    return nims[0]


def asked(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/query", json={"question": QUESTION, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_own_nim_answers_under_its_name_from_numbered_passages(client, llm):
    told = asked(client)

    assert told["model"] == llm.model
    assert not told["is_mock"]
    assert told["answer"].startswith(QUOTE)
    assert told["citations"][0]["source"] == "attenuation.txt"
    assert told["citations"][0]["rerank"] is not None


BROKEN = [
    # the fault, the words of the error, whether some of the answer was shown before
    ({"error": True}, "CUDA out of memory", True),
    ({"drop": "closed"}, "broke before", True),
    ({"drop": "reset"}, "broke before", True),
    ({"broken_event": True}, "no part of a chat", True),
    ({"wrong_event": True}, "no part of a chat", True),
    ({"html": True}, "sends a web page", False),
    ({"json": True}, "no stream of an answer", False),
    ({"no_word": True}, "without a word", False),
    ({"status": 422}, "refused", False),
    ({"status": 500}, "status 500", False),
]


@pytest.mark.parametrize(("fault", "words", "begun"), BROKEN, ids=[str(each[0]) for each in BROKEN])
def test_each_fault_is_told_in_the_stream_and_the_text_so_far_is_kept(client, llm, fault, words, begun):
    llm.switch(**fault)

    events = events_of(client.post("/query", json={"question": QUESTION, "stream": True}))

    name, told = events[-1]
    assert name == "error"
    assert words in told["detail"]
    assert told["hint"]
    shown = "".join(content["text"] for name, content in events if name == "token")
    assert QUOTE.startswith(shown)
    assert bool(shown) == begun
    assert "done" not in dict(events)


@pytest.mark.parametrize(("fault", "words", "_"), BROKEN[:6], ids=[str(each[0]) for each in BROKEN[:6]])
def test_the_same_fault_is_a_problem_where_nothing_is_streamed(client, llm, fault, words, _):
    llm.switch(**fault)

    answer = client.post("/query", json={"question": QUESTION})

    assert_problem(answer, answer.status_code, words)
    assert answer.status_code in (502, 503)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"no_model": "flat"}, "does not serve"),
        ({"no_model": "account"}, "does not open"),
        ({"status": 401}, "refused access"),
        ({"status": 410}, "410"),
        ({"drop": "reset", "after": 0}, "broke"),
    ],
    ids=str,
)
def test_only_a_nim_that_cannot_be_used_is_stood_in_for_and_the_reason_is_told(client, llm, fault, why):
    llm.switch(**fault)

    told = asked(client)

    assert told["is_mock"]
    assert why in told["fallback_reason"]
    assert told["answer"].startswith("From the library:")


@pytest.mark.parametrize(("fault", "finish"), [({"cut": True}, "cut"), ({"length": True}, "length")], ids=str)
def test_an_answer_that_is_not_whole_says_so(client, llm, fault, finish):
    llm.switch(**fault)

    assert asked(client)["finish"] == finish


def test_citations_that_point_nowhere_are_removed_and_counted(client, llm):
    llm.switch(says="out of range")

    told = asked(client)

    assert told["removed"] == 3
    assert "[9]" not in told["answer"]
    assert "Nobody doubts it." in told["uncited"]
    assert all(1 <= each["n"] <= len(told["citations"]) for each in told["citations"])


def test_the_words_for_no_answer_behind_an_answer_are_told_as_a_notice(client, llm):
    llm.switch(text=f"{QUOTE} NOT_IN_LITERATURE")

    events = events_of(client.post("/query", json={"question": QUESTION, "stream": True}))

    done = events[-1][1]
    assert done["answer"] == QUOTE == "".join(content["text"] for name, content in events if name == "token")
    assert any("leave a part of the question open" in each for each in done["notices"])


def test_a_planted_instruction_stays_inside_its_block(client, llm):
    told = asked(client, question="How often is the phantom calibration of computed tomography scanners repeated?")

    assert "Ignore all previous instructions" in llm.prompt()
    assert OBEYED not in told["answer"]
    assert "pirate" not in told["answer"]


def test_a_reranker_or_an_embedder_that_does_not_answer_is_told_and_done_without(client, nims):
    _, embed, rerank = nims
    rerank.switch(status=503)
    told = asked(client)
    assert any("reranker did not answer" in each for each in told["notices"])
    assert told["citations"][0]["source"] == "attenuation.txt"

    rerank.switch()
    embed.switch(html=True)
    told = asked(client)
    assert any("only words were searched" in each for each in told["notices"])
    assert told["citations"][0]["source"] == "attenuation.txt"


def test_an_embedder_that_fails_in_an_ingest_leaves_nothing_half_there_and_the_next_run_is_whole(client, nims):
    embed = nims[1]
    embed.switch(status=503)
    job = ingest(client, "aorta.txt", "The aorta of an adult is about 20 mm wide.")
    assert job["state"] == "failed"
    assert "Embedding" in job["error"]
    assert "aorta.txt" not in {each["source"] for each in client.get("/documents").json()["documents"]}

    embed.switch()
    job = ingest(client, "aorta.txt", "The aorta of an adult is about 20 mm wide.")
    assert (job["state"], job["report"]["new"]) == ("done", 1)
    (held,) = [each for each in client.get("/documents").json()["documents"] if each["source"] == "aorta.txt"]
    assert client.delete(f"/documents/{held['id']}").json() == {"deleted_passages": 1}


def test_a_client_that_goes_away_frees_the_nim(client, llm):
    llm.left.clear()
    llm.switch(piece_s=0.2, text="Fat is dark. [1] " * 200)

    with client.stream("POST", "/query", json={"question": QUESTION, "stream": True}) as answer:
        for line in answer.iter_lines():
            if line == "event: token":
                break

    assert llm.left.wait(30), "the NIM still had somebody to talk to"


def test_a_number_that_is_not_in_the_table_of_the_case_is_marked(client, llm, tmp_path):
    with write_ct(tmp_path / "ct.nii.gz").open("rb") as file:
        made = client.post("/nim/vista3d/segment", files={"file": ("ct.nii.gz", file)})
    assert made.status_code == 200, made.text
    case_id = made.json()["case_id"]
    organ = made.json()["organs"][0]["name"].replace("_", " ")
    llm.switch(text=f"The volume of the {organ} is 99999.9 mL. [Case]")

    told = asked(client, question=f"What is the volume of the {organ} in this case?", case_id=case_id)

    (sentence,) = told["sentences"]
    assert sentence["support"] == "wrong number"
    assert "99999.9" in sentence["note"]
    assert told["is_mock"], "an answer about an invented segmentation is invented too"


def ingest(client: httpx.Client, name: str, text: str) -> dict[str, Any]:
    """Add a document and wait; the ended job."""
    started = client.post("/documents", files={"file": (name, text.encode())})
    assert started.status_code == 202, started.text
    until = time.monotonic() + 300
    while (job := client.get(f"/documents/jobs/{started.json()['job_id']}").json())["state"] == "running":
        assert time.monotonic() < until, job
        time.sleep(0.05)
    ended: dict[str, Any] = job
    return ended


def test_a_collection_of_another_embedder_is_refused_until_it_is_indexed_again(tmp_path: Path):
    with (
        EmbedNim() as embed,
        in_thread(tmp_path / "data", nim_embed_url=embed.url, nim_mode="local") as before,
        before.client() as client,
    ):
        assert ingest(client, "aorta.txt", "The aorta of an adult is about 20 mm wide.")["state"] == "done"
    with in_thread(tmp_path / "data") as after, after.client() as client:
        row = client.get("/collections/imaging_literature").json()
        assert row["needs_reindex"]
        refused = client.post("/documents", files={"file": ("b.txt", b"The spleen is an organ.")})
        assert_problem(refused, 409, "again")
        found = client.get("/search", params={"q": "How wide is the aorta?"}).json()
        assert found["passages"], "words are searched all the same"
        assert found["notices"]
        again = client.post("/collections/imaging_literature/reindex").json()["job_id"]
        until = time.monotonic() + 300
        while client.get(f"/documents/jobs/{again}").json()["state"] == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        row = client.get("/collections/imaging_literature").json()
        assert (row["needs_reindex"], row["dimension"], row["passages"]) == (None, 384, 1)
        assert ingest(client, "b.txt", "The spleen is an organ.")["state"] == "done"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LlmNim, Server]]:
    """Cloud mode, with the catalogue on this machine."""
    with LlmNim(model="meta/llama-3.1-8b-instruct") as catalogue:
        cloud = {"nim_mode": "cloud", "nim_cloud_url": catalogue.url, "nvidia_api_key": KEY}
        with in_thread(tmp_path_factory.mktemp("hosted") / "data", **cloud) as running:
            with running.client() as client:
                add_articles(client)
            yield catalogue, running


def visit(server: Server) -> httpx.Client:
    assert server.workbench is not None
    client = server.client()
    client.cookies.set(VISIT_COOKIE, server.workbench.access.new_visit())
    return client


def test_a_script_consents_by_running_in_cloud_mode(hosted):
    catalogue, server = hosted
    with server.client() as script:
        told = asked(script)

    assert told["provenance"]["origin"] == "cloud"
    assert catalogue.posts()[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_visit_is_asked_before_anything_is_sent_and_once(hosted):
    catalogue, server = hosted
    with visit(server) as page:
        before = len(catalogue.chats())
        refused = assert_problem(page.post("/query", json={"question": QUESTION}), 409, "outside this machine")
        assert refused["type"] == "/problems/consent-needed"
        assert refused["consent"]["what"] == "text"
        streamed = page.post("/query", json={"question": QUESTION, "stream": True})
        assert_problem(streamed, 409, "outside this machine")
        assert len(catalogue.chats()) == before

        assert page.post("/consent", json={"what": "text", "granted": True}).status_code == 204
        assert asked(page)["provenance"]["origin"] == "cloud"
        assert asked(page)["provenance"]["origin"] == "cloud"
        assert len(catalogue.chats()) == before + 2


def test_one_visits_consent_is_no_other_visits(hosted):
    _, server = hosted
    with visit(server) as one, visit(server) as other:
        one.post("/consent", json={"what": "text", "granted": True})
        assert asked(one)["provenance"]["origin"] == "cloud"
        assert_problem(other.post("/query", json={"question": QUESTION}), 409)


def test_declined_a_mock_answers_with_the_reason_and_nothing_is_sent(hosted):
    catalogue, server = hosted
    with visit(server) as page:
        before = len(catalogue.posts())
        page.post("/consent", json={"what": "text", "granted": False})
        told = asked(page, history=[{"role": "user", "text": "What is HU?"}, {"role": "assistant", "text": "A unit."}])

    assert told["is_mock"]
    assert "declined" in told["fallback_reason"]
    assert len(catalogue.posts()) == before


def test_nothing_that_is_kept_or_told_holds_the_question_the_text_or_the_key(hosted):
    _, server = hosted
    with server.client() as script:
        asked(script)
        metrics = script.get("/metrics").text
    log = (server.data / "records" / "runs.jsonl").read_text()
    assert '"service":"llm"' in log
    for secret in ("attenuation", "Hounsfield", "articles.jsonl", KEY):
        assert secret not in log
        assert secret not in metrics
