"""What every `Talker` holds to: the client of a Llama-3 NIM, the stand-in, and one behind the other."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract_server import LlmNim
from tests.contract_server.llm import MODEL
from tests.nim.made import CLOCK, Watched
from tests.nim.made_chat import PASSAGES, QUESTION, READY, a_llama, a_request, a_sheet, found, told
from tests.serving import wait_until
from workbench.domain.clock import Clock
from workbench.domain.dialogue import Finish, Sampling, Talker, Turn
from workbench.domain.errors import Cancelled, NimRejected, NimUnavailable
from workbench.domain.library import Evidence
from workbench.domain.nim import Service
from workbench.domain.provenance import Origin
from workbench.nim.evidence import Evidence as Known
from workbench.nim.llm import Llama
from workbench.nim.llm_stand_in import LlmStandIn
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.talkers import RefusingTalker, TalkerWithStandIn, WitnessedTalker

CITED = re.compile(r"\[(\w+)\]")
HISTORY = (
    Turn(role="user", text="What is the normal volume of the liver?"),
    Turn(role="assistant", text="It lies between 1200 and 1800 mL. [2]"),
)


@pytest.fixture
def nim() -> Iterator[LlmNim]:
    with LlmNim() as server:
        yield server


@pytest.fixture
def llama(nim: LlmNim) -> Iterator[Llama]:
    with a_llama(nim.url) as client:
        yield client


def away() -> RefusingTalker:
    return RefusingTalker(lambda: NimUnavailable("Llama-3 is away."), lambda: READY)


@pytest.fixture(params=["client", "stand-in", "client before the stand-in", "stand-in after the client", "witnessed"])
def talker(request: pytest.FixtureRequest, llama: Llama) -> Talker:
    stand_in = LlmStandIn(clock=CLOCK)
    made: dict[str, Callable[[], Talker]] = {
        "client": lambda: llama,
        "stand-in": lambda: stand_in,
        "client before the stand-in": lambda: TalkerWithStandIn(llama, stand_in),
        "stand-in after the client": lambda: TalkerWithStandIn(away(), stand_in),
        "witnessed": lambda: WitnessedTalker(llama, Known(Clock())),
    }
    return made[request.param]()


def test_it_says_who_answers_before_the_first_token(talker: Talker) -> None:
    stream = talker.run(a_request())
    assert stream.provenance.origin in (Origin.LOCAL, Origin.MOCK)
    assert stream.provenance.model
    assert stream.is_mock == (stream.provenance.origin is Origin.MOCK)
    stream.close()


def test_its_tokens_make_an_answer_that_cites_only_what_it_was_given(talker: Talker) -> None:
    stream = talker.run(a_request(case=a_sheet()))
    answer = told(stream)
    assert stream.finish() is Finish.STOP
    assert set(CITED.findall(answer)) <= {"1", "2", "3", "Case"}
    assert "between 1200 and 1800 mL" in answer or "largest solid organ" in answer


def test_the_same_request_gives_the_same_answer(talker: Talker) -> None:
    assert told(talker.run(a_request())) == told(talker.run(a_request()))


def test_closing_ends_its_tokens_without_an_error(talker: Talker) -> None:
    stream = talker.run(a_request())
    first = next(stream.tokens)
    stream.close()
    stream.close()
    rest = "".join(stream.tokens)
    assert first + rest != told(talker.run(a_request()))
    assert stream.finish() is Finish.CUT


def test_a_question_that_stands_by_itself_is_not_rewritten(talker: Talker) -> None:
    assert talker.rewrite(QUESTION, ()) == QUESTION


def test_a_follow_up_is_rewritten_so_that_it_names_its_subject(talker: Talker) -> None:
    made = talker.rewrite("And in children?", HISTORY)
    assert "children" in made
    assert "liver" in made


def test_its_status_is_of_llama(talker: Talker) -> None:
    assert talker.status().service is Service.LLM


def test_with_no_passages_and_no_case_it_says_that_nothing_answers(talker: Talker) -> None:
    assert told(talker.run(a_request(passages=()))) == "NOT_IN_LITERATURE"


def test_an_own_nim_is_asked_by_the_model_that_it_lists(nim: LlmNim, llama: Llama) -> None:
    stream = llama.run(a_request(sampling=Sampling(temperature=0.3, top_p=0.8, max_tokens=123, seed=7)))
    told(stream)
    (sent,) = nim.chats()
    assert (sent["model"], sent["stream"]) == (MODEL, True)
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.3, 0.8, 123, 7)
    assert (stream.provenance.origin, stream.provenance.model) == (Origin.LOCAL, MODEL)
    assert stream.provenance.parameters["passages_given"] == 3


def test_without_a_seed_none_is_sent(nim: LlmNim, llama: Llama) -> None:
    told(llama.run(a_request()))
    assert "seed" not in nim.chats()[0]


def test_the_hosted_catalogue_is_asked_by_the_same_client_with_its_key(nim: LlmNim) -> None:
    nim.switch(needs_key="nvapi-good")
    with a_llama(nim.url, hosted=True, model=MODEL, key="nvapi-good") as hosted:
        stream = hosted.run(a_request())
        assert told(stream)
    assert stream.provenance.origin is Origin.CLOUD
    assert [each.path for each in nim.received] == ["/v1/chat/completions"], "the hosted list proves nothing"


def test_an_own_nim_is_sent_no_key_at_all(nim: LlmNim, llama: Llama) -> None:
    told(llama.run(a_request()))
    assert all("authorization" not in each.headers for each in nim.received)


def test_the_window_that_the_nim_tells_limits_what_it_is_sent(nim: LlmNim) -> None:
    many = tuple(found("A sentence about the liver and its volume. " * 40, at=at) for at in range(12))
    given = {}
    for window in (2048, 8192):
        nim.switch(window=window, overflow="flat")
        with a_llama(nim.url) as client:
            stream = client.run(a_request(passages=many))
            given[window] = stream.provenance.parameters["passages_given"]
            assert told(stream)
    assert 1 <= given[2048] < given[8192] <= 12
    assert len(nim.chats()) == 2, "the estimate held: nothing was refused as too long"


def test_a_prompt_that_the_server_counts_as_too_long_is_sent_once_more_with_less(nim: LlmNim, llama: Llama) -> None:
    nim.switch(no_length=True, overflow="llama.cpp", window=1500)
    many = tuple(found("A sentence about the liver and its volume. " * 30, at=at) for at in range(12))
    stream = llama.run(a_request(passages=many, sampling=Sampling(max_tokens=200)))
    assert told(stream)
    first, second = nim.chats()
    assert len(first["messages"][-1]["content"]) > len(second["messages"][-1]["content"])
    assert stream.provenance.parameters["passages_given"] < 12
    told(llama.run(a_request(passages=many, sampling=Sampling(max_tokens=200))))
    assert len(nim.chats()) == 3, "the limit that the refusal named is remembered"


def test_a_nim_that_is_loading_or_busy_is_asked_once_more(nim: LlmNim, llama: Llama) -> None:
    told(llama.run(a_request()))
    watched = Watched()
    nim.switch(starting_calls=1, retry_after=1)
    assert told(llama.run(a_request(progress=watched)))
    assert any("next try in 1 s" in stage for stage in watched.stages)


def test_a_wait_longer_than_a_person_has_is_not_begun(nim: LlmNim, llama: Llama) -> None:
    told(llama.run(a_request()))
    nim.switch(status=429, body={"title": "Too Many Requests"}, headers={"Retry-After": "300"})
    before = len(nim.posts())
    with pytest.raises(NimUnavailable, match="more requests than it takes"):
        llama.run(a_request())
    assert len(nim.posts()) == before + 1


def test_stop_in_mid_answer_frees_the_server(nim: LlmNim, llama: Llama) -> None:
    nim.switch(text="word " * 400, piece_s=0.02)
    stream = llama.run(a_request())
    next(stream.tokens)
    stream.close()
    assert nim.left.wait(30), "the server was never told that nobody listens any more"


def test_stop_from_another_thread_wakes_whoever_reads(nim: LlmNim) -> None:
    nim.switch(stall=300, after=2)
    with a_llama(nim.url, timeouts=ChatTimeouts(quiet_s=300.0)) as llama:
        stream = llama.run(a_request())
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(stream.tokens), daemon=True)
        reader.start()
        wait_until(lambda: len(said) == 2)
        stream.close()
        reader.join(30)
        assert not reader.is_alive()
    assert len(said) == 2
    assert stream.finish() is Finish.CUT


def test_the_wait_for_the_first_token_can_be_ended_and_the_server_is_freed(nim: LlmNim, llama: Llama) -> None:
    nim.switch(stall=300, after=0, text="word " * 400, piece_s=0.01)
    llama.warm()

    class OnceAsked(Watched):
        def stage(self, name: str, fraction: float | None = None) -> None:
            if nim.posts():
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        llama.run(a_request(progress=OnceAsked()))
    nim.released.set()
    assert nim.left.wait(30), "the server still had somebody to talk to"


def test_after_the_first_token_no_stand_in_takes_over(nim: LlmNim, llama: Llama) -> None:
    nim.switch(error=True, after=3, text="One two three four five.")
    stream = TalkerWithStandIn(llama, LlmStandIn(clock=CLOCK)).run(a_request())
    said = [next(stream.tokens) for _ in range(3)]
    with pytest.raises(NimRejected, match="CUDA out of memory"):
        next(stream.tokens)
    assert said == ["One ", "two ", "three "]
    assert not stream.is_mock


def test_the_tokens_before_an_error_reach_whoever_takes_them_one_by_one(nim: LlmNim, llama: Llama) -> None:
    nim.switch(drop="reset", after=3, text="One two three four five.")
    stream = llama.run(a_request())
    assert [next(stream.tokens) for _ in range(3)] == ["One ", "two ", "three "]
    with pytest.raises(NimUnavailable, match="broke before its answer was complete"):
        next(stream.tokens)
    assert stream.finish() is Finish.CUT


@pytest.mark.parametrize(
    ("faults", "finish"),
    [
        ({"cut": True}, Finish.CUT),
        ({"length": True}, Finish.LENGTH),
        ({"no_done": True}, Finish.STOP),
        ({}, Finish.STOP),
    ],
)
def test_how_the_answer_ended_is_told(nim: LlmNim, llama: Llama, faults: dict[str, Any], finish: Finish) -> None:
    nim.switch(**faults)
    stream = llama.run(a_request())
    assert told(stream)
    assert stream.finish() is finish


def test_a_witness_tells_how_answers_end(nim: LlmNim, llama: Llama) -> None:
    evidence = Known(Clock())
    talker = WitnessedTalker(llama, evidence)
    told(talker.run(a_request()))
    assert evidence.known().failing is None
    assert evidence.known().last_call is not None
    nim.switch(cut=True)
    told(talker.run(a_request()))
    failing = evidence.known().failing
    assert failing is not None
    assert "cut before its end" in failing.why
    nim.switch()
    stream = talker.run(a_request())
    next(stream.tokens)
    stream.close()
    list(stream.tokens)
    assert evidence.known().failing is None
    nim.switch(error=True, after=1)
    with pytest.raises(Exception, match="out of memory"):
        told(talker.run(a_request()))
    last = evidence.known().last_call
    assert last is not None
    assert not last.ok


def test_a_connection_that_is_refused_is_answered_by_the_stand_in_with_the_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        with a_llama(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(NimUnavailable, match="refused the connection") as raised:
                client.run(a_request())
            stream = TalkerWithStandIn(client, LlmStandIn(clock=CLOCK)).run(a_request())
    assert stream.is_mock
    assert stream.provenance.stands_in_because == raised.value.message
    assert told(stream).startswith("From the library:")


def test_a_server_that_never_answers_is_given_up_in_time(nim: LlmNim) -> None:
    nim.switch(slow_first=60)
    with (
        a_llama(nim.url, timeouts=ChatTimeouts(quiet_s=0.5)) as client,
        pytest.raises(NimUnavailable, match=r"did not begin to answer within 0\.5 s") as raised,
    ):
        client.run(a_request())
    assert raised.value.timed_out


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://no-such-host.invalid:8520", "host name"),
        ("ftp://127.0.0.1", "address set"),
        ("localhost:8520", "address set"),
        ("http://[broken", "host name|address set"),
    ],
)
@pytest.mark.parametrize("hosted", [False, True])
def test_an_address_that_leads_nowhere_says_what_is_wrong_with_it(url: str, words: str, hosted: bool) -> None:
    with (
        a_llama(url, hosted=hosted, model=MODEL, key="nvapi-x" if hosted else "") as client,
        pytest.raises(NimUnavailable, match=words) as raised,
    ):
        client.run(a_request())
    assert "_URL" in (raised.value.hint or "")


def test_evidence_none_is_never_quoted_by_the_stand_in() -> None:
    stream = LlmStandIn(clock=CLOCK).run(a_request(evidence=Evidence.NONE, passages=PASSAGES))
    assert told(stream) == "NOT_IN_LITERATURE"
