"""The beginning of a streamed answer, the same for text and pictures: what is tried again, and the first token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from workbench.domain.dialogue import Finish, Sampling
from workbench.domain.errors import NimError, NimReplyInvalid, NimUnavailable
from workbench.domain.progress import Progress
from workbench.nim.http import Connection, Reply
from workbench.nim.llm_failure import is_too_long, told_limit, wait_before_retry_s
from workbench.nim.openai_answer import Piece, Pieces
from workbench.nim.openai_client import ChatBody, ChatClient, Message, Refused
from workbench.nim.probe import Target
from workbench.nim.refusals import Asked
from workbench.nim.served import Served, ServedModel
from workbench.nim.turns import call, wait

_SMALLER = 0.6
"""What is left of the room for what may be left out, when a server counted more tokens than were estimated."""

_FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


class Sent(Protocol):
    """Turns that fit a model."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns."""

    @property
    def max_tokens(self) -> int:
        """The longest answer."""


SentT = TypeVar("SentT", bound=Sent)

MakeSent = Callable[[ServedModel, float], SentT]
"""Turns for a model, with the room for what may be left out scaled by a factor."""


class Elsewhere(Protocol):
    """What to do about an answer that is not 200 and not yet a refusal either."""

    def __call__(self, reply: Reply, asked: Asked, progress: Progress) -> Pieces | None:
        """The answer where it can be had elsewhere, None where the reply is a refusal."""


@dataclass(frozen=True, kw_only=True)
class Started(Generic[SentT]):
    """An answer whose first token is there, who gives it, and what was sent for it."""

    begun: Begun
    model: ServedModel
    sent: SentT


@dataclass(frozen=True, kw_only=True)
class _NotYet(Generic[SentT]):
    """A reply that is not 200, and what it was given to."""

    reply: Reply
    model: ServedModel
    sent: SentT


class Begun:
    """An answer of which the first piece is waited for before it is handed on."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._first: list[str] = []
        self._said: str | None = None

    def await_first(self) -> bool:
        """Read up to the first text; False where the answer ends without one."""
        for piece in self._pieces:
            self._note(piece)
            if piece.text:
                self._first.append(piece.text)
                return True
        return False

    def tokens(self) -> Iterator[str]:
        """The answer from its beginning. An error leaves what came before it valid."""
        try:
            yield from self._first
            for piece in self._pieces:
                self._note(piece)
                if piece.text:
                    yield piece.text
        finally:
            self._pieces.close()

    def finish(self) -> Finish:
        """How it ended; cut where the server never said so, or a person stopped it."""
        return Finish.CUT if self._said is None else _FINISHES.get(self._said, Finish.STOP)

    def close(self) -> None:
        """End it; the server is freed."""
        self._pieces.close()

    def _note(self, piece: Piece) -> None:
        self._said = piece.finish or self._said


class Asking:
    """Asks the model behind a target, patiently: “later” and “too long” are tried once more each.

    `refused` puts any other answer in words. `elsewhere` is asked about each before that; `takes_whole` is the chat
    client's.
    """

    def __init__(
        self,
        target: Target,
        served: Served,
        chat: ChatClient,
        *,
        refused: Callable[[Reply, Asked], NimError],
        elsewhere: Elsewhere | None = None,
        takes_whole: bool = False,
    ) -> None:
        self._name = served.asked("").opening
        self._setting = target.setting
        self._served = served
        self._chat = chat
        self._refused = refused
        self._elsewhere = elsewhere
        self._takes_whole = takes_whole

    def begin(
        self,
        sampling: Sampling,
        make: MakeSent[SentT],
        progress: Progress,
        *,
        quiet_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Started[SentT]:
        """The answer, from its first token on; what is too long is sent once more with less.

        Raises:
            NimUnavailable: not reached, silent for too long, or cut before its first token.
            NimReplyInvalid: no chat, or not a word.
            NimError: whatever `refused` makes of a refusal.
            Cancelled: a person stopped the wait; the connection is closed.
        """
        shrink, waited, shortened = 1.0, False, False
        while True:
            answer = self._attempt(sampling, make, shrink, progress, quiet_s, headers or {})
            if isinstance(answer, Started):
                return answer
            reply, asked = answer.reply, self._served.asked(answer.model.id)
            seconds = None if waited else wait_before_retry_s(reply)
            if is_too_long(reply) and not shortened:
                shortened, shrink = True, _SMALLER
                if (limit := told_limit(reply)) is not None:
                    self._served.learn(limit)
            elif seconds is not None:
                waited = True
                why = f"{self._name} is busy or loading: next try in {seconds:g} s"
                wait(seconds, lambda why=why: progress.stage(why))  # type: ignore[misc]  # a default, not an argument
            elif self._elsewhere is not None and (pieces := self._elsewhere(reply, asked, progress)) is not None:
                return Started(begun=self._first(pieces), model=answer.model, sent=answer.sent)
            else:
                if reply.status == 404:
                    self._served.forget()
                raise self._refused(reply, asked)

    def _attempt(
        self,
        sampling: Sampling,
        make: MakeSent[SentT],
        shrink: float,
        progress: Progress,
        quiet_s: float | None,
        headers: Mapping[str, str],
    ) -> Started[SentT] | _NotYet[SentT]:
        connection = Connection()

        def work() -> Started[SentT] | _NotYet[SentT]:
            model = self._served.model()
            sent = make(model, shrink)
            body = ChatBody(
                model=model.id,
                messages=sent.messages,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sent.max_tokens,
                seed=sampling.seed,
                headers=headers,
            )
            asked = self._served.asked(model.id)
            try:
                pieces = self._chat.open(body, asked, connection, quiet_s=quiet_s, takes_whole=self._takes_whole)
            except Refused as refused:
                return _NotYet(reply=refused.reply, model=model, sent=sent)
            return Started(begun=self._first(pieces), model=model, sent=sent)

        try:
            return call(work, tell=lambda: progress.stage("waiting for the first word"), give_up=connection.hang_up)
        except BaseException:  # also where the answer came in the moment in which the wait was given up
            connection.hang_up()
            raise

    def _first(self, pieces: Pieces) -> Begun:
        begun = Begun(pieces)
        if begun.await_first():
            return begun
        begun.close()
        if begun.finish() is Finish.CUT:
            raise NimUnavailable(
                f"{self._name} broke off before the first word of its answer.",
                hint=self._served.asked("").cure_for_a_break,
            )
        raise NimReplyInvalid(
            f"{self._name} ended its answer without a word.",
            hint=f"Try again, or another model; check that {self._setting} leads to a chat model.",
        )
