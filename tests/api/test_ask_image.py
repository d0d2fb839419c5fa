"""Questions about pictures over REST, in mock mode: every way to give a picture, streams, experts, exports."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.test_chat import events_of
from tests.serving import Server, assert_problem, in_thread, write_ct

ROUTE = "/nim/vilam3/analyze"
PROMISED = {
    *("answer", "model", "is_mock", "fallback_reason", "confidence", "image", "inference_time_ms", "provenance"),
    *("finish", "prompt", "sent_as", "trigger", "offer", "can_run", "expert", "notices", "warnings", "case_id"),
}
IMAGE_KEYS = {"sha256", "plane", "slice", "window", "picture_id", "url", "width_px", "height_px"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("ask")
    write_ct(home / "inputs/body.nii.gz")
    png(home / "inputs/xray.png")
    with in_thread(home / "data", input_dirs=str(home / "inputs")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


@pytest.fixture(scope="module")
def case_id(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small trunk, segmented by the mock."""
    path = write_ct(tmp_path_factory.mktemp("ct") / "ct.nii.gz")
    with server.client() as client, path.open("rb") as file:
        answer = client.post("/nim/vista3d/segment", files={"file": ("Müller^Anna.nii.gz", file)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["case_id"])


def png(path: Any = None) -> bytes:
    """A grey picture of 60 x 40 pixels with a bright corner."""
    pixels = np.full((40, 60), 90, np.uint8)
    pixels[:8, :8] = 250
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.getvalue())
    return made.getvalue()


