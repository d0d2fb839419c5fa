"""Handing a picture over to the catalogue and taking it away again, and answers that are promised for later."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.contract_server import VisionNim
from tests.nim.made import Watched
from tests.nim.made_image import FAST, KEY, an_image_target
from tests.serving import wait_until
from workbench.domain.errors import Cancelled, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.progress import Silent
from workbench.nim.cloud_assets import Assets
from workbench.nim.cloud_functions import CloudFunctions, FunctionTimeouts
from workbench.nim.http import Reply, new_client
from workbench.nim.openai_answer import WholePieces
from workbench.nim.refusals import Asked
from workbench.nim.served import asked

PIXELS = bytes(range(256)) * 700
BASE = "https://functions.example/v2/nvcf"
LATER = Reply(status=202, headers={"nvcf-reqid": "abc-1"}, body=b"")
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def catalogue() -> Iterator[VisionNim]:
    with VisionNim(hosted=True, needs_key=KEY) as server:
        yield server


@pytest.fixture
def assets(catalogue: VisionNim) -> Iterator[Assets]:
    with new_client() as client:
        yield Assets(CloudFunctions(catalogue.functions_url, client, key=KEY, timeouts=FAST))


def who() -> Asked:
    return asked(an_image_target("http://catalogue", hosted=True), "some/model")


def over(answer: Answer, url: str = BASE, **timeouts: float) -> CloudFunctions:
    """A client whose wire is a function."""
    client = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=False)
    quick = FunctionTimeouts(**{"poll_every_s": 0.01, "poll_most_s": 5.0, **timeouts})
    return CloudFunctions(url, client, key=KEY, timeouts=quick)


def completion(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def said(pieces: WholePieces | None) -> str:
    assert pieces is not None
    return "".join(each.text for each in pieces)


def test_a_picture_lies_there_as_it_is_until_it_is_deleted(catalogue: VisionNim, assets: Assets) -> None:
    asset = assets.upload(PIXELS, "image/png", asked=who(), progress=Silent())
    ((asset_id, stored),) = catalogue.cloud.assets.items()
    assert stored.content == PIXELS
    assert asset.url == f"data:image/png;asset_id,{asset_id}"
    assert asset.headers == {"NVCF-INPUT-ASSET-REFERENCES": asset_id}
    asset.delete()
    asset.delete()
    assert catalogue.cloud.assets == {}
    assert sum(each.method == "DELETE" for each in catalogue.received) == 1


def test_what_is_said_of_a_picture_is_the_same_for_all(catalogue: VisionNim, assets: Assets) -> None:
    for content in (PIXELS, PIXELS[::-1]):
        assets.upload(content, "image/jpeg", asked=who(), progress=Silent())
    assert {each.description for each in catalogue.cloud.assets.values()} == {"picture"}


def test_the_signed_address_is_called_as_it_was_given_and_without_the_key() -> None:
    upload = "https://bucket.example/a%2Fb/c/?sig=A%2BB/%3D%3D&path=x/"
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "POST":
            return httpx.Response(200, json={"assetId": "asset-1", "uploadUrl": upload})
        return httpx.Response(200 if request.method == "PUT" else 204)

    Assets(over(answer)).upload(PIXELS, "image/jpeg", asked=who(), progress=Silent()).delete()
    made, put, deleted = seen
    assert str(put.url) == upload
    assert put.content == PIXELS
    assert put.headers["content-type"] == "image/jpeg"
    assert put.headers["x-amz-meta-nvcf-asset-description"] == json.loads(made.content)["description"]
    assert "authorization" not in put.headers
    assert made.headers["authorization"] == deleted.headers["authorization"] == f"Bearer {KEY}"
    assert str(deleted.url) == f"{BASE}/assets/asset-1"


@pytest.mark.parametrize(
    "told",
    [
        {"assetId": "asset-1", "uploadUrl": "http://bucket.example/"},
        {"assetId": "asset-1", "uploadUrl": "file:///etc/passwd"},
        {"assetId": "asset-1", "uploadUrl": "https:///nowhere"},
        {"assetId": "asset-1", "uploadUrl": "https://[broken"},
        {"assetId": "asset-1"},
    ],
)
def test_an_address_less_private_than_the_catalogues_own_is_not_used(told: dict[str, str]) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(200, json=told) if request.method == "POST" else httpx.Response(204)

    with pytest.raises(NimReplyInvalid, match="did not say where"):
        Assets(over(answer)).upload(PIXELS, "image/jpeg", asked=who(), progress=Silent())
    wait_until(lambda: seen == ["POST", "DELETE"])


@pytest.mark.parametrize("told", [{"assetId": "../../x", "uploadUrl": "https://b/"}, {}, [], "asset", None])
def test_an_answer_without_a_usable_id_is_refused(told: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        return httpx.Response(200, json=told)

    with pytest.raises(NimReplyInvalid, match="did not say where"):
        Assets(over(answer)).upload(PIXELS, "image/jpeg", asked=who(), progress=Silent())


def test_deleting_is_over_when_delete_returns_whoever_began_it() -> None:
    may_end, begun, deleted = threading.Event(), threading.Event(), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"assetId": "asset-1", "uploadUrl": "https://bucket.example/x"})
        if request.method == "DELETE":
            begun.set()
            may_end.wait(30)
            deleted.append(request.url.path)
        return httpx.Response(200)

    assets = Assets(over(answer))
    assets.upload(PIXELS, "image/jpeg", asked=who(), progress=Silent()).delete_soon()
    assert begun.wait(30)
    closing = threading.Thread(target=assets.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    may_end.set()
    closing.join(30)
    assert not closing.is_alive()
    assert deleted == ["/v2/nvcf/assets/asset-1"]


@pytest.mark.parametrize("status", [200, 302, 400, 404, 410, 429, 500, 503])
def test_only_a_promise_or_a_place_is_followed(status: int) -> None:
    reply = Reply(status=status, headers={"location": "https://bucket.example/r"}, body=b"")
    asks: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asks.append(str(request.url))
        return httpx.Response(200, json=completion("Later."))

    found = over(answer).promised(reply, who(), Silent())
    assert (found is not None) == (status == 302)
    assert asks == (["https://bucket.example/r"] if status == 302 else [])


def test_a_promised_answer_is_looked_for_with_the_key_until_it_is_there() -> None:
    asks: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asks.append(request)
        # Not every look says the id again.
        return httpx.Response(202) if len(asks) < 3 else httpx.Response(200, json=completion("Here."))

    assert said(over(answer).promised(LATER, who(), Silent())) == "Here."
    assert {str(each.url) for each in asks} == {f"{BASE}/pexec/status/abc-1"}
    assert {each.headers["authorization"] for each in asks} == {f"Bearer {KEY}"}
    assert len(asks) == 3


def test_the_place_of_a_promised_answer_is_not_told_the_key() -> None:
    asks: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asks.append(request)
        if request.url.host == "functions.example":
            return httpx.Response(302, headers={"Location": "https://bucket.example/result?sig=1"})
        return httpx.Response(200, json=completion("Here."))

    assert said(over(answer).promised(LATER, who(), Silent())) == "Here."
    assert "authorization" not in asks[-1].headers
    assert str(asks[-1].url) == "https://bucket.example/result?sig=1"


@pytest.mark.parametrize("location", ["http://bucket.example/r", "", "/relative", "ftp://bucket.example/r"])
def test_a_place_less_private_than_the_catalogue_is_not_called(location: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "functions.example"
        return httpx.Response(302, headers={"Location": location})

    with pytest.raises(NimReplyInvalid, match="cannot be used"):
        over(answer).promised(LATER, who(), Silent())


@pytest.mark.parametrize("request_id", ["", "../../assets/x", "a b", "x" * 200])
def test_an_id_that_is_none_is_not_called(request_id: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be called")

    with pytest.raises(NimReplyInvalid, match="did not say where to fetch it"):
        over(answer).promised(Reply(status=202, headers={"nvcf-reqid": request_id}, body=b""), who(), Silent())


def test_a_promise_that_is_not_kept_is_given_up() -> None:
    looks: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        looks.append(1)
        return httpx.Response(202)

    with pytest.raises(NimUnavailable, match=r"did not come within 0\.3 s") as raised:
        over(answer, poll_most_s=0.3).promised(LATER, who(), Silent())
    assert raised.value.timed_out
    assert 2 <= len(looks) < 15, "the looks become rarer"


def test_a_promised_answer_that_failed_and_a_refused_place_say_what_to_do() -> None:
    failed = {"detail": "Function failed for account 'acc0untABCDEF123'"}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json=failed)

    with pytest.raises(NimRejected, match="Function failed") as promised:
        over(answer).promised(LATER, who(), Silent())
    assert "Try again" in (promised.value.hint or "")
    with pytest.raises(NimRejected, match="Function failed") as place:
        Assets(over(answer)).upload(PIXELS, "image/jpeg", asked=who(), progress=Silent())
    assert "Try again" in (place.value.hint or "")


def test_a_stop_ends_the_wait_for_a_promise() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202)

    with pytest.raises(Cancelled):
        over(answer, poll_every_s=30.0).promised(LATER, who(), Watched(stop_at="queue"))
