"""Ask the library in plain words: find passages, judge them, have them put into an answer, and hold it against them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from workbench.domain.case import Case, Visitor
from workbench.domain.clock import Clock
from workbench.domain.dialogue import (
    MOST_QUESTION_CHARACTERS,
    NOT_IN_LITERATURE,
    Answer,
    AnswerStream,
    CaseSheet,
    ChatEvent,
    ChatRequest,
    Finished,
    Question,
    Searching,
    Talker,
    Token,
)
from workbench.domain.errors import InvalidRequest, NimError, NimUnavailable
from workbench.domain.library import Evidence, Found, Library, Retrieval, Scope
from workbench.domain.nim import Mode, Service
from workbench.domain.progress import Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Purpose
from workbench.domain.trace import span
from workbench.language.followup import self_contained
from workbench.usecases.answer_draft import AnswerDraft, folded
from workbench.usecases.answer_under_way import AnswerUnderWay, pieces
from workbench.usecases.case_sheet import build_case_sheet
from workbench.usecases.check_answer import Renumbering, check_answer
from workbench.usecases.consent import Consents, Leaving
from workbench.usecases.records import Records

NO_MODEL = "no model asked"
_MOST_PASSAGES = 20
_PER_DOCUMENT = 2


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Who finds and who answers in a visitor's mode. `stand_in` answers what may not leave this machine.

    `words_alone` searches the same passages by words, without vectors. `leaves_for` is the address outside this
    machine to which a question would be sent, whatever its state is now; None where nothing leaves.
    """

    mode: Mode
    library: Library
    words_alone: Library
    talker: Talker
    stand_in: Talker
    allows_stand_in: bool
    leaves_for: str | None = None


