"""The client of a Llama-3 NIM, or of the hosted catalogue: what is sent, what is waited for, what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import httpx

from workbench.domain.clock import Clock
from workbench.domain.dialogue import AnswerStream, ChatRequest, Finish, Sampling, Turn
from workbench.domain.errors import NimReplyInvalid, NimUnavailable
from workbench.domain.nim import NimStatus
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.trace import span
from workbench.language.followup import self_contained
from workbench.nim.http import Connection, Line
from workbench.nim.llm_failure import chat_refusal, is_too_long, told_limit, wait_before_retry_s
from workbench.nim.llm_prompt import CONTEXT_TOKENS, Prompt, build_prompt
from workbench.nim.llm_rewrite import most_tokens, rewrite_messages, usable
from workbench.nim.openai_client import ChatBody, ChatClient, ChatPieces, ChatTimeouts, Piece, Refused
from workbench.nim.probe import Target
from workbench.nim.served import Served, ServedModel
from workbench.nim.turns import call, wait

_SMALLER = 0.6
"""What is left of the room for passages when a server counted more tokens than were estimated."""

_REWRITE_S = 20.0
"""Longest silence while a question is rewritten, seconds; after it the rule does it."""

_MakePrompt = Callable[[int, float], Prompt]
"""Turns for a window of so many tokens, with the room for passages scaled by a factor."""

_FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


class Llama:
    """Llama-3 where `target` says, a `Talker`; own and hosted differ in nothing but that.

    `client` (`http.new_client`) asks for the models. `status` tells what a request would get now.
    """

    def __init__(
        self,
        target: Target,
        *,
        client: httpx.Client,
        clock: Clock,
        status: Callable[[], NimStatus],
        timeouts: ChatTimeouts | None = None,
        chat: ChatClient | None = None,
    ) -> None:
        """`chat` takes the place of the client of the `openai` package."""
        line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)
        self._served = Served(target, line)
        self._chat = chat or ChatClient(target.url, key=target.key, timeouts=timeouts)
        self._is_hosted = target.is_hosted
        self._title = target.service.display_name
        self._setting = target.setting
        self._clock = clock
        self._status = status

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._status()

    def warm(self) -> None:
        """Load what the first answer would have to wait for; opens no socket."""
        self._chat.warm()

    def close(self) -> None:
        """Let go of connections."""
        self._chat.close()

    def run(self, request: ChatRequest, /) -> AnswerStream:
        """Begin an answer; returns with its first token, so that until then somebody else may answer.

        Raises:
            NimUnavailable: it cannot be used: not there, loading, no answer in time, access refused, model gone.
            NimRejected: it refused the request.
            NimReplyInvalid: it answered with something that is no chat, or with nothing.
            Cancelled: a person stopped the wait; the connection is closed.
        """

        def prompt_for(window: int, shrink: float) -> Prompt:
            return build_prompt(request, context_tokens=window, shrink=shrink)

        with span("NIM call", service="llm"):
            begun, model, prompt = self._begin(request.sampling, prompt_for, request.progress)
        return AnswerStream(
            tokens=begun.tokens(),
            finish=begun.finish,
            close=begun.close,
            provenance=Provenance(
                origin=Origin.CLOUD if self._is_hosted else Origin.LOCAL,
                model=model.id,
                version="unknown",
                created_at=self._clock.stamp(),
                parameters={
                    "endpoint": "hosted catalogue" if self._is_hosted else "own NIM",
                    "passages_given": prompt.passages_given,
                    "turns_given": prompt.turns_given,
                    "most_answer_tokens": prompt.max_tokens,
                    "seed": request.sampling.seed,
                },
            ),
        )

    def rewrite(self, question: str, history: Sequence[Turn], /) -> str:
        """The question made self-contained by the model; by rule where the model's words cannot be used.

        Raises:
            NimUnavailable, NimRejected: as `run`.
        """
        messages = rewrite_messages(question, history)
        if not messages:
            return question
        sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=most_tokens(question))
        prompt = Prompt(
            messages=messages, max_tokens=sampling.max_tokens, passages_given=0, turns_given=0, estimated_tokens=0
        )
        try:
            with span("NIM call", service="llm"):
                begun, _, _ = self._begin(sampling, lambda _window, _shrink: prompt, Silent(), quiet_s=_REWRITE_S)
                said = "".join(begun.tokens())
        except NimReplyInvalid:
            # An answer without a word, or none at all, is as useless as a wrong one; asking it the question will tell.
            return self_contained(question, history)
        made = usable(said, question, history)
        return self_contained(question, history) if made is None else made

    def _begin(
        self, sampling: Sampling, prompt: _MakePrompt, progress: Progress, *, quiet_s: float | None = None
    ) -> tuple[_Begun, ServedModel, Prompt]:
        """The first answer that is not “later” nor “too long”; each is tried once more, with less where too long."""
        shrink, waited, shortened = 1.0, False, False
        while True:
            try:
                return self._attempt(sampling, prompt, shrink, progress, quiet_s)
            except Refused as refused:
                reply = refused.reply
                model = self._served.model()
                seconds = None if waited else wait_before_retry_s(reply)
                if is_too_long(reply) and not shortened:
                    shortened, shrink = True, _SMALLER
                    if (limit := told_limit(reply)) is not None:
                        self._served.learn(limit)
                elif seconds is not None:
                    waited = True
                    why = f"{self._title} is busy or loading: next try in {seconds:g} s"
                    wait(seconds, lambda why=why: progress.stage(why))  # type: ignore[misc]  # a default, not an argument
                else:
                    if reply.status == 404:
                        self._served.forget()
                    raise chat_refusal(reply, self._served.asked(model.id)) from refused

    def _attempt(
        self, sampling: Sampling, prompt: _MakePrompt, shrink: float, progress: Progress, quiet_s: float | None
    ) -> tuple[_Begun, ServedModel, Prompt]:
        connection = Connection()

        def work() -> tuple[_Begun, ServedModel, Prompt]:
            model = self._served.model()
            made = prompt(model.context_tokens or CONTEXT_TOKENS, shrink)
            body = ChatBody(
                model=model.id,
                messages=made.messages,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=made.max_tokens,
                seed=sampling.seed,
            )
            asked = self._served.asked(model.id)
            begun = _Begun(self._chat.open(body, asked, connection, quiet_s=quiet_s))
            self._await_first(begun)
            return begun, model, made

        try:
            return call(work, tell=lambda: progress.stage("waiting for the first word"), give_up=connection.hang_up)
        except BaseException:  # also where the answer came in the moment in which the wait was given up
            connection.hang_up()
            raise

    def _await_first(self, begun: _Begun) -> None:
        if begun.await_first():
            return
        begun.close()
        if begun.finish() is Finish.CUT:
            raise NimUnavailable(
                f"{self._title} broke off before the first word of its answer.",
                hint="It may have restarted or run out of memory: see its log (docker logs).",
            )
        raise NimReplyInvalid(
            f"{self._title} ended its answer without a word.",
            hint=f"Try again, or another model; check that {self._setting} leads to a chat model.",
        )


class _Begun:
    """An answer of which the first piece is waited for before it is handed on."""

    def __init__(self, pieces: ChatPieces) -> None:
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
