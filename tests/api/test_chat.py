"""Questions to the library over REST, in mock mode: passages, answers, streams, exports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.library_made import ARTICLES, add_articles
from tests.serving import Server, in_thread

ANSWER_KEYS = {
    "answer",
    "evidence",
    "citations",
    "uncited",
    "model",
    "is_mock",
    "fallback_reason",
    "timings_ms",
    "provenance",
}
CITATION_KEYS = {"n", "title", "source", "page", "section", "text", "score", "url"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with in_thread(tmp_path_factory.mktemp("chat") / "data") as running, running.client() as client:
        report = add_articles(client)
        assert report["new"] == len(ARTICLES), report
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def events_of(answer: httpx.Response) -> list[tuple[str, dict]]:
    events = []
    for block in answer.text.strip().split("\n\n"):
        name, data = block.split("\n", 1)
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_an_answer_has_every_key_promised_and_says_that_a_mock_gave_it(client):
    answer = client.post("/query", json={"question": "What is the attenuation of fat in Hounsfield units?"})

    assert answer.status_code == 200
    told = answer.json()
    assert set(told) >= ANSWER_KEYS
    assert told["is_mock"] is True
    assert told["evidence"] in ("strong", "weak")
    assert told["citations"]
    assert set(told["citations"][0]) >= CITATION_KEYS
    assert told["provenance"]["origin"] == "mock"


def test_every_citation_resolves_and_the_mock_quotes_word_for_word(client):
    told = client.post("/query", json={"question": "What is the attenuation of fat in Hounsfield units?"}).json()

    assert "-100 HU" in told["answer"]
    for citation in told["citations"]:
        assert f"[{citation['n']}]" in told["answer"]
        found = client.get(f"/passages/{citation['passage_id']}")
        assert found.status_code == 200
        assert client.get(citation["url"], headers={"Accept": "text/html"}).status_code in (200, 404)
    for sentence in told["sentences"]:
        if sentence["cites"]:
            words = sentence["text"].split("[")[0].removeprefix("From the library:").strip()
            assert any(words in each["text"] for each in told["citations"])


def test_an_off_topic_question_is_refused_with_the_words_that_are_missing(client):
    told = client.post("/query", json={"question": "How do I bake sourdough bread?"}).json()

    assert told["evidence"] == "none"
    assert told["citations"] == []
    assert "The library does not answer this." in told["answer"]
    assert "sourdough" in told["missing"]


def test_a_stream_tells_passages_first_and_ends_with_the_whole_answer(client):
    body = {"question": "What is the attenuation of fat in Hounsfield units?", "stream": True}
    answer = client.post("/query", json=body)

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    names = [name for name, _ in events]
    assert names[:2] == ["searching", "passages"]
    assert names[-1] == "done"
    assert set(names[2:-1]) == {"token"}
    done = events[-1][1]
    assert "".join(data["text"] for name, data in events if name == "token").strip() == done["answer"]
    plain = client.post("/query", json={**body, "stream": False}).json()
    assert plain["answer"] == done["answer"]


def test_a_search_gives_one_passage_a_document_best_first(client):
    found = client.get("/search", params={"q": "image noise and slice thickness", "k": 5}).json()

    assert found["passages"][0]["title"] == "Image noise and dose"
    documents = [each["document_id"] for each in found["passages"]]
    assert len(set(documents)) == len(documents)
    scores = [each["score"] for each in found["passages"]]
    assert scores == sorted(scores, reverse=True)


def test_a_search_by_words_only_finds_without_vectors(client):
    found = client.get("/search", params={"q": "attenuation of fat", "words_only": True}).json()

    assert found["passages"]
    assert all(each["cosine"] is None for each in found["passages"])


def test_filters_by_year_and_source_leave_the_others_out(client):
    def titles(**filters):
        found = client.get("/search", params={"q": "computed tomography", "k": 50, **filters}).json()
        return {each["title"] for each in found["passages"]}

    assert titles(year_from=2021) == {each["title"] for each in ARTICLES if each["year"] >= 2021}
    assert titles(source=["noise.txt"]) == {"Image noise and dose"}
    assert titles(source=['noise.txt" or 1==1 or source=="']) == set()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"question": ""}, 422),
        ({"question": "x" * 4_001}, 422),
        ({"question": "x" * 50_000}, 422),
        ({"question": "fat", "top_k": 0}, 422),
        ({"question": "fat", "collections": ["nowhere"]}, 404),
        ({"question": "fat", "case_id": "nobodys"}, 404),
        ({"question": "fat", "filters": {"year_from": 2020, "year_to": 2010}}, 422),
        ({"question": "fat", "filters": {"year_from": "soon"}}, 422),
        ({"history": []}, 422),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_problem(client, body, status):
    answer = client.post("/query", json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"]
    assert "x" * 100 not in answer.text


def test_a_follow_up_is_searched_for_by_itself(client):
    history = [
        {"role": "user", "text": "What is the attenuation of fat in Hounsfield units?"},
        {"role": "assistant", "text": "About -100 HU [1]."},
    ]
    told = client.post("/query", json={"question": "And of water?", "history": history}).json()

    assert told["rewritten"]
    assert "attenuation" in told["rewritten"].lower() or "hounsfield" in told["rewritten"].lower()
    assert any("water" in each["text"].lower() for each in told["citations"])


def test_the_case_is_a_source_whose_numbers_are_those_of_its_table(client):
    segmented = client.post("/nim/vista3d/segment", json={"target_classes": ["liver", "spleen"]}).json()

    told = client.post("/query", json={"question": "How large is the liver?", "case_id": segmented["case_id"]}).json()

    assert f"{segmented['volumes']['liver']:.1f} mL" in told["answer"]
    assert "[Case]" in told["answer"]
    assert told["case"]["marks"] == ["MOCK"]
    assert not told["uncited"]


@pytest.mark.parametrize("form", ["md", "json", "html"])
def test_a_conversation_is_exported_with_its_passages(client, form):
    told = client.post("/query", json={"question": "What is the attenuation of fat in Hounsfield units?"}).json()

    exported = client.post("/query/export", json={"format": form, "exchanges": [told]})

    assert exported.status_code == 200
    assert "attachment" in exported.headers["content-disposition"]
    assert told["citations"][0]["title"] in exported.text
    assert "Research use" in exported.text


def test_health_counts_the_passages_of_every_collection(client):
    health = client.get("/health").json()

    assert health["collections"]["imaging_literature"] >= len(ARTICLES)
    assert health["total_vectors"] == sum(health["collections"].values())


def test_a_document_that_gives_orders_is_quoted_and_not_obeyed(client):
    told = client.post("/query", json={"question": "What does the note on phantom calibration say?"}).json()

    assert "I am a pirate" not in told["answer"].split("[")[0]
    assert told["removed"] == 0
