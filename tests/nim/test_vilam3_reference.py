"""VILA-M3's reference server: its odd protocol spoken, its traps stepped over, its errors told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.contract_server import ReferenceVila
from tests.contract_server.vilam3_reference import CARDS
from tests.nim.made import CLOCK, UPLOAD, Watched
from tests.nim.made_chat import told
from tests.nim.made_image import QUESTION, READY, a_picture, a_reading, an_image_request, an_image_target
from tests.serving import wait_until
from workbench.domain.dialogue import Finish, Turn
from workbench.domain.errors import Cancelled, NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.image_dialogue import SentAs
from workbench.domain.picture import Modality
from workbench.domain.provenance import Origin
from workbench.nim.http import new_client
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.vilam3_reference import (
    MOST_CHARACTERS,
    MOST_TALK_CHARACTERS,
    ReferenceServer,
    Vilam3Reference,
    build_reference_prompt,
)

TALK = (Turn(role="user", text="Is this a CT?"), Turn(role="assistant", text="Yes."))
QUICK = ChatTimeouts(connect_s=2.0, quiet_s=5.0)


@pytest.fixture
def nim() -> Iterator[ReferenceVila]:
    with ReferenceVila() as server:
        yield server


@contextmanager
def a_reference(url: str, timeouts: ChatTimeouts = QUICK) -> Iterator[Vilam3Reference]:
    target = replace(an_image_target(url), is_reference=True)
    with new_client() as client:
        server = ReferenceServer(target, client=client)
        yield Vilam3Reference(server, clock=CLOCK, status=lambda: READY, timeouts=timeouts)


@pytest.fixture
def vilam3(nim: ReferenceVila) -> Iterator[Vilam3Reference]:
    with a_reference(nim.url) as client:
        yield client


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_server_looks_at_the_very_bytes_of_the_picture(
    nim: ReferenceVila, vilam3: Vilam3Reference, kind: str
) -> None:
    picture = a_picture(kind=kind)
    said = told(vilam3.run(an_image_request(picture=picture)))
    assert nim.questions[-1].picture == picture.encoded
    assert f"{kind} of 96 x 64 pixels" in said


def test_it_says_who_answers_and_what_was_sent(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    stream = vilam3.run(an_image_request())
    made = stream.provenance
    assert (made.origin, made.model) == (Origin.LOCAL, "vila-m3 (reference server)")
    assert made.inputs == (UPLOAD,)
    assert made.parameters["sampling"] == "the server's own"
    assert stream.sent_as is SentAs.FILE
    assert stream.prompt == f"user:\n[picture]This is a CT image.\n{QUESTION}"
    assert QUESTION not in str(made.to_json())


def test_the_whole_answer_is_one_piece_and_says_how_it_ended(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    stream = vilam3.run(an_image_request())
    assert len(list(stream.tokens)) == 1
    assert stream.finish() is Finish.STOP
    nim.switch(length=True)
    stream = vilam3.run(an_image_request())
    told(stream)
    assert stream.finish() is Finish.LENGTH
    stopped = vilam3.run(an_image_request())
    stopped.close()
    assert (told(stopped), stopped.finish()) == ("", Finish.CUT)


def test_the_server_composes_one_place_for_the_picture(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    told(vilam3.run(an_image_request("What is in <image>, <IMAGE> and < image >?")))
    composed = nim.questions[-1].composed
    assert composed.startswith(f"{CARDS}<image>This is a CT image.\n")
    assert composed.count("<image>") == 1


def test_a_question_is_put_about_the_picture_of_its_own_whoever_asked_before(
    vilam3: Vilam3Reference, nim: ReferenceVila
) -> None:
    first, second = a_picture(width=40), a_picture(width=80)
    for picture in (first, second, first):
        told(vilam3.run(an_image_request(picture=picture)))
    assert [each.picture for each in nim.questions] == [first.encoded, second.encoded, first.encoded]


def test_questions_asked_at_once_keep_their_pictures_apart(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    pictures = [a_picture(width=32 + 8 * at) for at in range(6)]
    said: dict[int, str] = {}

    def ask(at: int) -> None:
        said[at] = told(vilam3.run(an_image_request(picture=pictures[at])))

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [f"{32 + 8 * at} x 64" in said[at] for at in range(6)] == [True] * 6


def test_who_waits_for_another_question_is_told_so_and_can_leave(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    nim.switch(slow=30)

    def ask() -> None:
        with pytest.raises(NimRejected):
            vilam3.run(an_image_request())

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: bool(nim.posts()))
    waiting = Watched("1 before you")
    with pytest.raises(Cancelled):
        vilam3.run(an_image_request(progress=waiting))
    assert waiting.stages == ["waiting: 1 before you"]
    nim.switch(sorry="over")
    nim.released.set()
    asking.join()


def test_an_expert_s_picture_takes_the_place_that_the_model_knows(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    stream = vilam3.run(an_image_request("What does it show?", expert=a_reading()))
    told(stream)
    wanted = (
        "This is a CT image.\nThe results are <image>. The colors in this image describe red: liver, blue: hepatic "
        "tumor. Use this result to respond to this prompt:\nWhat does it show?"
    )
    assert nim.questions[-1].prompt == wanted
    assert stream.prompt == f"user:\n{wanted.replace('<image>', '[picture]')}"


def test_the_talk_before_stands_in_the_prompt(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    stream = vilam3.run(an_image_request("And the plane?", history=TALK))
    told(stream)
    assert nim.questions[-1].prompt == (
        "This is a CT image.\nEarlier question: Is this a CT?\nEarlier answer: Yes.\nAnd the plane?"
    )
    assert stream.provenance.parameters["turns_given"] == 2


def test_turns_that_an_address_has_no_room_for_are_left_out_from_the_oldest() -> None:
    talk = [
        turn
        for at in range(6)
        for turn in (Turn(role="user", text=f"Question {at}?"), Turn(role="assistant", text=f"{at} " * 900))
    ]
    made = build_reference_prompt(an_image_request(history=tuple(talk)))
    assert 0 < made.turns_given < 12
    assert "Question 5?" in made.text
    assert "Question 0?" not in made.text
    everything = build_reference_prompt(an_image_request("x" * 4_000, history=tuple(talk[:2])))
    assert everything.text.endswith("x" * 4_000)
    assert len(made.text) < MOST_TALK_CHARACTERS


def test_the_longest_question_in_any_script_still_fits(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    question = "肝臓" * 2_000
    told(vilam3.run(an_image_request(question)))
    assert nim.questions[-1].prompt.endswith(question)


def test_what_no_address_can_hold_is_refused_before_anything_is_sent(
    vilam3: Vilam3Reference, nim: ReferenceVila
) -> None:
    with pytest.raises(NimRejected, match=f"{MOST_CHARACTERS:,} characters"):
        vilam3.run(an_image_request("肝" * 8_000))
    assert nim.received == []


def test_a_modality_that_nobody_knows_is_not_claimed(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    told(vilam3.run(an_image_request("What is this?", picture=a_picture(modality=None))))
    assert nim.questions[-1].prompt == "What is this?"
    told(vilam3.run(an_image_request("What is this?", modality=Modality.CXR)))
    assert nim.questions[-1].prompt.startswith("This is a CXR image.\n")


@pytest.mark.parametrize("faults", [{}, {"plain": True}, {"expert": True}])
def test_the_text_is_read_however_deep_it_lies_and_no_path_of_the_server_with_it(
    vilam3: Vilam3Reference, nim: ReferenceVila, faults: dict[str, Any]
) -> None:
    nim.switch(text="The picture shows a ramp.", **faults)
    assert told(vilam3.run(an_image_request())) == "The picture shows a ramp."


def test_a_server_that_stumbles_over_the_file_beside_a_question_is_asked_without(
    vilam3: Vilam3Reference, nim: ReferenceVila
) -> None:
    nim.switch(no_pathlib=True)
    picture = a_picture()
    assert "96 x 64" in told(vilam3.run(an_image_request(picture=picture)))
    assert nim.questions[-1].picture == picture.encoded


@pytest.mark.parametrize(
    ("faults", "kind", "message", "hint"),
    [
        ({"as_published": True}, NimRejected, "could not take the picture", "isinstance"),
        ({"no_uploads": True}, NimUnavailable, "not its reference server", "IMAGING_NIM_VILAM3_PROTOCOL"),
        ({"sorry": "410 Client Error: Gone for url: https://api.nvcf.nvidia.com/"}, NimRejected, "410", "hosted"),
        ({"says_nothing": True}, NimReplyInvalid, "without a word", "log"),
        ({"text": " "}, NimReplyInvalid, "without a word", "log"),
        ({"other": True}, NimReplyInvalid, "moved", "IMAGING_NIM_VILAM3_URL"),
        ({"longest": 20}, NimRejected, "too long", "shorter"),
        ({"status": 503, "body": "loading"}, NimUnavailable, "cannot answer now", "wait"),
        ({"status": 401}, NimUnavailable, "refused access", "gateway"),
        ({"status": 500, "body": {"detail": "CUDA out of memory"}}, NimRejected, "CUDA out of memory", ""),
    ],
)
def test_every_fault_is_told_with_its_cause_and_cure(
    vilam3: Vilam3Reference, nim: ReferenceVila, faults: dict[str, Any], kind: type[NimError], message: str, hint: str
) -> None:
    nim.switch(**faults)
    with pytest.raises(kind, match=message) as raised:
        vilam3.run(an_image_request())
    told_all = f"{raised.value.message} {raised.value.hint or ''}"
    assert hint in told_all
    assert QUESTION not in told_all
    assert "https://" not in told_all
    assert "127.0.0.1" not in told_all


def test_a_page_in_its_place_is_no_answer(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    nim.switch(html=True)
    with pytest.raises(NimReplyInvalid, match="sends no answer"):
        vilam3.run(an_image_request())


def test_a_picture_that_was_not_taken_is_never_asked_about(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    told(vilam3.run(an_image_request(picture=a_picture(width=40))))
    nim.switch(as_published=True)
    with pytest.raises(NimRejected):
        vilam3.run(an_image_request(picture=a_picture(width=80)))
    assert len(nim.questions) == 1


def test_a_silent_server_is_waited_for_so_long_and_no_longer(nim: ReferenceVila) -> None:
    nim.switch(slow=30)
    with (
        a_reference(nim.url, ChatTimeouts(connect_s=2.0, quiet_s=0.2)) as vilam3,
        pytest.raises(NimUnavailable, match="did not answer within") as raised,
    ):
        vilam3.run(an_image_request())
    assert raised.value.timed_out
    assert "IMAGING_NIM_VILAM3_TIMEOUT_S" in (raised.value.hint or "")


def test_nobody_there_is_unavailable() -> None:
    with a_reference("http://127.0.0.1:9") as vilam3, pytest.raises(NimUnavailable, match="refused the connection"):
        vilam3.run(an_image_request())


def test_the_wait_can_be_ended_and_the_next_question_is_answered(vilam3: Vilam3Reference, nim: ReferenceVila) -> None:
    nim.switch(slow=30)

    class Leaving(Watched):
        def stage(self, name: str, fraction: float | None = None) -> None:
            super().stage(name, fraction)
            if len(nim.posts()) > 1:
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        vilam3.run(an_image_request(progress=Leaving()))
    nim.switch()
    nim.released.set()
    assert told(vilam3.run(an_image_request()))


def test_neither_question_nor_picture_is_logged_even_at_debug(
    vilam3: Vilam3Reference, nim: ReferenceVila, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told(vilam3.run(an_image_request()))
    assert "organs" not in caplog.text
    assert "Prompt" not in caplog.text