class Chat:
    """Answers that rest on passages, for whoever asks."""

    def __init__(
        self,
        *,
        answering: Callable[[Visitor], Answering],
        case: Callable[[Visitor, str], Case],
        scope: Callable[[Visitor], Scope],
        consents: Consents,
        records: Records,
        clock: Clock,
    ) -> None:
        """`answering` tells who answers a visitor, `case` gives a case that is theirs, `scope` what they may read."""
        self._answering = answering
        self._case = case
        self._may_read = scope
        self._consents = consents
        self._records = records
        self._clock = clock

    def ask(self, visitor: Visitor, question: Question, *, asks_consent: bool) -> AnswerUnderWay[ChatEvent]:
        """Begin an answer. What can be refused is refused before it is returned.

        Args:
            visitor: who asks.
            question: what, and of what.
            asks_consent: whether the visitor is a person at the page, who is asked before anything leaves this
                machine. REST and the command line consent by running in cloud mode.

        Raises:
            InvalidRequest: an empty or too long question, or fields out of range.
            PurposeRefused: the operator does not allow Llama-3 for chat.
            ConsentNeeded: the person must be asked first.
            NimUnavailable: the person declined, and no mock may stand in.
            NotFound: somebody else's case.
        """
        _refuse(question)
        self._records.purposes.require(Service.LLM, Purpose.CHAT)
        who = self._answering(visitor)
        sheet = build_case_sheet(self._case(visitor, question.case_id)) if question.case_id else None
        notices: tuple[str, ...] = ()
        if asks_consent:
            who, sheet, notices = self._with_consent(visitor, who, sheet)
        return AnswerUnderWay(lambda under_way: self._events(under_way, visitor, question, who, sheet, notices))

    def retrieve(self, visitor: Visitor, question: Question, *, words_alone: bool = False) -> Retrieval:
        """The passages alone, one a document; with `words_alone` by BM25, without vectors and reranker.

        Raises:
            InvalidRequest: an empty or too long question, or fields out of range.
            NotFound: an unknown collection.
        """
        _refuse(question)
        who = self._answering(visitor)
        return (who.words_alone if words_alone else who.library).retrieve(
            question.text,
            collections=question.collections,
            scope=self._scope(visitor, question),
            limit=question.top_k,
            per_document=1,
            progress=Silent(),
        )

    def _scope(self, visitor: Visitor, question: Question) -> Scope:
        return replace(
            self._may_read(visitor),
            year_from=question.year_from,
            year_to=question.year_to,
            sources=question.sources,
        )

    def _with_consent(
        self, visitor: Visitor, who: Answering, sheet: CaseSheet | None
    ) -> tuple[Answering, CaseSheet | None, tuple[str, ...]]:
        """Who may answer, and from what, after the person was asked what may leave this machine."""
        where = who.leaves_for
        if where is None:
            return who, sheet, ()
        if not self._consents.granted(visitor, Leaving.TEXT, where=where):
            if not who.allows_stand_in:
                raise NimUnavailable(
                    "You declined to send this to the hosted catalogue, and no mock may stand in.",
                    hint="Agree to send it, or switch the mode to local or mock.",
                )
            return replace(who, talker=_Declined(who.stand_in)), sheet, ()
        if sheet is not None and not self._consents.granted(visitor, Leaving.CASE, where=where):
            return who, None, ("You declined to send the case, so the answer does not use it.",)
        return who, sheet, ()

    def _events(
        self,
        under_way: AnswerUnderWay[ChatEvent],
        visitor: Visitor,
        question: Question,
        who: Answering,
        sheet: CaseSheet | None,
        notices: tuple[str, ...],
    ) -> Iterator[ChatEvent]:
        with self._records.runs.recording(Service.LLM.value, visitor, mode=who.mode.value) as run:
            start = time.monotonic()
            asked, noted = self._self_contained(question, who)
            rewritten = asked if folded(asked) != folded(question.text) else None
            yield Searching(rewritten=rewritten)
            with span("search"):
                retrieval = who.library.retrieve(
                    asked,
                    collections=question.collections,
                    scope=self._scope(visitor, question),
                    limit=question.top_k,
                    per_document=_PER_DOCUMENT,
                    progress=Silent(),
                )
            under_way.check()
            answer = AnswerDraft(
                question=question,
                asked=asked,
                rewritten=rewritten,
                retrieval=replace(retrieval, notices=(*notices, *noted, *retrieval.notices)),
                sheet=sheet,
                searched_s=time.monotonic() - start,
            )
            if answer.evidence is Evidence.NONE:
                made = self._unasked(who)
                yield answer.found(made)
                finished = answer.unanswered(made, elapsed_s=self._clock.elapsed_s(start))
            else:
                finished = yield from self._answered(answer, who, start, under_way)
            run.made(finished.provenance)
            self._records.metrics.answer(finished.evidence.value, unsupported=len(finished.uncited))
            yield Finished(answer=finished)

    def _answered(
        self, draft: AnswerDraft, who: Answering, start: float, under_way: AnswerUnderWay[ChatEvent]
    ) -> Generator[ChatEvent, None, Answer]:
        """Let the model speak, pass its words on, then check them."""
        request = ChatRequest(
            question=draft.asked,
            passages=draft.passages,
            evidence=draft.evidence,
            history=draft.question.history,
            case=draft.sheet,
            sampling=draft.question.sampling,
            progress=under_way,
        )
        with span("generate"):
            stream = who.talker.run(request)
        with closing(_Closing(stream)):
            under_way.speaking(stream)
            yield draft.found(stream.provenance)
            given = _given(stream, draft.passages)
            numbering = Renumbering(len(given), has_case=draft.sheet is not None)
            said, held, first_s = "", "", None
            for piece in pieces(stream, under_way):
                first_s = time.monotonic() - start if first_s is None else first_s
                said += piece
                held += numbering.feed(piece)
                # The words for "no answer" are for us; nothing is shown while it may still become them.
                if held and not _may_be_none(said):
                    yield Token(text=held)
                    held = ""
            finish = stream.finish()
        made = self._provenance(stream.provenance, draft)
        timings = {"first_token": (first_s or 0.0) * 1000}
        if said.strip().startswith(NOT_IN_LITERATURE):
            return draft.unanswered(made, elapsed_s=self._clock.elapsed_s(start), finish=finish, timings=timings)
        if rest := held + numbering.end():
            yield Token(text=rest)
        with span("check"):
            checked = check_answer(
                said,
                given,
                case=draft.sheet,
                rarity=lambda terms: who.library.rarity(terms, draft.question.collections),
            )
        return draft.answered(checked, made, finish=finish, elapsed_s=self._clock.elapsed_s(start), timings=timings)

    def _self_contained(self, question: Question, who: Answering) -> tuple[str, tuple[str, ...]]:
        """The question as it can be searched for by itself, and what to say about how that came about."""
        if not question.history:
            return question.text, ()
        try:
            with span("rewrite"):
                return who.talker.rewrite(question.text, question.history), ()
        except NimError as error:
            by_rule = self_contained(question.text, question.history)
            return by_rule, (f"The question was made self-contained by a rule: {error.message}",)

    def _unasked(self, who: Answering) -> Provenance:
        """Of an answer that no model was asked for: the workbench's own, and a mock's where only mocks answer."""
        return Provenance(
            origin=Origin.MOCK if who.mode is Mode.MOCK else Origin.LOCAL,
            model="mock Llama-3" if who.mode is Mode.MOCK else NO_MODEL,
            version="",
            created_at=self._clock.stamp(),
            parameters={"mode": who.mode.value},
        )

    @staticmethod
    def _provenance(made: Provenance, draft: AnswerDraft) -> Provenance:
        """Who answered, from what: an answer about an invented case is as invented as the case."""
        sampling = draft.question.sampling
        parameters = {
            **made.parameters,
            "evidence": draft.evidence.value,
            "passages": [each.passage.id for each in draft.passages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        inputs = (*made.inputs, draft.sheet.provenance) if draft.sheet is not None else made.inputs
        return replace(made, parameters=parameters, inputs=inputs)


class _Declined:
    """The mock in place of somebody the person did not want to send to; the reason stands on the answer."""

    def __init__(self, stand_in: Talker) -> None:
        self._stand_in = stand_in
        self.status = stand_in.status
        self.rewrite = stand_in.rewrite

    def run(self, request: ChatRequest, /) -> AnswerStream:
        stream = self._stand_in.run(request)
        because = "you declined to send it to the hosted catalogue"
        return replace(stream, provenance=replace(stream.provenance, stands_in_because=because))


class _Closing:
    """Lets `closing` end a stream, whatever ended its reading."""

    def __init__(self, stream: AnswerStream) -> None:
        self.close = stream.close


def _may_be_none(said: str) -> bool:
    """Whether the answer so far may be, or become, the words for none."""
    begun = said.strip()
    return NOT_IN_LITERATURE.startswith(begun) or begun.startswith(NOT_IN_LITERATURE)


def _given(stream: AnswerStream, passages: tuple[Found, ...]) -> tuple[Found, ...]:
    """The passages that found room in the model's window: it cannot cite what it was not shown."""
    shown = stream.provenance.parameters.get("passages_given")
    return passages[:shown] if isinstance(shown, int) else passages


def _refuse(question: Question) -> None:
    if not question.text.strip():
        raise InvalidRequest("The question is empty.", hint="Type a question.")
    if len(question.text) > MOST_QUESTION_CHARACTERS:
        raise InvalidRequest(
            f"The question has {len(question.text):,} characters; at most {MOST_QUESTION_CHARACTERS:,} are taken.",
            hint="Shorten it, or add the long text to the library and ask about it.",
        )
    if not 1 <= question.top_k <= _MOST_PASSAGES * 5:
        raise InvalidRequest(f"top_k must lie between 1 and {_MOST_PASSAGES * 5}.", hint="5 is a good start.")
    if question.year_from is not None and question.year_to is not None and question.year_from > question.year_to:
        raise InvalidRequest("The first year lies after the last.", hint="Swap them.")
