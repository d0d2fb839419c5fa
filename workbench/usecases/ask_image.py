"""Ask about a picture: who may answer, what was sent, the words as they come, and what the model calls for next."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace

from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.dialogue import MOST_QUESTION_CHARACTERS, Token
from workbench.domain.errors import InvalidRequest, NimUnavailable
from workbench.domain.image_dialogue import (
    Begun,
    ExpertRead,
    ImageAnswer,
    ImageAnswered,
    ImageEvent,
    ImageQuestion,
    ImageRequest,
    ImageStream,
    ImageTalker,
)
from workbench.domain.nim import Service
from workbench.domain.records import Purpose
from workbench.domain.trace import span
from workbench.usecases.answer_under_way import AnswerUnderWay, pieces
from workbench.usecases.consent import Consents, Leaving
from workbench.usecases.expert_offer import Behind, trigger_of
from workbench.usecases.expert_reading import ReadWithExpert
from workbench.usecases.image_talk import ImageAnswering, ImageTalk
from workbench.usecases.prepare_picture import PreparePicture
from workbench.usecases.records import Records


class AskImage:
    """Answers about pictures, for whoever asks."""

    def __init__(
        self,
        *,
        answering: Callable[[Visitor], ImageAnswering],
        pictures: PreparePicture,
        experts: ReadWithExpert,
        consents: Consents,
        records: Records,
        clock: Clock,
    ) -> None:
        """`answering` tells who answers a visitor."""
        self._answering = answering
        self._pictures = pictures
        self._experts = experts
        self._consents = consents
        self._records = records
        self._clock = clock

    def require(self, text: str) -> None:
        """Refuse what can be refused before a picture is even taken in.

        Raises:
            InvalidRequest: an empty or too long question.
            PurposeRefused: the operator does not allow VILA-M3 for questions about pictures.
        """
        refuse_question(text)
        self._records.purposes.require(Service.VILA_M3, Purpose.IMAGE_QUESTIONS)

    def ask(self, visitor: Visitor, question: ImageQuestion, *, asks_consent: bool) -> AnswerUnderWay[ImageEvent]:
        """Begin an answer. What can be refused is refused before it is returned.

        Args:
            visitor: who asks.
            question: what, and about which picture.
            asks_consent: whether the visitor is a person at the page, who is asked before anything leaves this
                machine. REST and the command line consent by running in cloud mode.

        Raises:
            InvalidRequest: an empty or too long question.
            PurposeRefused: the operator does not allow VILA-M3 for questions about pictures.
            NotFound: no such picture, or somebody else's.
            ConsentNeeded: the person must be asked first.
            NimUnavailable: the person declined, and no mock may stand in.
        """
        self.require(question.text)
        talk = self._talk(visitor, question, asks_consent=asks_consent)
        return AnswerUnderWay(lambda under_way: self._answer(under_way, talk))

    def run_expert(
        self, visitor: Visitor, question: ImageQuestion, argument: str, *, asks_consent: bool
    ) -> AnswerUnderWay[ImageEvent]:
        """Run what the model called for, after the person's yes, and ask it again with the result.

        `question` is the one that led to the call, its history the talk before it; the client puts the call between
        them. The case's own mask stays as it is. Where nothing is marked on the picture's slice, the model has
        nothing to look at and is not asked.

        Raises:
            InvalidRequest: as `ask`, or an argument that the model may not use.
            StateConflict: no CT lies behind the picture, or something runs on its case.
            PurposeRefused, NotFound, ConsentNeeded, NimUnavailable: as `ask`; VISTA-3D must be allowed too.
        """
        self.require(question.text)
        trigger = trigger_of(argument)
        about = self._pictures.get(visitor, question.picture_id).facts
        self._experts.require(visitor, about)
        talk = self._talk(visitor, question, asks_consent=asks_consent)

        def events(under_way: AnswerUnderWay[ImageEvent]) -> Iterator[ImageEvent]:
            read = yield from self._experts.read(visitor, about, trigger, under_way.check)
            yield ExpertRead(reading=read.reading)
            under_way.check()
            after = replace(
                talk,
                shown=self._pictures.get(visitor, read.reading.picture.id),
                expert=read.reading,
                notices=read.notices,
                timings_ms={"expert": self._clock.elapsed_s(talk.start) * 1000},
            )
            yield from self._answer(under_way, after)

        return AnswerUnderWay(events)

    def _talk(self, visitor: Visitor, question: ImageQuestion, *, asks_consent: bool) -> ImageTalk:
        picture = self._pictures.get(visitor, question.picture_id)
        return ImageTalk(
            visitor=visitor,
            question=question,
            picture=picture,
            shown=picture,
            who=self._who(visitor, asks_consent=asks_consent),
            start=time.monotonic(),
        )

    def _who(self, visitor: Visitor, *, asks_consent: bool) -> ImageAnswering:
        """Who may answer, after the person was asked whether the picture may leave this machine."""
        who = self._answering(visitor)
        if not asks_consent or who.leaves_for is None:
            return who
        if self._consents.granted(visitor, Leaving.IMAGE, where=who.leaves_for):
            return who
        if not who.allows_stand_in:
            raise NimUnavailable(
                "You declined to send the picture to the hosted catalogue, and no mock may stand in.",
                hint="Agree to send it, or switch the mode to local or mock.",
            )
        return replace(who, talker=_Declined(who.stand_in), leaves_for=None)

    def _answer(self, under_way: AnswerUnderWay[ImageEvent], talk: ImageTalk) -> Iterator[ImageEvent]:
        recording = self._records.runs.recording(
            Service.VILA_M3.value, talk.visitor, input_sha256=talk.shown.facts.sha256, mode=talk.who.mode.value
        )
        with recording as run:
            if talk.expert is not None and not talk.expert.legend:
                elapsed_s = self._clock.elapsed_s(talk.start)
                answer = talk.unmarked(talk.expert, at=self._clock.stamp(), elapsed_s=elapsed_s)
                yield Begun(provenance=answer.provenance, prompt=answer.prompt, sent_as=answer.sent_as)
                yield Token(text=answer.text)
            else:
                answer = yield from self._spoken(under_way, talk)
            run.made(answer.provenance)
            yield ImageAnswered(answer=answer)

    def _spoken(
        self, under_way: AnswerUnderWay[ImageEvent], talk: ImageTalk
    ) -> Generator[ImageEvent, None, ImageAnswer]:
        """Let the model speak and pass its words on."""
        behind = self._experts.behind(talk.visitor, talk.about)
        with span("generate"):
            stream = talk.who.talker.run(talk.request(has_volume=behind is Behind.VOLUME, progress=under_way))
        with closing(_Closing(stream)):
            under_way.speaking(stream)
            made = talk.begun(stream.provenance, stream.sent_as)
            yield Begun(provenance=made, prompt=stream.prompt, sent_as=stream.sent_as)
            said: list[str] = []
            first_ms = 0.0
            for piece in pieces(stream, under_way):
                first_ms = first_ms or self._clock.elapsed_s(talk.start) * 1000
                said.append(piece)
                yield Token(text=piece)
            finish = stream.finish()
        elapsed_s = self._clock.elapsed_s(talk.start)
        who = talk.who
        return talk.answered(
            "".join(said),
            stream,
            behind,
            self._records.noted(replace(made, elapsed_s=elapsed_s), who.mode, who.talker.status()),
            finish=finish,
            timings_ms={"first_token": first_ms, "total": elapsed_s * 1000},
        )


def refuse_question(text: str) -> None:
    """Raise `InvalidRequest` for an empty or too long question."""
    if not text.strip():
        raise InvalidRequest("The question is empty.", hint="Type a question about the picture.")
    if len(text) > MOST_QUESTION_CHARACTERS:
        raise InvalidRequest(
            f"The question has {len(text):,} characters; at most {MOST_QUESTION_CHARACTERS:,} are taken.",
            hint="Shorten it, or ask in several turns.",
        )


class _Declined:
    """The mock in place of somebody the person did not want to send to; the reason stands on the answer."""

    def __init__(self, stand_in: ImageTalker) -> None:
        self._stand_in = stand_in
        self.status = stand_in.status

    def run(self, request: ImageRequest, /) -> ImageStream:
        stream = self._stand_in.run(request)
        because = "you declined to send the picture to the hosted catalogue"
        return replace(stream, provenance=replace(stream.provenance, stands_in_because=because))


class _Closing:
    """Lets `closing` end a stream, whatever ended its reading."""

    def __init__(self, stream: ImageStream) -> None:
        self.close = stream.close
