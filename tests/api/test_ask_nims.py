"""Questions about pictures over REST while vision models by their contract answer, break off, refuse or are away."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.test_chat import events_of
from tests.contract_server import ReferenceVila, VisionNim, Vista3dNim
from tests.data import real
from tests.serving import Server, assert_problem, in_thread, wait_until, write_ct
from workbench.usecases.access import VISIT_COOKIE

ROUTE, EXPERT = "/nim/vilam3/analyze", "/nim/vilam3/expert"
QUESTION = "Which organs are visible?"
KEY = "nvapi-a-key-that-nobody-may-see"
SAID = "The liver is on this slice, and nothing else of note can be told from it."


@pytest.fixture(scope="module")
def vision_and_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VisionNim, Server]]:
    """An own vision model beside an own VISTA-3D."""
    with VisionNim() as vision, Vista3dNim() as vista:
        urls = {"nim_vilam3_url": vision.url, "nim_vista3d_url": vista.url}
        with in_thread(tmp_path_factory.mktemp("own") / "data", nim_mode="local", **urls) as running:
            yield vision, running


@pytest.fixture
def vision(vision_and_server: tuple[VisionNim, Server]) -> VisionNim:
    vision_and_server[0].switch()
    return vision_and_server[0]


@pytest.fixture
def server(vision_and_server: tuple[VisionNim, Server]) -> Server:
    return vision_and_server[1]


@pytest.fixture
def client(server: Server, vision: VisionNim) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


@pytest.fixture(scope="module")
def case_id(vision_and_server: tuple[VisionNim, Server], tmp_path_factory: pytest.TempPathFactory) -> str:
    """An open CT of a patient with a name."""
    with vision_and_server[1].client() as client:
        return opened(client, tmp_path_factory.mktemp("ct") / "ct.nii.gz")


def opened(client: httpx.Client, path: Any) -> str:
    with write_ct(path).open("rb") as file:
        told = client.post("/cases", files={"file": ("JONES^ADA.nii.gz", file)}).json()
    wait_until(lambda: client.get(f"/jobs/{told['job_id']}").json()["state"] != "running")
    return str(told["case_id"])


def noise(side: int = 1120) -> bytes:
    """A picture that no JPEG of the usual quality makes small."""
    made = io.BytesIO()
    Image.fromarray(np.random.default_rng(6).integers(0, 256, (side, side), np.uint8)).save(made, "PNG")
    return made.getvalue()


def kept(client: httpx.Client, content: bytes = b"") -> dict[str, Any]:
    """An uploaded picture."""
    answer = client.post("/pictures", files={"file": ("JONES^ADA.png", content or noise(64))})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def asked(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(ROUTE, json={"question": QUESTION, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def streamed(client: httpx.Client, path: str = ROUTE, **body: Any) -> list[tuple[str, dict[str, Any]]]:
    return events_of(client.post(path, json={"question": QUESTION, "stream": True, **body}))


def pictures_in(chat: dict[str, Any]) -> int:
    return json.dumps(chat["messages"]).count('"type": "image_url"')


@pytest.mark.parametrize(
    "view", [{}, {"plane": "coronal", "slice": 12, "window": "lung"}, {"mosaic": True}], ids=["axial", "lung", "mosaic"]
)
def test_the_pixels_received_are_those_of_the_preview_byte_for_byte(client, vision, case_id, view):
    made = client.post("/pictures", json={"case_id": case_id, **view}).json()
    preview = client.get(f"/{made['url']}").content

    told = asked(client, picture_id=made["id"])

    assert vision.pictures[-1] == preview
    assert hashlib.sha256(preview).hexdigest() == told["image"]["sha256"] == made["sha256"]
    assert (told["model"], told["is_mock"], told["sent_as"]) == (vision.model, False, "inline")


def test_the_prompt_that_is_shown_is_the_one_that_was_sent(client, vision, case_id):
    events = streamed(client, case_id=case_id)

    assert dict(events)["begun"]["prompt"] == dict(events)["done"]["prompt"] == vision.words()
    assert QUESTION in vision.words()


def test_a_talk_has_one_picture_and_no_system_message_however_long_it_is(client, vision):
    picture, talk = kept(client), []
    for at in range(3):
        question = f"Question {at}?"
        told = asked(client, question=question, picture_id=picture["id"], history=talk)
        talk += [{"role": "user", "text": question}, {"role": "assistant", "text": told["answer"]}]
        chat = vision.chats()[-1]
        assert pictures_in(chat) == 1
        assert {each["role"] for each in chat["messages"]} <= {"user", "assistant"}
        assert len(chat["messages"]) == 2 * at + 1


def test_neither_a_name_nor_a_file_name_is_sent_kept_or_told(client, vision, server, case_id):
    told = [asked(client, case_id=case_id), asked(client, picture_id=kept(client)["id"])]

    sent = b"".join(each.body for each in vision.posts())
    for place in (sent, json.dumps(told).encode(), (server.data / "records/runs.jsonl").read_bytes()):
        assert b"JONES" not in place


def test_sampling_reaches_the_model(client, vision):
    asked(client, picture_id=kept(client)["id"], sampling={"temperature": 0.5, "top_p": 0.25, "max_tokens": 77})

    chat = vision.chats()[-1]
    assert (chat["temperature"], chat["top_p"], chat["max_tokens"]) == (0.5, 0.25, 77)


BROKEN = [
    # the fault, the words of the error, whether some of the answer was shown before
    ({"error": True, "text": SAID}, "CUDA out of memory", True),
    ({"drop": "closed", "text": SAID}, "broke before", True),
    ({"drop": "reset", "text": SAID}, "broke before", True),
    ({"broken_event": True, "text": SAID}, "no part of a chat", True),
    ({"html": True}, "sends a web page", False),
    ({"no_word": True}, "without a word", False),
    ({"chat": {"status": 422}}, "refused", False),
    ({"chat": {"status": 500}}, "status 500", False),
    ({"bad_picture": True}, "could not use the picture", False),
    ({"text_only": True}, "takes no pictures", False),
]


@pytest.mark.parametrize(("fault", "words", "begun"), BROKEN, ids=[str(each[0]) for each in BROKEN])
def test_each_fault_is_told_in_the_stream_and_the_words_so_far_are_kept(client, vision, fault, words, begun):
    picture = kept(client)
    vision.switch(**fault)

    events = streamed(client, picture_id=picture["id"])

    name, told = events[-1]
    assert name == "error"
    assert words in told["detail"]
    assert told["hint"]
    shown = "".join(content["text"] for name, content in events if name == "token")
    assert SAID.startswith(shown)
    assert bool(shown) == begun
    assert "done" not in dict(events)


@pytest.mark.parametrize(("fault", "words", "_"), BROKEN[:3], ids=[str(each[0]) for each in BROKEN[:3]])
def test_the_same_fault_is_a_problem_where_nothing_is_streamed(client, vision, fault, words, _):
    picture = kept(client)
    vision.switch(**fault)

    answer = client.post(ROUTE, json={"question": QUESTION, "picture_id": picture["id"]})

    assert_problem(answer, answer.status_code, words)
    assert answer.status_code in (502, 503)


def test_a_server_that_takes_no_pictures_is_told_with_the_setting_that_names_another(client, vision):
    picture = kept(client)
    vision.switch(text_only=True)

    answer = client.post(ROUTE, json={"question": QUESTION, "picture_id": picture["id"]})

    assert_problem(answer, 502, "takes no pictures", "IMAGING_NIM_VILAM3_MODEL")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"no_model": "flat"}, "does not serve"),
        ({"no_model": "nested"}, "does not serve"),
        ({"chat": {"status": 401}}, "refused access"),
        ({"drop": "reset", "after": 0}, "broke"),
    ],
    ids=str,
)
def test_only_a_model_that_cannot_be_used_is_stood_in_for_and_the_reason_is_told(client, vision, fault, why):
    picture = kept(client)
    vision.switch(**fault)

    told = asked(client, picture_id=picture["id"])

    assert told["is_mock"]
    assert why in told["fallback_reason"]
    assert told["model"] == "mock VILA-M3"
    assert told["sent_as"] == "not sent"


@pytest.mark.parametrize(("fault", "finish"), [({"cut": True}, "cut"), ({"length": True}, "length")], ids=str)
def test_an_answer_that_is_not_whole_says_so(client, vision, fault, finish):
    picture = kept(client)
    vision.switch(**fault)

    assert asked(client, picture_id=picture["id"])["finish"] == finish


@pytest.mark.parametrize("content", ["string", "list", "nested"])
def test_an_answer_that_comes_whole_though_a_stream_was_asked_for_is_taken(client, vision, content):
    picture = kept(client)
    vision.switch(whole=content, text=SAID)

    assert asked(client, picture_id=picture["id"])["answer"] == SAID


def test_a_client_that_goes_away_frees_the_model(client, vision):
    picture = kept(client)
    vision.left.clear()
    vision.switch(piece_s=0.2, text="It is grey. " * 400)

    body = {"question": QUESTION, "picture_id": picture["id"], "stream": True}
    with client.stream("POST", ROUTE, json=body) as answer:
        for line in answer.iter_lines():
            if line == "event: token":
                break

    assert vision.left.wait(30), "the model still had somebody to talk to"


def test_a_call_for_an_expert_is_offered_run_on_a_yes_and_answered_with_the_coloured_slice(client, vision, case_id):
    vision.switch(calls="hepatic tumor")
    picture = client.post("/pictures", json={"case_id": case_id, "slice": 8}).json()
    offered = asked(client, picture_id=picture["id"])
    assert offered["answer"] == "<VISTA3D(hepatic tumor)>"
    assert offered["trigger"] == {"expert": "VISTA3D", "argument": "hepatic tumor"}
    assert (offered["offer"], offered["can_run"]) == ("Segment hepatic tumor with VISTA-3D?", True)
    assert client.get(f"/cases/{case_id}").json()["segmentation"] is None, "nothing runs by itself"
    before = len(vision.pictures)

    events = streamed(client, EXPERT, picture_id=picture["id"], argument=offered["trigger"]["argument"])

    told, row = dict(events)["done"], dict(events)["expert"]
    assert "An expert's result came with it." in told["answer"]
    assert len(vision.pictures) == before + 1
    assert vision.pictures[-1] == client.get(f"/{row['picture']['url']}").content
    assert vision.pictures[-1] != client.get(f"/{picture['url']}").content
    assert pictures_in(vision.chats()[-1]) == 1
    sent = vision.words()
    assert f"The results are [picture]. The colors in this image describe {row['legend']}. " in sent
    assert "<VISTA3D(hepatic tumor)>" in sent
    assert sent.rstrip().endswith(QUESTION)
    assert told["prompt"] == sent
    assert (told["is_mock"], row["is_mock"]) == (False, False)
    assert client.get(f"/cases/{case_id}").json()["segmentation"] is None, "the case is as it was"


def test_an_expert_that_is_away_is_stood_in_for_and_the_whole_answer_is_a_mocks(
    vision, tmp_path_factory: pytest.TempPathFactory
):
    home = tmp_path_factory.mktemp("no-vista")
    with (
        in_thread(home / "data", nim_mode="local", nim_vilam3_url=vision.url, nim_vista3d_url="") as server,
        server.client() as client,
    ):
        case_id = opened(client, home / "ct.nii.gz")
        picture = client.post("/pictures", json={"case_id": case_id, "slice": 36}).json()
        told = client.post(
            EXPERT, json={"question": QUESTION, "picture_id": picture["id"], "argument": "everything"}
        ).json()

    assert told["expert"]["is_mock"]
    assert "IMAGING_NIM_VISTA3D_URL is empty" in told["expert"]["fallback_reason"]
    assert (told["is_mock"], told["model"]) == (True, vision.model)


def test_the_reference_server_is_asked_where_the_setting_says_so(tmp_path_factory: pytest.TempPathFactory):
    with ReferenceVila(text=SAID) as reference:
        settings = {"nim_mode": "local", "nim_vilam3_url": reference.url, "nim_vilam3_protocol": "reference"}
        with in_thread(tmp_path_factory.mktemp("reference") / "data", **settings) as server, server.client() as client:
            picture = kept(client)
            told = asked(client, picture_id=picture["id"])
            preview = client.get(f"/{picture['url']}").content

    assert told["answer"] == SAID
    assert (told["sent_as"], told["is_mock"]) == ("file", False)
    assert reference.questions[-1].picture == preview


@pytest.mark.parametrize(
    ("name", "kind"),
    [("images/cxr/nih_00000001_000.png", "upload"), ("dicom-tricky/nema-ct1_UNC.dcm", "upload")],
    ids=["X-ray", "CT slice"],
)
def test_a_real_picture_goes_through(client, vision, name, kind):
    with real(name).open("rb") as file:
        answer = client.post(ROUTE, data={"question": QUESTION}, files={"file": (name, file)})

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["image"]["kind"], told["model"]) == (kind, vision.model)
    assert hashlib.sha256(vision.pictures[-1]).hexdigest() == told["image"]["sha256"]
    assert max(told["image"]["width_px"], told["image"]["height_px"]) <= 1120


@pytest.fixture(scope="module")
def catalogue() -> Iterator[VisionNim]:
    with VisionNim(hosted=True) as running:
        yield running


def cloud_settings(catalogue: VisionNim) -> dict[str, Any]:
    return {
        "nim_mode": "cloud",
        "nim_cloud_url": catalogue.url,
        "nim_cloud_functions_url": catalogue.functions_url,
        "nvidia_api_key": KEY,
    }


@pytest.fixture(scope="module")
def cloud(catalogue: VisionNim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Cloud mode, with the catalogue on this machine."""
    with in_thread(tmp_path_factory.mktemp("cloud") / "data", **cloud_settings(catalogue)) as running:
        yield running


