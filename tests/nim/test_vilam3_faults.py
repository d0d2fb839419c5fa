"""Every fault of the vision contract: which error, in which words, with which cure, and whether a mock stands in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract_server import VisionNim
from tests.contract_server.cloud_functions import ACCOUNT
from tests.contract_server.vilam3 import HOSTED_MODEL
from tests.nim.made import CLOCK
from tests.nim.made_chat import told
from tests.nim.made_image import (
    FAST,
    KEY,
    QUESTION,
    a_large_picture,
    a_picture,
    a_vilam3,
    an_image_request,
)
from tests.serving import wait_until
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.image_dialogue import ImageRequest, ImageStream
from workbench.nim.cloud_functions import FunctionTimeouts
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.vilam3 import Vilam3
from workbench.nim.vilam3_stand_in import Vilam3StandIn
from workbench.nim.with_stand_in import WithStandIn

Fault = tuple[dict[str, Any], type[NimError], str, str]
OWN_MODEL_SETTING = "IMAGING_NIM_VILAM3_MODEL"
HOSTED_MODEL_SETTING = "IMAGING_NIM_CLOUD_VLM_MODEL"


def chat(status: int, body: Any = "", **headers: str) -> dict[str, Any]:
    return {"chat": {"status": status, "body": body, "headers": headers}}


def message(text: str) -> dict[str, Any]:
    return {"object": "error", "message": text, "type": "BadRequestError", "code": 400}


RETIRED = f"The model '{HOSTED_MODEL}' has reached its end of life on 2026-08-26T09:00:00Z and is no longer available."
GONE = {"type": "about:blank", "title": "Gone", "status": 410, "detail": RETIRED}

OWN: list[Fault] = [
    ({"no_model": "flat"}, NimUnavailable, "VILA-M3 does not serve MONAI/.*404.*does not exist", OWN_MODEL_SETTING),
    ({"no_model": "nested"}, NimUnavailable, "does not serve MONAI/", OWN_MODEL_SETTING),
    ({"no_model": "text"}, NimUnavailable, "neither the route nor", "IMAGING_NIM_VILAM3_URL"),
    (chat(410, {"title": "Gone", "detail": "gone"}), NimUnavailable, "has retired MONAI/.*410", OWN_MODEL_SETTING),
    (chat(401, {"title": "Unauthorized"}), NimUnavailable, "refused access.*401", "gateway"),
    (chat(429, {"title": "Too Many"}, **{"Retry-After": "60"}), NimUnavailable, "more requests than.*429", "minute"),
    (chat(502, "<html>Bad Gateway</html>"), NimUnavailable, "cannot answer now.*502", "log"),
    (chat(503, {"detail": "loading"}, **{"Retry-After": "60"}), NimUnavailable, "now.*503.*loading", "wait"),
    (chat(504), NimUnavailable, "cannot answer now.*504", "gateway"),
    ({"drop": "closed", "after": 0}, NimUnavailable, "connection to VILA-M3 broke", "docker logs"),
    ({"drop": "reset", "after": 0}, NimUnavailable, "connection to VILA-M3 broke", "docker logs"),
    ({"cut": True, "no_word": True}, NimUnavailable, "broke off before the first word", "docker logs"),
    ({"stall": 60, "after": 0}, NimUnavailable, "nothing came for 1 s", "docker logs"),
    ({"text_only": True}, NimRejected, "VILA-M3 takes no pictures.*not a multimodal", OWN_MODEL_SETTING),
    (chat(400, message("At most 0 image(s) may be provided")), NimRejected, "takes no pictures", OWN_MODEL_SETTING),
    (chat(500, {"error": message("image input is not supported")}), NimRejected, "takes no pict", OWN_MODEL_SETTING),
    (
        chat(422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]}),
        NimRejected,
        "takes no pictures.*422",
        OWN_MODEL_SETTING,
    ),
    ({"bad_picture": True}, NimRejected, "could not use the picture.*500.*cannot identify", "another picture"),
    (chat(400, message("Failed to load image: bad base64")), NimRejected, "could not use the picture.*400", "picture"),
    (chat(413, "<html>Request Entity Too Large</html>"), NimRejected, "no request as large.*413", "gateway"),
    (
        {"overflow": "flat", "window": 60, "no_length": True},
        NimRejected,
        "talk before it are longer than VILA-M3 takes|longer than the model takes",
        "question",
    ),
    (chat(400, message("top_p must be in (0, 1]")), NimRejected, "400.*top_p", "sampling settings"),
    (chat(500, {"detail": "CUDA error"}), NimRejected, "500.*CUDA error", OWN_MODEL_SETTING),
    (chat(500), NimReplyInvalid, "status 500, and nothing", "log"),
    ({"error": True, "after": 0}, NimRejected, "broke off its answer.*CUDA out of memory", "log"),
    ({"html": True}, NimReplyInvalid, "sends a web page", "base URL"),
    ({"json": True}, NimReplyInvalid, "no stream of an answer.*has moved", "base URL"),
    ({"no_word": True}, NimReplyInvalid, "without a word", "another model"),
    ({"whole": "string", "text": ""}, NimReplyInvalid, "without a word", "another model"),
    ({"broken_event": True, "after": 0}, NimReplyInvalid, "no part of a chat", "IMAGING_NIM_VILAM3_URL"),
    (chat(302, "", Location="http://elsewhere/"), NimReplyInvalid, "302", "IMAGING_NIM_VILAM3_URL"),
    (chat(202, {}, **{"NVCF-REQID": "1b4e28ba"}), NimReplyInvalid, "202", "IMAGING_NIM_VILAM3_URL"),
]

HOSTED: list[Fault] = [
    (
        chat(401, {"status": 401, "title": "Unauthorized"}),
        NimUnavailable,
        "hosted vision model refused the key",
        KEY[:5],
    ),
    ({"needs_key": "nvapi-other"}, NimUnavailable, "refused the key.*403.*Authorization failed", "NVIDIA_API_KEY"),
    (chat(402, {"detail": "no credits"}), NimUnavailable, "out of credit.*402.*no credits", "credit"),
    ({"no_model": "account"}, NimUnavailable, "does not open meta/llama-3.2.* to this account", HOSTED_MODEL_SETTING),
    ({"no_model": "text"}, NimUnavailable, "404 page not found", HOSTED_MODEL_SETTING),
    (chat(410, GONE), NimUnavailable, "has retired meta/llama-3.2.*410.*end of life on 2026", HOSTED_MODEL_SETTING),
    (
        chat(429, {"status": 429, "title": "Too Many Requests"}, **{"Retry-After": "60"}),
        NimUnavailable,
        "more requests than it takes.*429",
        "minute",
    ),
    (
        chat(503, "ResourceExhausted: Worker local total request limit reached (33/32)", **{"Retry-After": "60"}),
        NimUnavailable,
        "cannot answer now.*503.*ResourceExhausted",
        "wait",
    ),
    (
        chat(422, {"detail": [{"loc": ["body", "top_p"], "msg": "too large", "type": "value_error"}]}),
        NimRejected,
        "422.*body.top_p: too large",
        HOSTED_MODEL_SETTING,
    ),
    (chat(413, {"detail": "Request entity too large"}), NimRejected, "no request as large", "smaller picture"),
    (chat(500, {"detail": "Invalid image URL"}), NimRejected, "could not use the picture", HOSTED_MODEL_SETTING),
    ({"later": 0, "no_reqid": True}, NimReplyInvalid, "did not say where", "IMAGING_NIM_CLOUD_FUNCTIONS_URL"),
    ({"later": 1, "later_status": 500}, NimRejected, "500.*Function failed", ""),
    ({"later": 1, "later_status": 504}, NimUnavailable, "cannot answer now.*504", "wait"),
    ({"later": 10_000}, NimUnavailable, r"did not come within 0\.5 s", "later"),
    ({"later": 0, "elsewhere": "unsafe"}, NimReplyInvalid, "cannot be used", "IMAGING_NIM_CLOUD_URL"),
    ({"later": 0, "text": ""}, NimReplyInvalid, "without a word", "another model"),
]

ASSETS: list[Fault] = [
    ({"no_asset": 401}, NimUnavailable, "refused the key.*401", "nvapi-"),
    ({"no_asset": 402}, NimUnavailable, "out of credit", "credit"),
    ({"no_asset": 403}, NimUnavailable, "refused the key.*403", "nvapi-"),
    ({"no_asset": 429}, NimUnavailable, "more requests than it takes", "minute"),
    ({"no_asset": 404}, NimUnavailable, "no place for a picture.*404", "IMAGING_NIM_CLOUD_FUNCTIONS_URL"),
    ({"no_asset": 422}, NimRejected, "no place for a picture.*422", "smaller picture"),
    ({"no_asset": 503}, NimUnavailable, "cannot answer now.*503", "wait"),
    ({"no_place": True}, NimReplyInvalid, "did not say where", "IMAGING_NIM_CLOUD_FUNCTIONS_URL"),
    ({"bad_place": True}, NimReplyInvalid, "did not say where", "IMAGING_NIM_CLOUD_FUNCTIONS_URL"),
    ({"no_upload": 403}, NimUnavailable, "did not take this one.*403", "smaller picture"),
    ({"no_upload": 503}, NimUnavailable, "did not take this one.*503", "smaller picture"),
    (chat(410, GONE), NimUnavailable, "has retired meta/llama-3.2", HOSTED_MODEL_SETTING),
    ({"error": True, "after": 0}, NimRejected, "broke off its answer", HOSTED_MODEL_SETTING),
]


def _name(fault: Fault) -> str:
    first = " ".join(f"{name}={value}"[:40] for name, value in fault[0].items())
    return first.replace("{'status': ", "").replace("chat=", "")


def _meets(vilam3: Vilam3, nim: VisionNim, request: ImageRequest, fault: Fault) -> None:
    switches, kind, words, cure = fault
    always = {"needs_key": KEY} if nim.hosted else {}
    nim.switch(**(always | switches))
    with pytest.raises(kind, match=words) as raised:
        vilam3.run(request)
    assert cure in (raised.value.hint or "")
    said = f"{raised.value.message} {raised.value.hint}"
    for private in (KEY, "1b4e28ba", "abcdEFGH", ACCOUNT, QUESTION, "http://elsewhere", "X-Amz", "Traceback"):
        assert private not in said

    nim.switch(**(always | switches))
    either: WithStandIn[ImageRequest, ImageStream] = WithStandIn(vilam3, Vilam3StandIn(clock=CLOCK))
    if kind is NimUnavailable:
        stream = either.run(request)
        assert stream.is_mock
        assert stream.provenance.stands_in_because == raised.value.message
        assert told(stream)
    else:
        with pytest.raises(kind):
            either.run(request)
    wait_until(lambda: nim.cloud.assets == {})


@pytest.fixture
def nim() -> Iterator[VisionNim]:
    with VisionNim() as server:
        yield server


@pytest.fixture
def hosted() -> Iterator[VisionNim]:
    with VisionNim(hosted=True, needs_key=KEY) as server:
        yield server


@pytest.mark.parametrize("fault", OWN, ids=[f"{_name(each)} {at}" for at, each in enumerate(OWN)])
def test_each_fault_of_an_own_server_has_its_own_words_and_only_an_unusable_one_is_stood_in_for(
    nim: VisionNim, fault: Fault
) -> None:
    with a_vilam3(nim.url, timeouts=ChatTimeouts(quiet_s=1.0)) as vilam3:
        told(vilam3.run(an_image_request()))  # so that the model is known: the fault meets the chat itself
        _meets(vilam3, nim, an_image_request(), fault)


@pytest.mark.parametrize("fault", HOSTED, ids=[f"{_name(each)} {at}" for at, each in enumerate(HOSTED)])
def test_each_fault_of_the_hosted_catalogue_has_its_own_words(hosted: VisionNim, fault: Fault) -> None:
    soon = FunctionTimeouts(poll_every_s=0.01, poll_most_s=0.5)
    with a_vilam3(hosted.url, hosted=True, functions=soon) as vilam3:
        _meets(vilam3, hosted, an_image_request(), fault)


@pytest.mark.parametrize("fault", ASSETS, ids=[f"{_name(each)} {at}" for at, each in enumerate(ASSETS)])
def test_each_fault_on_the_way_of_a_large_picture_has_its_own_words_and_leaves_nothing(
    hosted: VisionNim, fault: Fault
) -> None:
    with a_vilam3(hosted.url, hosted=True) as vilam3:
        _meets(vilam3, hosted, an_image_request(picture=a_large_picture()), fault)


def test_a_busy_catalogue_is_asked_once_more_after_the_time_it_names(hosted: VisionNim) -> None:
    hosted.switch(starting_calls=1, retry_after=0)
    with a_vilam3(hosted.url, hosted=True) as vilam3:
        assert told(vilam3.run(an_image_request()))
    assert len(hosted.posts()) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_place_for_large_pictures_is_asked_once_more(hosted: VisionNim, status: int) -> None:
    hosted.switch(no_asset=[status])
    with a_vilam3(hosted.url, hosted=True) as vilam3:
        assert told(vilam3.run(an_image_request(picture=a_large_picture())))
    assert hosted.cloud.made == 1


def test_a_wait_longer_than_a_person_has_is_not_begun(hosted: VisionNim) -> None:
    hosted.switch(**chat(429, {"title": "Too Many Requests"}, **{"Retry-After": "300"}))
    with a_vilam3(hosted.url, hosted=True) as vilam3, pytest.raises(NimUnavailable, match="more requests"):
        vilam3.run(an_image_request())
    assert len(hosted.posts()) == 1


def test_after_the_first_word_no_stand_in_takes_over(nim: VisionNim) -> None:
    nim.switch(drop="reset", after=3, text="One two three four five.")
    with a_vilam3(nim.url) as vilam3:
        either: WithStandIn[ImageRequest, ImageStream] = WithStandIn(vilam3, Vilam3StandIn(clock=CLOCK))
        stream = either.run(an_image_request())
        assert [next(stream.tokens) for _ in range(3)] == ["One ", "two ", "three "]
        with pytest.raises(NimUnavailable, match="broke before its answer was complete"):
            next(stream.tokens)
        assert not stream.is_mock


def test_where_the_catalogues_other_part_has_no_address_a_large_picture_says_so(hosted: VisionNim) -> None:
    with a_vilam3(hosted.url, hosted=True, functions_url="") as vilam3:
        assert told(vilam3.run(an_image_request(picture=a_picture())))
        with pytest.raises(NimUnavailable, match="too large to travel inside a request") as raised:
            vilam3.run(an_image_request(picture=a_large_picture()))
    assert "IMAGING_NIM_CLOUD_FUNCTIONS_URL" in (raised.value.hint or "")


def test_where_the_catalogues_other_part_is_away_the_words_are_not_of_an_own_nim(hosted: VisionNim) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            a_vilam3(hosted.url, hosted=True, functions_url=away, functions=FAST) as vilam3,
            pytest.raises(NimUnavailable, match="NVIDIA Cloud Functions refused the connection") as raised,
        ):
            vilam3.run(an_image_request(picture=a_large_picture()))
    assert "IMAGING_NIM_CLOUD_FUNCTIONS_URL" in (raised.value.hint or "")
    assert "Start the NIM" not in (raised.value.hint or "")


def test_a_server_that_lists_no_model_is_an_error_that_names_the_setting(nim: VisionNim) -> None:
    nim.switch(no_models=True)
    with a_vilam3(nim.url) as vilam3, pytest.raises(NimReplyInvalid, match="lists no model") as raised:
        vilam3.run(an_image_request())
    assert OWN_MODEL_SETTING in (raised.value.hint or "")


@pytest.mark.parametrize("hosted_one", [False, True])
@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8532", "ftp://127.0.0.1", "localhost:8532"])
def test_an_address_that_leads_nowhere_says_what_is_wrong_with_it(url: str, hosted_one: bool) -> None:
    with (
        a_vilam3(url, hosted=hosted_one, model="some/model") as vilam3,
        pytest.raises(NimUnavailable, match=r"host name|address set") as raised,
    ):
        vilam3.run(an_image_request())
    assert "_URL" in (raised.value.hint or "")
