"""Questions to the library, from the person's side: what is asked of whom, what is shown, what leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.case_made import segmented_case
from tests.made import STAMP
from tests.passages import found
from tests.recorded import records
from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.dialogue import (
    NOT_IN_LITERATURE,
    Answer,
    AnswerStream,
    ChatEvent,
    ChatRequest,
    Finish,
    Finished,
    PassagesFound,
    Question,
    Searching,
    Support,
    Token,
    Turn,
)
from workbench.domain.errors import Cancelled, ConsentNeeded, InvalidRequest, NimRejected, NimUnavailable, NotFound
from workbench.domain.library import COMMON, Evidence, Found, Retrieval, Scope
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.usecases.chat import Answering, Chat
from workbench.usecases.consent import Consents, Leaving

ADA = Visitor(owner="ada")
LIVER = found("The unenhanced liver measures 55 to 65 HU in healthy adults.", title="Liver attenuation")
NOISE = found("Halving the slice thickness raises the image noise.", title="Noise and dose", score=0.5)


@dataclass
class Shelf:
    """A library that finds what it is told to find, and keeps what it was asked."""

    evidence: Evidence = Evidence.STRONG
    found: tuple[Found, ...] = (LIVER, NOISE)
    missing: tuple[str, ...] = ()
    asked: list[dict[str, Any]] = field(default_factory=list)

    def retrieve(self, query: str, **how: Any) -> Retrieval:
        self.asked.append({"query": query, **how})
        return Retrieval(query=query, found=self.found, evidence=self.evidence, missing=self.missing)

    def rarity(self, terms: Sequence[str], collections: Sequence[str] = ()) -> Mapping[str, float]:
        return dict.fromkeys(terms, 1.0)


@dataclass
class Speaker:
    """Somebody who says what it is told to say, and keeps what it was given."""

    says: tuple[str, ...] = ("The healthy liver ", "measures 55 to 65 HU [1].")
    origin: Origin = Origin.LOCAL
    state: State = State.AVAILABLE
    breaks: Exception | None = None
    refuses: Exception | None = None
    ends: Finish = Finish.STOP
    given: list[ChatRequest] = field(default_factory=list)
    rewrites: Callable[[str], str] | None = None
    closed: int = 0

    def status(self) -> NimStatus:
        return NimStatus(
            service=Service.LLM, state=self.state, published_state=self.state, url="integrate.example", detail=""
        )

    def run(self, request: ChatRequest, /) -> AnswerStream:
        if self.refuses is not None:
            raise self.refuses
        self.given.append(request)
        made = Provenance(origin=self.origin, model="llama", version="3", created_at=STAMP)
        return AnswerStream(provenance=made, tokens=self._tokens(), finish=lambda: self.ends, close=self._close)

    def rewrite(self, question: str, history: Sequence[Turn], /) -> str:
        if self.rewrites is None:
            raise NimUnavailable("Llama-3 is away.")
        return self.rewrites(question)

    def _tokens(self) -> Iterator[str]:
        yield from self.says
        if self.breaks is not None:
            raise self.breaks

    def _close(self) -> None:
        self.closed += 1


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def consents() -> Consents:
    return Consents()


@pytest.fixture
def stand_in() -> Speaker:
    return Speaker(says=("From the library: ", LIVER.passage.text, " [1]"), origin=Origin.MOCK, state=State.MOCK)


@pytest.fixture
def chat(tmp_path, shelf, speaker, stand_in, consents) -> Chat:
    return chatting(tmp_path, shelf, speaker, stand_in, consents)


def chatting(tmp_path, shelf, speaker, stand_in, consents, *, mode=Mode.LOCAL, allows=True) -> Chat:
    def case(visitor: Visitor, case_id: str):
        if visitor != ADA or case_id != "c0ffee":
            raise NotFound("There is no such case.")
        return segmented_case(Origin.MOCK, owner=ADA.owner)

    return Chat(
        answering=lambda _: Answering(
            mode=mode,
            library=shelf,
            words_alone=shelf,
            talker=speaker,
            stand_in=stand_in,
            allows_stand_in=allows,
            leaves_for="https://catalogue.example/v1" if mode is Mode.CLOUD else None,
        ),
        case=case,
        scope=lambda visitor: Scope(readers=(COMMON, visitor.owner)),
        consents=consents,
        records=records(tmp_path),
        clock=Clock(),
    )


def answer_of(events: Sequence[ChatEvent]) -> Answer:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.answer


def asked(chat: Chat, text: str = "How bright is a healthy liver?", **more: Any) -> list[ChatEvent]:
    return list(chat.ask(ADA, Question(text=text, **more), asks_consent=False))


def test_events_come_in_their_order_and_the_answer_is_checked(chat):
    events = asked(chat)

    assert [type(each) for each in events] == [Searching, PassagesFound, Token, Token, Finished]
    answer = answer_of(events)
    assert answer.text == "The healthy liver measures 55 to 65 HU [1]."
    assert [each.found for each in answer.citations] == [LIVER]
    assert answer.sentences[0].support is Support.SUPPORTED
    assert answer.provenance.model == "llama"
    assert not answer.is_mock


def test_without_evidence_nobody_is_asked_and_the_missing_words_are_named(chat, shelf, speaker):
    shelf.evidence, shelf.missing = Evidence.NONE, ("sourdough",)

    answer = answer_of(asked(chat, "How do I bake sourdough?"))

    assert speaker.given == []
    assert answer.evidence is Evidence.NONE
    assert "The library does not answer this." in answer.text
    assert "sourdough" in answer.text
    assert answer.citations == ()
    assert answer.nearest == shelf.found


def test_a_model_that_finds_no_answer_in_the_passages_is_taken_at_its_word(chat, speaker):
    speaker.says = ("NOT_IN", "_LITERATURE")

    events = asked(chat)

    assert not any(isinstance(each, Token) for each in events)
    answer = answer_of(events)
    assert answer.evidence is Evidence.NONE
    assert NOT_IN_LITERATURE not in answer.text
    assert answer.nearest


def test_an_answer_that_only_begins_like_the_words_for_none_is_shown_whole(chat, speaker):
    speaker.says = ("NOT", " every liver measures 55 to 65 HU [1].")

    events = asked(chat)

    assert (
        "".join(each.text for each in events if isinstance(each, Token)) == "NOT every liver measures 55 to 65 HU [1]."
    )


def test_weak_evidence_is_answered_and_told(chat, shelf, speaker):
    shelf.evidence = Evidence.WEAK

    answer = answer_of(asked(chat))

    assert answer.evidence is Evidence.WEAK
    assert speaker.given[0].evidence is Evidence.WEAK


def test_a_question_is_made_self_contained_before_the_search_and_the_form_is_told(chat, shelf, speaker):
    speaker.rewrites = lambda question: "How bright is the spleen on CT?"

    events = asked(chat, "And the spleen?", history=(Turn(role="user", text="How bright is the liver on CT?"),))

    assert shelf.asked[0]["query"] == "How bright is the spleen on CT?"
    assert events[0] == Searching(rewritten="How bright is the spleen on CT?")
    assert answer_of(events).rewritten == "How bright is the spleen on CT?"


def test_a_rule_rewrites_where_the_model_cannot_and_says_so(chat, shelf):
    asked_of = (Turn(role="user", text="How bright is the liver on unenhanced CT?"), Turn(role="assistant", text="55."))

    answer = answer_of(asked(chat, "And with fat in it?", history=asked_of))

    assert "liver" in shelf.asked[0]["query"]
    assert any("rule" in each for each in answer.notices)


def test_filters_collections_and_owner_reach_the_search(chat, shelf):
    asked(chat, collections=("imaging_notes",), year_from=2018, year_to=2020, sources=("a.pdf",), top_k=3)

    how = shelf.asked[0]
    scope = how["scope"]
    assert how["collections"] == ("imaging_notes",)
    assert how["limit"] == 3
    assert scope.readers == (COMMON, "ada")
    assert (scope.year_from, scope.year_to, scope.sources) == (2018, 2020, ("a.pdf",))


def test_the_case_is_a_source_and_a_mock_case_makes_a_mock_answer(chat, shelf, speaker):
    shelf.evidence = Evidence.NONE
    speaker.says = ("The volume of the liver is 1512.3 mL [Case]. The spleen has 99 mL [Case].",)

    answer = answer_of(asked(chat, "How large is the liver?", case_id="c0ffee"))

    request = speaker.given[0]
    assert request.case is not None
    assert "MOCK" in request.case.text
    assert request.passages == ()
    assert [each.support for each in answer.sentences] == [Support.SUPPORTED, Support.WRONG_NUMBER]
    assert answer.uncited == ("The spleen has 99 mL [Case].",)
    assert answer.is_mock


def test_somebody_elses_case_is_no_source(chat):
    with pytest.raises(NotFound):
        chat.ask(Visitor(owner="ben"), Question(text="How large?", case_id="c0ffee"), asks_consent=False)


def test_what_came_before_a_broken_stream_was_passed_on(chat, speaker):
    speaker.breaks = NimRejected("Llama-3 broke off.")
    events: list[ChatEvent] = []

    with pytest.raises(NimRejected):
        events.extend(chat.ask(ADA, Question(text="How bright?"), asks_consent=False))

    assert "".join(each.text for each in events if isinstance(each, Token)) == "".join(speaker.says)
    assert speaker.closed >= 1


def test_stopping_lets_go_of_the_model_and_ends_as_stopped(chat, speaker):
    under_way = chat.ask(ADA, Question(text="How bright?"), asks_consent=False)
    events = iter(under_way)
    while not isinstance(next(events), Token):
        pass
    under_way.stop()

    with pytest.raises(Cancelled):
        list(events)
    assert speaker.closed >= 1


def test_a_stream_that_ended_early_is_told_with_its_answer(chat, speaker):
    speaker.ends = Finish.CUT

    assert answer_of(asked(chat)).finish is Finish.CUT


@pytest.mark.parametrize("text", ["", "   \n"])
def test_an_empty_question_is_refused(chat, text):
    with pytest.raises(InvalidRequest):
        asked(chat, text)


def test_a_question_of_fifty_thousand_characters_is_refused_with_the_limit(chat, speaker):
    with pytest.raises(InvalidRequest, match="4,000"):
        asked(chat, "x" * 50_000)
    assert speaker.given == []


def test_nothing_is_sent_to_the_catalogue_before_the_person_agreed(tmp_path, shelf, speaker, stand_in, consents):
    speaker.state, speaker.origin = State.CLOUD, Origin.CLOUD
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD)
    question = Question(text="How bright is the liver?", case_id="c0ffee")

    with pytest.raises(ConsentNeeded) as first:
        chat.ask(ADA, question, asks_consent=True)
    assert (first.value.what, first.value.where) == ("text", "https://catalogue.example/v1")
    consents.say(ADA, Leaving.TEXT, granted=True)
    with pytest.raises(ConsentNeeded) as second:
        chat.ask(ADA, question, asks_consent=True)
    assert second.value.what == "case"
    assert speaker.given == []
    consents.say(ADA, Leaving.CASE, granted=True)

    assert answer_of(list(chat.ask(ADA, question, asks_consent=True))).provenance.origin is Origin.CLOUD
    assert speaker.given[0].case is not None


def test_a_catalogue_that_looks_down_is_asked_about_too_for_it_may_be_up_a_moment_later(
    tmp_path, shelf, speaker, stand_in, consents
):
    speaker.state = State.UNAVAILABLE
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD)

    with pytest.raises(ConsentNeeded):
        chat.ask(ADA, Question(text="How bright is the liver?"), asks_consent=True)

    assert speaker.given == []


def test_a_declined_case_is_not_sent_and_the_answer_says_so(tmp_path, shelf, speaker, stand_in, consents):
    speaker.state, speaker.origin = State.CLOUD, Origin.CLOUD
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD)
    consents.say(ADA, Leaving.TEXT, granted=True)
    consents.say(ADA, Leaving.CASE, granted=False)

    answer = answer_of(
        list(chat.ask(ADA, Question(text="How bright is the liver?", case_id="c0ffee"), asks_consent=True))
    )

    assert speaker.given[0].case is None
    assert answer.case is None
    assert any("declined" in each for each in answer.notices)


def test_declining_to_send_means_a_mock_that_says_so(tmp_path, shelf, speaker, stand_in, consents):
    speaker.state = State.CLOUD
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD)
    consents.say(ADA, Leaving.TEXT, granted=False)

    answer = answer_of(list(chat.ask(ADA, Question(text="How bright is the liver?"), asks_consent=True)))

    assert speaker.given == []
    assert answer.is_mock
    assert "declined" in (answer.provenance.stands_in_because or "")


def test_declining_where_no_mock_may_stand_in_is_an_error(tmp_path, shelf, speaker, stand_in, consents):
    speaker.state = State.CLOUD
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD, allows=False)
    consents.say(ADA, Leaving.TEXT, granted=False)

    with pytest.raises(NimUnavailable, match="declined"):
        chat.ask(ADA, Question(text="How bright is the liver?"), asks_consent=True)


def test_scripts_consent_by_running_in_cloud_mode(tmp_path, shelf, speaker, stand_in, consents):
    speaker.state = State.CLOUD
    chat = chatting(tmp_path, shelf, speaker, stand_in, consents, mode=Mode.CLOUD)

    assert answer_of(asked(chat)).text


def test_mock_mode_marks_even_the_answer_that_nobody_was_asked_for(tmp_path, shelf, stand_in, consents):
    chat = chatting(tmp_path, replace(shelf, evidence=Evidence.NONE), stand_in, stand_in, consents, mode=Mode.MOCK)

    assert answer_of(asked(chat)).is_mock
