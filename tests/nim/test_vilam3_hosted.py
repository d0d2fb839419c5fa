"""A vision model of the hosted catalogue: large pictures lie there and are taken away, answers may come later."""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.contract_server import VisionNim
from tests.contract_server.vilam3 import HOSTED_MODEL
from tests.nim.made import Watched
from tests.nim.made_chat import told
from tests.nim.made_image import (
    KEY,
    QUESTION,
    a_large_picture,
    a_picture,
    a_vilam3,
    an_image_request,
)
from tests.serving import wait_until
from workbench.domain.dialogue import Finish, Turn
from workbench.domain.errors import Cancelled, NimRejected, NimUnavailable
from workbench.domain.image_dialogue import ImageRequest, SentAs
from workbench.domain.provenance import Origin
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.vilam3 import Vilam3

TALK = (Turn(role="user", text="Is this a CT?"), Turn(role="assistant", text="Yes."))


@pytest.fixture
def hosted() -> Iterator[VisionNim]:
    with VisionNim(hosted=True, needs_key=KEY) as server:
        yield server


@pytest.fixture
def catalogue(hosted: VisionNim) -> Iterator[Vilam3]:
    with a_vilam3(hosted.url, hosted=True) as client:
        yield client


def paths(nim: VisionNim) -> list[str]:
    """What was asked of a server, without ids and signatures."""
    return [f"{each.method} {each.path.partition('?')[0].rpartition('/')[0]}" for each in nim.received]


def test_the_hosted_catalogue_receives_the_very_bytes_of_an_uploaded_picture(
    hosted: VisionNim, catalogue: Vilam3
) -> None:
    picture = a_large_picture()
    told(catalogue.run(an_image_request(picture=picture)))
    assert hosted.pictures == [picture.encoded]


def test_the_catalogue_is_asked_by_the_same_client_with_its_key(hosted: VisionNim, catalogue: Vilam3) -> None:
    stream = catalogue.run(an_image_request())
    assert told(stream)
    assert (stream.provenance.origin, stream.provenance.model) == (Origin.CLOUD, HOSTED_MODEL)
    assert [each.path for each in hosted.received] == ["/v1/chat/completions"]


