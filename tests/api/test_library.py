"""The library over REST: documents come in, are listed, shown page by page, and really go."""

from __future__ import annotations

import itertools
import json
import threading

import pytest

from tests.knowledge.documents_made import LIVER, docx, pdf, zipped
from tests.serving import assert_problem, in_thread, wait_until

_NUMBER = itertools.count()
SPLEEN = "The spleen lies under the left ribs. Its volume in a healthy adult is about 200 mL."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with in_thread(tmp_path_factory.mktemp("library") / "data") as running:
        yield running


@pytest.fixture
def collection(client):
    """A collection of a test's own."""
    name = f"made_{next(_NUMBER)}"
    assert client.post("/collections", json={"name": name, "description": "made for a test"}).status_code == 201
    yield name
    client.delete(f"/collections/{name}")


def begin(client, *files, collection):
    sent = [("file", (name, content)) for name, content in files]
    return client.post("/documents", files=sent, data={"collection": collection})


def add(client, *files, collection):
    """Add files and wait; the ended job."""
    accepted = begin(client, *files, collection=collection)
    assert accepted.status_code == 202, accepted.text
    assert accepted.headers["location"] == f"/documents/jobs/{accepted.json()['job_id']}"
    return ended(client, accepted.json()["job_id"])


def ended(client, job_id):
    wait_until(lambda: client.get(f"/documents/jobs/{job_id}").json()["state"] != "running")
    return client.get(f"/documents/jobs/{job_id}").json()


def listed(client, collection):
    return client.get("/documents", params={"collection": collection}).json()["documents"]


def left_behind(server):
    return list((server.data / "library" / "uploads").rglob("*"))


def test_documents_are_added_in_the_background_and_reported(client, collection, server):
    job = add(client, ("liver.txt", LIVER.encode()), ("broken.pdf", b"%PDF-1.7 broken"), collection=collection)
    assert (job["state"], job["kind"], job["collection"], job["error"]) == ("done", "ingest", collection, None)
    report = job["report"]
    assert (report["new"], report["failed"], report["passages"], report["stopped"]) == (1, 1, 1, False)
    assert [each["outcome"] for each in report["documents"]] == ["new", "failed"]
    assert "broken" in report["documents"][1]["why"]
    assert (job["progress"]["passages_done"], job["progress"]["passages"]) == (1, 1)
    assert left_behind(server) == []


def test_what_was_added_is_listed_and_searched(client, collection):
    add(client, ("liver.txt", LIVER.encode()), collection=collection)
    (document,) = listed(client, collection)
    known = {
        "id",
        "title",
        "source",
        "collection",
        "passages",
        "added",
        "year",
        "url",
        "references",
        "has_pages",
        "shared",
    }
    assert set(document) == known
    assert (document["source"], document["passages"], document["shared"]) == ("liver.txt", 1, True)
    found = client.get("/search", params={"q": "largest solid organ of the abdomen", "collection": collection}).json()
    assert found["passages"][0]["text"] == LIVER


def test_a_document_that_is_deleted_is_found_no_more(client, collection):
    add(client, ("liver.txt", LIVER.encode()), ("spleen.txt", SPLEEN.encode()), collection=collection)
    document = next(each for each in listed(client, collection) if each["source"] == "spleen.txt")
    answer = client.delete(f"/documents/{document['id']}", params={"collection": collection})
    assert answer.json() == {"deleted_passages": 1}
    found = client.get("/search", params={"q": "spleen under the left ribs", "collection": collection}).json()
    assert SPLEEN not in [each["text"] for each in found["passages"]]
    assert [each["source"] for each in listed(client, collection)] == ["liver.txt"]
    assert_problem(client.delete(f"/documents/{document['id']}", params={"collection": collection}), 404)


def test_a_document_of_two_collections_goes_from_both_or_from_the_one_named(client, collection):
    other = f"{collection}_other"
    for name in (collection, other):
        add(client, ("liver.txt", LIVER.encode()), collection=name)
    (document,) = listed(client, collection)
    assert client.delete(f"/documents/{document['id']}", params={"collection": other}).json()["deleted_passages"] == 1
    assert len(listed(client, collection)) == 1
    add(client, ("liver.txt", LIVER.encode()), collection=other)
    assert client.delete(f"/documents/{document['id']}").json() == {"deleted_passages": 2}
    assert listed(client, collection) == listed(client, other) == []
    client.delete(f"/collections/{other}")


