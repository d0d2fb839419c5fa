"""The client of a vision model: what it sends, what comes back, and how a wait or an answer is ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.contract_server import VisionNim
from tests.contract_server.vilam3 import MODEL
from tests.nim.made import UPLOAD, Watched
from tests.nim.made_chat import told
from tests.nim.made_image import (
    QUESTION,
    READY,
    a_large_picture,
    a_picture,
    a_reading,
    a_vilam3,
    an_image_request,
)
from workbench.domain.dialogue import Finish, Sampling, Turn
from workbench.domain.errors import Cancelled, NimRejected
from workbench.domain.experts import Expert, Trigger, parse_trigger
from workbench.domain.image_dialogue import SentAs
from workbench.domain.nim import Service
from workbench.domain.provenance import Origin
from workbench.nim.vilam3 import Vilam3

TALK = (Turn(role="user", text="Is this a CT?"), Turn(role="assistant", text="Yes."))


@pytest.fixture
def nim() -> Iterator[VisionNim]:
    with VisionNim() as server:
        yield server


@pytest.fixture
def vilam3(nim: VisionNim) -> Iterator[Vilam3]:
    with a_vilam3(nim.url) as client:
        yield client


def test_it_says_who_answers_and_what_was_sent_before_the_first_token(nim: VisionNim, vilam3: Vilam3) -> None:
    request = an_image_request(has_volume=True)
    stream = vilam3.run(request)
    assert (stream.provenance.origin, stream.provenance.model) == (Origin.LOCAL, MODEL)
    assert stream.provenance.inputs == (UPLOAD,)
    assert stream.provenance.parameters["picture_sha256"] == request.picture.facts.sha256
    assert stream.sent_as is SentAs.INLINE
    assert stream.prompt == nim.words(), "what a person is shown is what the server read"
    assert QUESTION in stream.prompt
    stream.close()


def test_the_answer_streams_in_pieces_and_says_how_it_ended(nim: VisionNim, vilam3: Vilam3) -> None:
    stream = vilam3.run(an_image_request())
    pieces = list(stream.tokens)
    assert len(pieces) > 5
    assert "JPEG of 96 x 64 pixels" in "".join(pieces)
    assert stream.finish() is Finish.STOP


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_server_receives_the_very_bytes_of_the_picture(nim: VisionNim, vilam3: Vilam3, kind: str) -> None:
    picture = a_picture(kind=kind)
    told(vilam3.run(an_image_request(picture=picture)))
    assert nim.pictures == [picture.encoded]


def test_an_own_server_is_sent_no_key_and_takes_a_large_picture_inline(nim: VisionNim, vilam3: Vilam3) -> None:
    stream = vilam3.run(an_image_request(picture=a_large_picture()))
    assert told(stream)
    assert stream.sent_as is SentAs.INLINE
    assert all("authorization" not in each.headers for each in nim.received)
    assert all(not each.path.startswith("/v2/nvcf") for each in nim.received)


@pytest.mark.parametrize("whole", ["string", "list", "nested"])
def test_an_answer_that_comes_whole_is_taken_as_one_piece(nim: VisionNim, vilam3: Vilam3, whole: str) -> None:
    nim.switch(whole=whole)
    stream = vilam3.run(an_image_request())
    (piece,) = list(stream.tokens)
    assert "JPEG of 96 x 64 pixels" in piece
    assert stream.finish() is Finish.STOP


def test_pieces_that_are_lists_are_read_as_text(nim: VisionNim, vilam3: Vilam3) -> None:
    nim.switch(list_pieces=True)
    assert "JPEG of 96 x 64 pixels" in told(vilam3.run(an_image_request()))


def test_an_expert_is_called_for_and_its_picture_is_the_only_one_of_the_next_request(
    nim: VisionNim, vilam3: Vilam3
) -> None:
    nim.switch(calls="hepatic tumor")
    asked = an_image_request("Is there a tumor in the liver?", has_volume=True)
    first = told(vilam3.run(asked))
    assert parse_trigger(first) == Trigger(expert=Expert.VISTA3D, argument="hepatic tumor", labels=(1, 26))
    coloured = a_picture(width=80, height=80)
    reading = replace(a_reading(), provenance=replace(UPLOAD, origin=Origin.LOCAL, model="vista3d"))
    second = vilam3.run(replace(asked, picture=coloured, expert=reading))
    assert "An expert's result came with it." in told(second)
    assert nim.pictures == [asked.picture.encoded, coloured.encoded]
    assert "red: liver, blue: hepatic tumor" in second.prompt
    assert second.provenance.inputs == (UPLOAD, reading.provenance)


def test_how_words_are_chosen_is_sent(nim: VisionNim, vilam3: Vilam3) -> None:
    told(vilam3.run(an_image_request(sampling=Sampling(temperature=0.3, top_p=0.8, max_tokens=123, seed=7))))
    (sent,) = nim.chats()
    assert (sent["model"], sent["stream"]) == (MODEL, True)
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.3, 0.8, 123, 7)


def test_a_talk_that_the_server_counts_as_too_long_is_sent_once_more_with_fewer_turns(
    nim: VisionNim, vilam3: Vilam3
) -> None:
    nim.switch(no_length=True, overflow="llama.cpp", window=1500)
    history = tuple(
        turn
        for at in range(8)
        for turn in (Turn(role="user", text=f"Question {at}, " + "of the liver. " * 30), TALK[1])
    )
    request = an_image_request(history=history, sampling=Sampling(max_tokens=200))
    stream = vilam3.run(request)
    assert told(stream)
    first, second = nim.chats()
    assert len(first["messages"]) > len(second["messages"]) >= 1
    assert stream.provenance.parameters["turns_given"] == len(second["messages"]) - 1
    told(vilam3.run(request))
    assert len(nim.chats()) == 3, "the limit that the refusal named is remembered"


def test_a_server_that_is_loading_or_busy_is_asked_once_more(nim: VisionNim, vilam3: Vilam3) -> None:
    told(vilam3.run(an_image_request()))
    watched = Watched()
    nim.switch(starting_calls=1, retry_after=1)
    assert told(vilam3.run(an_image_request(progress=watched)))
    assert any("next try in 1 s" in stage for stage in watched.stages)


def test_stop_in_mid_answer_frees_the_server(nim: VisionNim, vilam3: Vilam3) -> None:
    nim.switch(text="word " * 400, piece_s=0.02)
    stream = vilam3.run(an_image_request())
    next(stream.tokens)
    stream.close()
    assert nim.left.wait(30), "the server was never told that nobody listens any more"
    assert stream.finish() is Finish.CUT


def test_the_wait_for_the_first_token_can_be_ended_and_the_server_is_freed(nim: VisionNim, vilam3: Vilam3) -> None:
    nim.switch(stall=300, after=0, text="word " * 400, piece_s=0.01)
    vilam3.warm()

    class OnceAsked(Watched):
        def stage(self, name: str, fraction: float | None = None) -> None:
            if nim.posts():
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        vilam3.run(an_image_request(progress=OnceAsked()))
    nim.released.set()
    assert nim.left.wait(30), "the server still had somebody to talk to"


def test_the_words_before_a_fault_stay_valid(nim: VisionNim, vilam3: Vilam3) -> None:
    nim.switch(error=True, after=3, text="One two three four five.")
    stream = vilam3.run(an_image_request())
    assert [next(stream.tokens) for _ in range(3)] == ["One ", "two ", "three "]
    with pytest.raises(NimRejected, match="CUDA out of memory"):
        next(stream.tokens)


@pytest.mark.parametrize(
    ("faults", "finish"),
    [({"cut": True}, Finish.CUT), ({"length": True}, Finish.LENGTH), ({"no_done": True}, Finish.STOP)],
)
def test_how_the_answer_ended_is_told(nim: VisionNim, vilam3: Vilam3, faults: dict[str, Any], finish: Finish) -> None:
    nim.switch(**faults)
    stream = vilam3.run(an_image_request())
    assert told(stream)
    assert stream.finish() is finish


def test_an_answer_about_a_mock_picture_is_mock_whoever_gives_it(vilam3: Vilam3) -> None:
    mock = replace(UPLOAD, origin=Origin.MOCK)
    stream = vilam3.run(an_image_request(picture=a_picture(provenance=mock)))
    assert stream.is_mock
    assert stream.provenance.origin is Origin.LOCAL
    stream.close()


def test_its_status_is_of_vila_m3(vilam3: Vilam3) -> None:
    assert vilam3.status() is READY
    assert vilam3.status().service is Service.VILA_M3


def test_warming_opens_no_socket(nim: VisionNim, vilam3: Vilam3) -> None:
    vilam3.warm()
    assert nim.received == []