def asked(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(ROUTE, json={"question": "Which structures are visible?", **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_answer_has_every_key_promised_says_that_a_mock_gave_it_and_no_confidence(client, case_id):
    told = asked(client, case_id=case_id)

    assert set(told) >= PROMISED
    assert set(told["image"]) >= IMAGE_KEYS
    assert told["confidence"] is None
    assert (told["is_mock"], told["model"]) == (True, "mock VILA-M3")
    assert told["answer"]
    assert told["case_id"] == case_id
    assert told["sent_as"] == "not sent"
    assert told["prompt"] == ""
    assert told["inference_time_ms"] > 0


def test_an_answer_is_pinned_to_the_bytes_that_the_shelf_gives(client, case_id):
    image = asked(client, case_id=case_id, plane="coronal", slice=20, window="lung")["image"]

    got = client.get(f"/{image['url']}")
    assert hashlib.sha256(got.content).hexdigest() == image["sha256"]
    with Image.open(io.BytesIO(got.content)) as shown:
        assert shown.size == (image["width_px"], image["height_px"])
    assert (image["plane"], image["slice"], image["overlay"]) == ("coronal", 20, False)
    assert image["window"] == {"name": "lung", "center": -600, "width": 1500}


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (None, {"name": "soft tissue", "center": 50, "width": 400}),
        ("50,400", {"name": "soft tissue", "center": 50, "width": 400}),
        ({"center": 12, "width": 34}, {"name": None, "center": 12, "width": 34}),
    ],
)
def test_a_window_comes_by_name_as_two_numbers_or_as_an_object(client, case_id, window, told):
    assert asked(client, case_id=case_id, window=window)["image"]["window"] == told


def test_a_picture_made_before_is_asked_about_again_and_again(client):
    made = client.post("/pictures", files={"file": ("JONES^ADA.png", png())}).json()

    first = asked(client, picture_id=made["id"])
    talk = [{"role": "user", "text": first["question"]}, {"role": "assistant", "text": first["answer"]}]
    second = asked(client, question="How large is the picture?", picture_id=made["id"], history=talk)

    assert first["image"]["sha256"] == second["image"]["sha256"] == made["sha256"]
    assert (first["image"]["plane"], first["image"]["window"], first["case_id"]) == (None, None, None)
    assert "JONES" not in json.dumps([first, second])


@pytest.mark.parametrize(("path", "kind"), [("xray.png", "upload"), ("body.nii.gz", "view")])
def test_a_path_in_the_input_folders_may_be_a_picture_or_a_ct(client, path, kind):
    assert asked(client, input_path=path)["image"]["kind"] == kind


def test_a_form_takes_a_picture_or_a_ct_with_the_same_fields(client, tmp_path):
    fields = {"question": "What is this?", "modality": "CXR", "sampling": '{"max_tokens": 64}', "history": "[]"}
    told = client.post(ROUTE, data=fields, files={"file": ("x.png", png())}).json()
    assert (told["image"]["kind"], told["provenance"]["parameters"]["max_tokens"]) == ("upload", 64)

    with write_ct(tmp_path / "ct.nii.gz").open("rb") as file:
        answer = client.post(
            ROUTE,
            data={
                "question": "What is this?",
                "plane": "sagittal",
                "slice": "30",
                "window": '{"center": 1, "width": 2}',
            },
            files={"file": ("ct.nii.gz", file)},
        )
    assert answer.status_code == 200, answer.text
    image = answer.json()["image"]
    assert (image["plane"], image["slice"], image["window"]["width"]) == ("sagittal", 30, 2)


def test_a_form_streams_where_it_says_so(client):
    answer = client.post(ROUTE, data={"question": "What?", "stream": "true"}, files={"file": ("x.png", png())})

    assert events_of(answer)[-1][0] == "done"


def test_a_stream_begins_with_who_answers_and_ends_with_the_whole_answer(client, case_id):
    answer = client.post(ROUTE, json={"question": "Which structures are visible?", "case_id": case_id, "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    names = [name for name, _ in events]
    assert names[0] == "begun"
    assert events[0][1]["is_mock"] is True
    assert {"model", "fallback_reason", "prompt", "sent_as", "provenance"} <= set(events[0][1])
    assert set(names[1:-1]) == {"token"}
    assert len(names) > 4, "it comes in pieces"
    done = events[-1][1]
    assert names[-1] == "done"
    assert "".join(data["text"] for name, data in events if name == "token") == done["answer"]
    assert asked(client, case_id=case_id)["answer"] == done["answer"]


@pytest.mark.parametrize(
    ("body", "status", "tells"),
    [
        ({"question": ""}, 422, "empty"),
        ({"question": "   "}, 422, "empty"),
        ({"question": "x" * 4_001}, 422, "4,000"),
        ({"question": "x" * 5_000}, 422, "4,000"),
        ({}, 422, "question"),
        ({"question": "What?", "picture_id": "nobodys1"}, 404, "no such picture"),
        ({"question": "What?", "case_id": "nobodys1"}, 404, "no such case"),
        ({"question": "What?", "input_path": "/etc/passwd"}, 403, "input"),
        ({"question": "What?", "input_path": "a", "case_id": "b"}, 422, "several pictures"),
        ({"question": "What?", "window": "rainbow"}, 422, "window"),
        ({"question": "What?", "window": {"center": 1, "width": 0}}, 422, "width"),
        ({"question": "What?", "modality": "ultrasound"}, 422, "modality"),
        ({"question": "What?", "history": [{"role": "system", "text": "x"}]}, 422, "history"),
        ({"question": "What?", "sampling": {"temperature": 9}}, 422, "temperature"),
        ({"question": "What?", "sampling": {"max_tokens": 1}}, 422, "max_tokens"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_asked_is_told_in_a_problem(client, body, status, tells, stream):
    answer = client.post(ROUTE, json={**body, "stream": stream})

    assert_problem(answer, status, tells)
    assert "x" * 100 not in answer.text


def test_a_slice_or_plane_that_is_not_there_is_told(client, case_id):
    assert_problem(client.post(ROUTE, json={"question": "?", "case_id": case_id, "slice": 999}), 422, "slices")
    assert_problem(client.post(ROUTE, json={"question": "?", "case_id": case_id, "plane": "oblique"}), 422, "plane")


@pytest.mark.parametrize(
    ("fields", "files", "status", "tells"),
    [
        ({"question": ""}, {"file": ("x.png", png())}, 422, "empty"),
        ({}, {"file": ("x.png", png())}, 422, "empty"),
        ({"question": "What?"}, {"other": ("x.png", png())}, 422, "no file"),
        ({"question": "What?", "history": "no JSON"}, {"file": ("x.png", png())}, 422, "history"),
        ({"question": "What?", "slice": "two"}, {"file": ("x.png", png())}, 422, "slice"),
        ({"question": "What?", "picture_id": "x"}, {"file": ("x.png", png())}, 422, "several pictures"),
        ({"question": "What?"}, {"file": ("x.png", b"")}, 400, "empty"),
        ({"question": "What?"}, {"file": ("x.txt", b"not a picture at all")}, 415, "plain text"),
    ],
)
def test_a_form_that_does_not_fit_is_told_and_leaves_nothing_behind(client, server, fields, files, status, tells):
    cases = server.case_ids()

    assert_problem(client.post(ROUTE, data=fields, files=files), status, tells)

    assert server.left_behind() == []
    assert server.case_ids() == cases


def test_each_visit_asks_only_about_its_own_pictures(client, server):
    made = client.post("/pictures", files={"file": ("x.png", png())}).json()
    assert server.workbench is not None
    with server.client() as other:
        other.cookies.set("workbench_visit", server.workbench.access.new_visit())
        assert_problem(other.post(ROUTE, json={"question": "What?", "picture_id": made["id"]}), 404)
        assert_problem(
            other.post(
                "/nim/vilam3/expert", json={"question": "?", "picture_id": made["id"], "argument": "everything"}
            ),
            404,
        )


def expert(client: httpx.Client, picture_id: str, argument: str = "everything", **more: Any) -> httpx.Response:
    body = {"question": "Which organs are visible?", "picture_id": picture_id, "argument": argument, **more}
    return client.post("/nim/vilam3/expert", json=body)


def test_an_expert_is_run_on_a_yes_and_its_coloured_slice_is_kept(client, case_id):
    before = client.get(f"/cases/{case_id}").json()["segmentation"]
    picture = client.post("/pictures", json={"case_id": case_id}).json()

    answer = expert(client, picture["id"])

    assert answer.status_code == 200, answer.text
    told = answer.json()
    row = told["expert"]
    assert (row["expert"], row["argument"], row["is_mock"]) == ("VISTA3D", "everything", True)
    assert row["legend"].startswith("red: ")
    assert row["picture"]["kind"] == "expert"
    assert row["picture"]["mark"] == "MOCK"
    got = client.get(f"/{row['picture']['url']}")
    assert hashlib.sha256(got.content).hexdigest() == row["picture"]["sha256"]
    assert told["image"]["sha256"] == picture["sha256"]
    assert client.get(f"/cases/{case_id}").json()["segmentation"] == before, "the case's own mask is as it was"


def test_an_expert_tells_how_far_it_is(client, case_id):
    picture = client.post("/pictures", json={"case_id": case_id}).json()

    events = events_of(expert(client, picture["id"], stream=True))

    names = [name for name, _ in events]
    assert names[0] == "working"
    assert events[0][1]["stage"]
    assert names[names.index("expert") :][:2] == ["expert", "begun"]
    assert names[-1] == "done"
    assert dict(events)["expert"] == dict(events)["done"]["expert"]


@pytest.mark.parametrize(("argument", "status"), [("the moon", 422), ("liver", 422)])
def test_only_what_the_model_may_call_for_is_run(client, case_id, argument, status):
    picture = client.post("/pictures", json={"case_id": case_id}).json()

    assert_problem(expert(client, picture["id"], argument), status, "hepatic tumor")


def test_a_lone_picture_has_no_volume_to_segment(client):
    picture = client.post("/pictures", files={"file": ("x.png", png())}).json()

    assert_problem(expert(client, picture["id"]), 409, "No volume")


@pytest.fixture(scope="module")
def talk(server: Server, case_id: str) -> list[dict[str, Any]]:
    """A question about a slice, and the answer after an expert."""
    with server.client() as client:
        first = asked(client, question="<b>Which organs</b> are visible?", case_id=case_id)
        second = expert(client, first["image"]["picture_id"]).json()
    return [{"question": each["question"], "answer": each} for each in (first, second)]


def export(client: httpx.Client, talk: list[dict[str, Any]], form: str) -> httpx.Response:
    answer = client.post("/nim/vilam3/export", json={"format": form, "exchanges": talk})
    assert answer.status_code == 200, answer.text
    assert f'filename="image-talk.{form}"' in answer.headers["content-disposition"]
    return answer


def test_a_page_taken_away_holds_the_very_pictures_and_says_mock(client, talk):
    page = export(client, talk, "html").text

    found = [base64.b64decode(each) for each in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)]
    digests = {hashlib.sha256(each).hexdigest() for each in found}
    image, marked = talk[0]["answer"]["image"], talk[1]["answer"]["expert"]["picture"]
    assert digests == {image["sha256"], marked["sha256"]}
    assert "(MOCK)" in page
    assert "&lt;b&gt;Which organs" in page
    assert "<b>" not in page
    assert "Research use" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page), "it fetches nothing"


def test_markdown_and_json_name_the_pictures_by_their_digests(client, talk):
    text = export(client, talk, "md").text
    image = talk[0]["answer"]["image"]
    assert image["sha256"] in text
    assert talk[1]["answer"]["expert"]["legend"] in text

    content = json.loads(export(client, talk, "json").text)
    assert [each["question"] for each in content["exchanges"]] == [each["question"] for each in talk]
    assert content["exchanges"][0]["answer"]["image"]["sha256"] == image["sha256"]


def test_a_talk_is_taken_away_without_pictures_that_are_gone(client, talk):
    picture = client.post("/pictures", files={"file": ("x.png", png())}).json()
    answer = asked(client, picture_id=picture["id"])
    client.delete(f"/pictures/{picture['id']}")

    page = export(client, [{"question": "?", "answer": answer}], "html").text

    assert "no longer kept" in page
    assert picture["sha256"] in page
    assert "<img" not in page


def test_the_routes_are_described(client):
    described = client.get("/openapi.json").json()
    operation = described["paths"][ROUTE]["post"]
    content = operation["requestBody"]["content"]
    assert {"question", "picture_id", "case_id", "input_path", "plane", "slice", "window", "history", "stream"} <= set(
        content["application/json"]["schema"]["properties"]
    )
    assert "file" in content["multipart/form-data"]["schema"]["properties"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(described["components"]["schemas"][answer["$ref"].rpartition("/")[2]]["properties"]) >= PROMISED
    assert {"/nim/vilam3/expert", "/nim/vilam3/export"} <= set(described["paths"])


def test_nothing_that_is_kept_or_told_holds_the_question(client, server, case_id):
    asked(client, question="Is the zebra fish visible?", case_id=case_id)

    metrics = client.get("/metrics").text
    log = (server.data / "records" / "runs.jsonl").read_text()
    assert '"service":"vila_m3"' in log
    assert 'service="vila_m3"' in metrics
    for text in (log, metrics):
        assert "zebra" not in text
