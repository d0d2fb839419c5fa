"""A Milvus server that goes away and comes back while the workbench is asked."""

from __future__ import annotations

from tests.knowledge.milvus_server import milvus_server
from tests.library_made import ARTICLES, add_articles
from tests.serving import assert_problem, in_thread, wait_until

QUESTION = {"question": "What is the attenuation of fat?"}


def test_a_store_that_goes_away_is_told_at_every_door_and_nothing_is_lost_when_it_is_back(tmp_path):
    with (
        milvus_server(tmp_path / "milvus") as store,
        in_thread(tmp_path / "data", milvus_uri=store.uri) as server,
        server.client() as client,
    ):
        assert add_articles(client)["new"] == len(ARTICLES)
        assert "-100 HU" in client.post("/query", json=QUESTION).json()["answer"]

        store.kill()
        for answer in (
            client.post("/query", json=QUESTION),
            client.get("/search", params={"q": "fat"}),
            client.get("/documents"),
            client.post("/documents", files={"file": ("new.txt", b"The aorta is about 20 mm wide.")}),
        ):
            assert_problem(answer, 503, "Milvus server", "connects again by itself")
        streamed = client.post("/query", json={**QUESTION, "stream": True}).text
        assert "event: error" in streamed
        assert '"status": 503' in streamed
        assert client.get("/health").status_code == 200, "the rest of the workbench goes on"
        assert client.get("/nim/status").status_code == 200

        store.start()
        wait_until(lambda: client.post("/query", json=QUESTION).status_code == 200)
        assert "-100 HU" in client.post("/query", json=QUESTION).json()["answer"]
        assert len(client.get("/documents").json()["documents"]) == len(ARTICLES)
        assert add_articles(client)["unchanged"] == len(ARTICLES)