def test_a_pdf_shows_its_pages_until_it_is_deleted(client, collection, server):
    add(client, ("paper.pdf", pdf([[LIVER[:70], LIVER[70:]], [SPLEEN]])), collection=collection)
    (document,) = listed(client, collection)
    assert document["has_pages"]
    picture = client.get(f"/documents/{document['id']}/pages/2.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert_problem(client.get(f"/documents/{document['id']}/pages/3.png"), 404, "no page 3")
    client.delete(f"/documents/{document['id']}")
    assert_problem(client.get(f"/documents/{document['id']}/pages/2.png"), 404)
    assert not list((server.data / "library" / "originals").iterdir())


def test_a_document_without_pages_has_no_pictures(client, collection):
    add(client, ("liver.txt", LIVER.encode()), collection=collection)
    (document,) = listed(client, collection)
    assert not document["has_pages"]
    assert_problem(client.get(f"/documents/{document['id']}/pages/1.png"), 404, "not kept")


def test_a_passage_is_shown_with_its_neighbours_and_its_document(client, collection):
    long = " ".join(f"Sentence number {n} tells of organ {n} and of its volume in millilitres." for n in range(40))
    add(client, ("organs.md", f"# Organs\n\n{long}".encode()), collection=collection)
    found = client.get("/search", params={"q": "organ 20", "collection": collection}).json()["passages"]
    middle = next(each for each in found if "Sentence number 20" in each["text"])
    told = client.get(f"/passages/{middle['passage_id']}", params={"collection": collection}).json()
    assert told["passage"]["text"] == middle["text"]
    assert told["passage"]["url"] == middle["url"]
    assert told["before"]["ordinal"] == told["passage"]["ordinal"] - 1
    assert told["after"]["ordinal"] == told["passage"]["ordinal"] + 1
    assert (told["document"]["title"], told["document"]["passages"]) == ("Organs", told["passage"]["total"])
    assert client.get(f"/passages/{middle['passage_id']}").json() == told
    assert_problem(client.get("/passages/nothing"), 404)


def test_every_format_is_taken(client, collection):
    job = add(
        client,
        ("a.pdf", pdf([["The pancreas has about 70 mL in adults."]])),
        ("b.docx", docx(lambda document: document.add_paragraph("The adrenal gland has about 5 mL."))),
        ("c.html", b"<html><body><p>The bladder varies.</p><script>steal()</script></body></html>"),
        ("d.md", b"The aorta is wide."),
        ("e.txt", "Die Speiseröhre ist lang.".encode("latin-1")),
        ("f.zip", zipped({"g.jsonl": json.dumps({"text": "The thyroid is small."}).encode()})),
        collection=collection,
    )
    assert job["report"]["new"] == 6
    assert any("guessed" in note for each in job["report"]["documents"] for note in each["notes"])
    found = client.get("/search", params={"q": "bladder", "collection": collection}).json()["passages"]
    assert all("steal" not in each["text"] for each in found)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("scan.pdf", pdf([[]], picture=True), "scan without text"),
        ("locked.pdf", pdf([[LIVER]], encrypted=True), "password"),
        ("broken.pdf", pdf([[LIVER]])[:100], "broken"),
        ("bomb.zip", zipped({"bomb.txt": b"\0" * 70_000_000}), "200 times"),
        ("escape.zip", zipped({"../escape.txt": b"out"}), "outside its own folder"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "picture"),
    ],
)
def test_a_document_that_cannot_be_read_fails_with_its_reason(client, collection, server, name, content, told):
    job = add(client, (name, content), collection=collection)
    assert job["state"] == "failed"
    assert told in job["error"]
    assert (job["report"]["failed"], job["report"]["new"]) == (1, 0)
    assert str(server.data) not in json.dumps(job)
    assert left_behind(server) == []


def test_two_uploads_of_the_same_file_at_once_store_it_once(client, collection, server):
    content = " ".join(f"Sentence number {n} tells of organ {n} and its volume." for n in range(300)).encode()
    jobs = []

    def upload():
        with server.client() as mine:
            jobs.append(begin(mine, ("organs.txt", content), collection=collection).json()["job_id"])

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    outcomes = sorted(ended(client, each)["report"]["documents"][0]["outcome"] for each in jobs)
    assert outcomes == ["new", "unchanged"]
    assert len(listed(client, collection)) == 1


def test_an_ingest_is_stopped_within_a_moment_and_can_be_run_again(client, collection, server):
    long = " ".join(f"Sentence number {n} tells of organ {n} and its volume in adults." for n in range(20_000)).encode()
    job_id = begin(client, ("organs.txt", long), collection=collection).json()["job_id"]
    wait_until(lambda: client.get(f"/documents/jobs/{job_id}").json()["progress"]["passages_done"] > 0)
    assert client.delete(f"/documents/jobs/{job_id}").status_code == 200
    job = ended(client, job_id)
    assert (job["state"], job["report"]["stopped"], job["report"]["documents"]) == ("cancelled", True, [])
    assert listed(client, collection) == []
    assert left_behind(server) == []


def test_collections_are_made_described_and_deleted(client):
    made = client.post("/collections", json={"name": "guidelines", "description": "What to follow."})
    assert made.status_code == 201
    known = ("name", "description", "documents", "passages", "embedder", "dimension", "needs_reindex", "shared")
    row = next(each for each in client.get("/collections").json() if each["name"] == "guidelines")
    assert set(known) <= set(row)
    assert row == made.json() == client.get("/collections/guidelines").json()
    add(client, ("liver.txt", LIVER.encode()), collection="guidelines")
    assert client.delete("/collections/guidelines").json() == {"deleted_passages": 1}
    assert_problem(client.get("/documents", params={"collection": "guidelines"}), 404)
    assert_problem(client.delete("/collections/guidelines"), 404)