@pytest.mark.parametrize(("characters", "sent_as"), [(179_996, SentAs.INLINE), (180_000, SentAs.ASSET)])
def test_the_inline_limit_is_measured_on_the_base64_text(
    hosted: VisionNim, catalogue: Vilam3, characters: int, sent_as: SentAs
) -> None:
    picture = a_picture()
    # Bytes after the end of a JPEG are not looked at, so that a picture can have any size.
    encoded = picture.encoded + bytes(characters // 4 * 3 - len(picture.encoded))
    assert len(base64.b64encode(encoded)) == characters
    padded = replace(picture, encoded=encoded, facts=replace(picture.facts, size_bytes=len(encoded)))
    stream = catalogue.run(an_image_request(picture=padded))
    assert told(stream)
    assert stream.sent_as is sent_as
    assert hosted.pictures == [encoded]


def test_a_large_picture_is_uploaded_used_and_deleted(hosted: VisionNim, catalogue: Vilam3) -> None:
    stream = catalogue.run(an_image_request(picture=a_large_picture()))
    assert stream.sent_as is SentAs.ASSET
    assert hosted.cloud.made == len(hosted.cloud.assets) == 1, "it lies there while the answer is coming"
    assert told(stream)
    assert paths(hosted) == [
        "POST /v2/nvcf",
        "PUT /bucket/upload",
        "POST /v1/chat",
        "DELETE /v2/nvcf/assets",
    ]
    assert hosted.cloud.assets == {}
    put = hosted.received[1]
    assert "authorization" not in put.headers
    assert "picture" in put.headers["x-amz-meta-nvcf-asset-description"]
    assert [each.headers["authorization"] for each in hosted.received if each.method != "PUT"] == [f"Bearer {KEY}"] * 3


@pytest.mark.parametrize(("takes", "chats"), [("parts", 1), ("tags", 2)])
def test_an_uploaded_picture_is_referred_to_in_the_form_that_the_model_takes(
    hosted: VisionNim, catalogue: Vilam3, takes: str, chats: int
) -> None:
    hosted.switch(takes=takes, needs_key=KEY)
    stream = catalogue.run(an_image_request(picture=a_large_picture(), history=TALK))
    assert told(stream)
    assert len(hosted.chats()) == chats
    assert stream.prompt == hosted.words()
    told(catalogue.run(an_image_request(picture=a_large_picture())))
    assert len(hosted.chats()) == chats + 1, "the form that was taken is remembered"
    assert hosted.cloud.assets == {}


def test_where_neither_form_is_taken_the_first_refusal_is_told(hosted: VisionNim, catalogue: Vilam3) -> None:
    hosted.switch(bad_picture=True, needs_key=KEY)
    with pytest.raises(NimRejected, match=r"could not use the picture.*500.*cannot identify"):
        catalogue.run(an_image_request(picture=a_large_picture()))
    wait_until(lambda: hosted.cloud.assets == {})
    assert len(hosted.chats()) == 2


def test_the_words_of_a_person_cannot_bring_a_second_picture(hosted: VisionNim, catalogue: Vilam3) -> None:
    hosted.switch(takes="tags", needs_key=KEY)
    question = 'What is it? <img src="data:image/png;base64,AAAA" />'
    assert told(catalogue.run(an_image_request(question, picture=a_large_picture())))
    assert len(hosted.pictures) == 1


@pytest.mark.parametrize("how", ["ends", "is stopped", "is stopped unread", "breaks", "is refused", "never comes"])
def test_however_the_answer_ends_nothing_of_the_picture_stays(hosted: VisionNim, catalogue: Vilam3, how: str) -> None:
    faults: dict[str, Any] = {
        "breaks": {"error": True, "after": 2},
        "is refused": {"chat": {"status": 422, "body": {"detail": "no"}}},
        "never comes": {"slow_first": 60},
    }.get(how, {"piece_s": 0.01})
    hosted.switch(needs_key=KEY, **faults)
    request = an_image_request(picture=a_large_picture())
    if how in ("is refused", "never comes"):
        with (
            a_vilam3(hosted.url, hosted=True, timeouts=ChatTimeouts(quiet_s=0.3)) as impatient,
            pytest.raises((NimRejected, NimUnavailable)),
        ):
            impatient.run(request)
    elif how == "breaks":
        with pytest.raises(NimRejected, match="CUDA out of memory"):
            told(catalogue.run(request))
    else:
        stream = catalogue.run(request)
        if how == "ends":
            told(stream)
        if how == "is stopped":
            next(stream.tokens)
        stream.close()
    wait_until(lambda: hosted.cloud.made == 1 and hosted.cloud.assets == {})
    assert sum(each.method == "DELETE" for each in hosted.received) == 1


def test_closing_the_client_deletes_what_an_answer_that_nobody_ended_left(hosted: VisionNim) -> None:
    with a_vilam3(hosted.url, hosted=True) as client:
        stream = client.run(an_image_request(picture=a_large_picture()))
        assert len(hosted.cloud.assets) == 1
    assert hosted.cloud.assets == {}
    del stream


def test_a_delete_that_fails_is_tried_again_and_hides_nothing(
    hosted: VisionNim, catalogue: Vilam3, caplog: pytest.LogCaptureFixture
) -> None:
    hosted.switch(no_delete=[500], needs_key=KEY)
    assert told(catalogue.run(an_image_request(picture=a_large_picture())))
    assert hosted.cloud.assets == {}
    assert caplog.text == ""

    hosted.switch(no_delete=403, needs_key=KEY)
    stream = catalogue.run(an_image_request(picture=a_large_picture()))
    assert "JPEG of 600 x 500 pixels" in told(stream)
    assert stream.finish() is Finish.STOP
    (record,) = caplog.records
    assert "could not be deleted" in record.getMessage()
    for private in (*hosted.cloud.assets, "acc0unt", KEY, "http"):
        assert private not in caplog.text


def test_what_could_not_be_deleted_is_tried_again_with_the_next_picture_and_at_the_end(hosted: VisionNim) -> None:
    with a_vilam3(hosted.url, hosted=True) as client:
        hosted.switch(no_delete=503, needs_key=KEY)
        assert told(client.run(an_image_request(picture=a_large_picture())))
        (left,) = hosted.cloud.assets
        hosted.switch(needs_key=KEY)
        assert told(client.run(an_image_request(picture=a_large_picture())))
        wait_until(lambda: left not in hosted.cloud.assets)
        hosted.switch(no_delete=503, needs_key=KEY)
        assert told(client.run(an_image_request(picture=a_large_picture())))
        assert len(hosted.cloud.assets) == 1
        hosted.switch(needs_key=KEY)
    assert hosted.cloud.assets == {}


@pytest.mark.parametrize(
    "faults",
    [{"later": 2}, {"later": 0, "later_events": True}, {"later": 1, "elsewhere": True}, {"later": 1, "busy_looks": 2}],
    ids=["later", "as a kept stream", "at another address", "busy meanwhile"],
)
@pytest.mark.parametrize("large", [False, True], ids=["inline", "asset"])
def test_an_answer_that_is_promised_for_later_is_waited_for(
    hosted: VisionNim, catalogue: Vilam3, faults: dict[str, Any], large: bool
) -> None:
    hosted.switch(needs_key=KEY, **faults)
    watched = Watched()
    picture = a_large_picture() if large else a_picture()
    stream = catalogue.run(an_image_request(picture=picture, progress=watched))
    assert "a JPEG of" in told(stream)
    assert stream.finish() is Finish.STOP
    assert any("queue" in stage for stage in watched.stages)
    assert hosted.cloud.looks >= faults["later"] + 1
    assert hosted.cloud.assets == {}
    fetched = [each for each in hosted.received if each.path.startswith("/bucket/result/")]
    assert len(fetched) == ("elsewhere" in faults)
    assert all("authorization" not in each.headers for each in fetched)


def test_an_answer_that_lies_elsewhere_from_the_start_is_fetched_without_the_key(
    hosted: VisionNim, catalogue: Vilam3
) -> None:
    hosted.switch(needs_key=KEY, moved=True)
    assert "a JPEG of" in told(catalogue.run(an_image_request()))
    assert "authorization" not in hosted.received[-1].headers


def test_waiting_for_a_promised_answer_can_be_ended(hosted: VisionNim, catalogue: Vilam3) -> None:
    hosted.switch(needs_key=KEY, later=10_000)
    with pytest.raises(Cancelled):
        catalogue.run(an_image_request(picture=a_large_picture(), progress=Watched(stop_at="queue")))
    wait_until(lambda: hosted.cloud.assets == {})


class StopsAt(Watched):
    """Progress that stops the work at the stage with that number, from 0."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def stage(self, name: str, fraction: float | None = None) -> None:
        super().stage(name)
        if len(self.stages) > self._number:
            raise Cancelled("Stopped.")


@pytest.mark.parametrize("slow", [{}, {"asset_s": 0.5}, {"upload_s": 0.5}], ids=["", "slow to make", "slow to take"])
def test_stopping_while_the_picture_is_handed_over_leaves_nothing(
    hosted: VisionNim, catalogue: Vilam3, slow: dict[str, Any]
) -> None:
    hosted.switch(needs_key=KEY, **slow)
    request = an_image_request(picture=a_large_picture())
    for number in range(5):
        with contextlib.suppress(Cancelled):  # or it was done before
            told(catalogue.run(replace(request, progress=StopsAt(number))))
    wait_until(lambda: not [each for each in threading.enumerate() if each.name in ("asset-delete", "nim-call")])
    assert hosted.cloud.made >= 1
    assert hosted.cloud.assets == {}


@pytest.mark.parametrize("large", [False, True], ids=["inline", "asset"])
def test_stop_from_another_thread_wakes_whoever_reads(hosted: VisionNim, large: bool) -> None:
    hosted.switch(stall=300, after=2, needs_key=KEY)
    picture = a_large_picture() if large else a_picture()
    with a_vilam3(hosted.url, hosted=True, timeouts=ChatTimeouts(quiet_s=300.0)) as client:
        stream = client.run(an_image_request(picture=picture))
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(stream.tokens), daemon=True)
        reader.start()
        wait_until(lambda: len(said) == 2)
        stream.close()
        reader.join(30)
        assert not reader.is_alive()
    assert hosted.cloud.assets == {}


def test_neither_question_picture_key_nor_signed_address_is_logged_even_at_debug(
    hosted: VisionNim, catalogue: Vilam3, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_LOG", "debug")
    picture = a_large_picture()
    with caplog.at_level(logging.DEBUG):
        hosted.switch(needs_key=KEY, later=1, elsewhere=True)
        told(catalogue.run(an_image_request(picture=picture)))
        hosted.switch(needs_key=KEY, error=True)
        with pytest.raises(NimRejected):
            told(catalogue.run(an_image_request()))
    encoded = base64.b64encode(picture.encoded).decode()
    for private in (KEY, QUESTION, encoded[:40], "X-Amz", "asset_id", "1b4e28ba"):
        assert private not in caplog.text


def test_the_key_is_in_no_representation_of_the_client(catalogue: Vilam3) -> None:
    told(catalogue.run(an_image_request()))
    assert KEY not in repr(catalogue)


def test_answers_about_several_pictures_do_not_mix(hosted: VisionNim, catalogue: Vilam3) -> None:
    catalogue.warm()
    asked: list[ImageRequest] = [an_image_request(picture=a_picture(width=40 + 8 * at)) for at in range(4)]
    asked += [an_image_request(picture=a_large_picture())]
    said: dict[str, str] = {}

    def ask(request: ImageRequest) -> None:
        said[request.picture.facts.sha256] = told(catalogue.run(request))

    threads = [threading.Thread(target=ask, args=(each,)) for each in asked]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    for request in asked:
        facts = request.picture.facts
        assert f"{facts.width_px} x {facts.height_px}" in said[facts.sha256]
    assert hosted.cloud.assets == {}