@pytest.fixture(scope="module")
def strict(catalogue: VisionNim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same where no mock may stand in."""
    settings = {**cloud_settings(catalogue), "nim_allow_mock_fallback": False}
    with in_thread(tmp_path_factory.mktemp("strict") / "data", **settings) as running:
        yield running


@pytest.fixture
def hosted(catalogue: VisionNim, cloud: Server) -> Iterator[httpx.Client]:
    """A script that asks in cloud mode."""
    catalogue.switch()
    with cloud.client() as made:
        yield made


def visit(server: Server) -> httpx.Client:
    assert server.workbench is not None
    client = server.client()
    client.cookies.set(VISIT_COOKIE, server.workbench.access.new_visit())
    return client


def test_a_script_consents_by_running_in_cloud_mode(hosted, catalogue):
    told = asked(hosted, picture_id=kept(hosted)["id"])

    assert (told["provenance"]["origin"], told["sent_as"], told["is_mock"]) == ("cloud", "inline", False)
    assert catalogue.posts()[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_visit_is_asked_before_the_picture_is_sent_and_once(catalogue, cloud):
    catalogue.switch()
    with visit(cloud) as page:
        picture = kept(page)
        body = {"question": QUESTION, "picture_id": picture["id"]}
        before = len(catalogue.posts())
        for stream in (False, True):
            refused = assert_problem(page.post(ROUTE, json={**body, "stream": stream}), 409, "outside this machine")
            assert refused["type"] == "/problems/consent-needed"
            assert refused["consent"]["what"] == "image"
            assert catalogue.url in refused["consent"]["where"]
        assert len(catalogue.posts()) == before

        assert page.post("/consent", json={"what": "image", "granted": True}).status_code == 204
        assert asked(page, picture_id=picture["id"])["provenance"]["origin"] == "cloud"
        assert asked(page, picture_id=picture["id"])["provenance"]["origin"] == "cloud"


def test_consent_to_text_is_no_consent_to_pictures_and_one_visits_is_no_others(catalogue, cloud):
    catalogue.switch()
    with visit(cloud) as one, visit(cloud) as other:
        one.post("/consent", json={"what": "text", "granted": True})
        picture = kept(one)
        assert_problem(one.post(ROUTE, json={"question": QUESTION, "picture_id": picture["id"]}), 409)
        one.post("/consent", json={"what": "image", "granted": True})
        others = kept(other)
        assert_problem(other.post(ROUTE, json={"question": QUESTION, "picture_id": others["id"]}), 409)


def test_declined_a_mock_answers_with_the_reason_and_nothing_is_sent(catalogue, cloud):
    catalogue.switch()
    with visit(cloud) as page:
        before = len(catalogue.posts())
        page.post("/consent", json={"what": "image", "granted": False})
        told = asked(page, picture_id=kept(page)["id"])

    assert told["is_mock"]
    assert "declined" in told["fallback_reason"]
    assert told["sent_as"] == "not sent"
    assert len(catalogue.posts()) == before


def test_declined_where_no_mock_may_stand_in_is_an_error(catalogue, strict):
    catalogue.switch()
    with visit(strict) as page:
        before = len(catalogue.posts())
        page.post("/consent", json={"what": "image", "granted": False})
        answer = page.post(ROUTE, json={"question": QUESTION, "picture_id": kept(page)["id"]})
        assert_problem(answer, 503, "declined")
        assert len(catalogue.posts()) == before


def test_a_picture_over_the_inline_limit_travels_as_an_asset_that_is_deleted(hosted, catalogue):
    picture = kept(hosted, noise())
    assert picture["sent_as"] == "asset"
    made = catalogue.cloud.made

    told = asked(hosted, picture_id=picture["id"])

    assert told["sent_as"] == "asset"
    assert catalogue.cloud.made == made + 1
    assert catalogue.pictures[-1] == hosted.get(f"/{picture['url']}").content
    wait_until(lambda: not catalogue.cloud.assets)


@pytest.mark.parametrize(
    "fault", [{"error": True}, {"chat": {"status": 500}}, {"no_upload": 503}, {"drop": "reset"}], ids=str
)
def test_an_asset_is_deleted_however_the_answer_ends(hosted, catalogue, fault):
    picture = kept(hosted, noise())
    catalogue.switch(**fault)

    hosted.post(ROUTE, json={"question": QUESTION, "picture_id": picture["id"]})

    wait_until(lambda: not catalogue.cloud.assets)


def test_an_answer_that_is_promised_for_later_is_waited_for(hosted, catalogue):
    picture = kept(hosted)
    catalogue.switch(later=2, text=SAID)

    assert asked(hosted, picture_id=picture["id"])["answer"] == SAID


def test_an_answer_that_lies_elsewhere_is_fetched_without_the_key(hosted, catalogue):
    picture = kept(hosted)
    catalogue.switch(moved=True, text=SAID)

    assert asked(hosted, picture_id=picture["id"])["answer"] == SAID
    assert "authorization" not in catalogue.received[-1].headers


def gone(model: str) -> dict[str, Any]:
    detail = f"The model '{model}' has reached its end of life on 2026-08-26T00:00:00Z and is no longer available."
    return {"type": "about:blank", "title": "Gone", "status": 410, "detail": detail}


REFUSED = [
    (
        {"chat": {"status": 410, "body": gone("meta/llama-3.2-11b-vision-instruct")}},
        "410",
        "IMAGING_NIM_CLOUD_VLM_MODEL",
    ),
    ({"chat": {"status": 403, "body": {"title": "Forbidden", "detail": "Authorization failed"}}}, "403", "KEY"),
    ({"chat": {"status": 402, "body": {"detail": "no credit"}}}, "402", ""),
    ({"no_model": "account"}, "does not open", ""),
    ({"no_model": "text"}, "404", "IMAGING_NIM_CLOUD_VLM_MODEL"),
    ({"chat": {"status": 429, "headers": {"Retry-After": "0"}}}, "429", ""),
]


@pytest.mark.parametrize(("fault", "why", "cure"), REFUSED, ids=[each[1] for each in REFUSED])
def test_what_the_catalogue_refuses_has_its_cause_and_cure_and_where_allowed_a_mock(
    catalogue, cloud, strict, fault, why, cure
):
    with strict.client() as client:
        catalogue.switch()
        picture = kept(client)
        catalogue.switch(**fault)
        answer = client.post(ROUTE, json={"question": QUESTION, "picture_id": picture["id"]})
        told = assert_problem(answer, 503, cure)
        assert told["hint"]
    with cloud.client() as client:
        catalogue.switch(**fault)
        mock = asked(client, picture_id=kept(client)["id"])
        assert mock["is_mock"]
        assert mock["fallback_reason"] == told["detail"]
    assert why in told["detail"]
    for secret in ("acc0unt", "abcdEFGH12345678", "1b4e28ba", KEY):
        assert secret not in answer.text


def test_a_busy_catalogue_is_asked_again_after_the_time_it_names(hosted, catalogue):
    picture = kept(hosted)
    before = len(catalogue.chats())
    catalogue.switch(chat={"status": 429, "headers": {"Retry-After": "0"}})

    asked(hosted, picture_id=picture["id"])

    assert len(catalogue.chats()) == before + 2


def test_nothing_that_is_kept_or_told_holds_the_question_the_pixels_or_the_key(hosted, cloud):
    asked(hosted, question="Is the zebra fish visible?", picture_id=kept(hosted)["id"])

    metrics = hosted.get("/metrics").text
    log = (cloud.data / "records" / "runs.jsonl").read_text()
    assert '"service":"vila_m3"' in log
    for secret in ("zebra", "JONES", KEY, "base64"):
        assert secret not in log
        assert secret not in metrics