def test_a_new_collection_is_made_by_what_is_added_to_it(client):
    add(client, ("liver.txt", LIVER.encode()), collection="made_on_the_way")
    assert [each["title"] for each in listed(client, "made_on_the_way")] == ["liver"]
    client.delete("/collections/made_on_the_way")


@pytest.mark.parametrize("name", ["has space", "1st", "_first", "../up", 'a" or "b', "x" * 65])
def test_a_name_that_no_collection_may_have_is_refused(client, server, name):
    assert_problem(client.post("/collections", json={"name": name}), 422, "name")
    assert_problem(begin(client, ("liver.txt", LIVER.encode()), collection=name), 422, "name")
    assert left_behind(server) == []


def test_a_collection_of_a_name_that_is_taken_is_refused(client, collection):
    assert_problem(client.post("/collections", json={"name": collection}), 409, collection)


def test_a_collection_is_indexed_again_and_keeps_everything(client, collection):
    add(client, ("liver.txt", LIVER.encode()), ("spleen.txt", SPLEEN.encode()), collection=collection)
    before = listed(client, collection)
    accepted = client.post(f"/collections/{collection}/reindex")
    assert accepted.status_code == 202
    job = ended(client, accepted.json()["job_id"])
    assert (job["state"], job["kind"], job["report"]) == ("done", "reindex", None)
    assert listed(client, collection) == before
    assert_problem(client.post("/collections/nothing/reindex"), 404)


def test_a_form_without_a_file_or_no_form_is_refused(client, server):
    assert_problem(client.post("/documents", data={"collection": "papers"}), 422, "form")
    assert_problem(client.post("/documents", files={"other": ("a.txt", b"x")}), 422, "file")
    assert_problem(client.post("/documents", json={"text": "x"}), 422, "multipart")
    assert left_behind(server) == []


def test_jobs_of_other_kinds_and_unknown_ones_are_not_found(client):
    assert_problem(client.get("/documents/jobs/nothing"), 404)
    assert_problem(client.delete("/documents/jobs/nothing"), 404)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A workbench that others may reach: with a key, so that a visit is its own."""
    with in_thread(tmp_path_factory.mktemp("strangers") / "data", api_key="the-key") as running:
        yield running


@pytest.fixture(scope="module")
def visits(strangers):
    """Two visits and who holds the key."""
    with strangers.client() as anna, strangers.client() as ben, strangers.client(Authorization="Bearer the-key") as key:
        from workbench.usecases.access import VISIT_COOKIE

        for each in (anna, ben):
            each.cookies.set(VISIT_COOKIE, strangers.workbench.access.new_visit())
        yield anna, ben, key


def test_what_a_visit_adds_is_its_own(visits):
    anna, ben, key = visits
    row = add(anna, ("mine.txt", LIVER.encode()), collection="papers")
    document_id = row["report"]["documents"][0]["document_id"]
    (mine,) = listed(anna, "papers")
    assert not mine["shared"]
    assert listed(ben, "papers") == []
    assert_problem(ben.delete(f"/documents/{document_id}"), 404)
    counted = {each["name"]: each["documents"] for each in ben.get("/collections").json()}
    assert counted["papers"] == 0
    passage = anna.get("/search", params={"q": "largest solid organ", "collection": "papers"}).json()["passages"][0]
    assert anna.get(f"/passages/{passage['passage_id']}").status_code == 200
    assert_problem(ben.get(f"/passages/{passage['passage_id']}"), 404)
    assert [each["id"] for each in listed(key, "papers")] == [document_id]
    assert key.delete(f"/documents/{document_id}").json() == {"deleted_passages": 1}
    assert listed(anna, "papers") == []


def test_what_the_key_adds_everybody_reads_and_no_visit_deletes(visits):
    anna, ben, key = visits
    document_id = add(key, ("all.txt", SPLEEN.encode()), collection="papers")["report"]["documents"][0]["document_id"]
    assert [each["id"] for each in listed(ben, "papers")] == [document_id]
    assert_problem(anna.delete(f"/documents/{document_id}"), 403, "everybody")
    assert_problem(anna.delete("/collections/papers"), 403)
    assert_problem(anna.post("/collections/papers/reindex"), 403)
    assert key.delete(f"/documents/{document_id}").status_code == 200


def test_a_job_is_seen_by_who_began_it(visits):
    anna, ben, _ = visits
    job_id = begin(anna, ("mine.txt", LIVER.encode()), collection="papers").json()["job_id"]
    assert_problem(ben.get(f"/documents/jobs/{job_id}"), 404)
    assert_problem(ben.delete(f"/documents/jobs/{job_id}"), 404)
    assert ended(anna, job_id)["state"] == "done"


def test_an_upload_over_the_limit_is_refused_and_nothing_of_it_stays(tmp_path):
    with in_thread(tmp_path / "data", max_upload_mb=1) as small, small.client() as client:
        answer = begin(client, ("long.txt", b"The liver. " * 95_000), collection="papers")
        assert_problem(answer, 413, "MB")
        assert left_behind(small) == []
