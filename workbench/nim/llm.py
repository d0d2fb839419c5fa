"""The client of a Llama-3 NIM, or of the hosted catalogue: what is sent, what is waited for, what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import httpx

from workbench.domain.clock import Clock
from workbench.domain.dialogue import AnswerStream, ChatRequest, Sampling, Turn
from workbench.domain.errors import NimReplyInvalid
from workbench.domain.nim import NimStatus
from workbench.domain.progress import Silent
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.trace import span
from workbench.language.followup import self_contained
from workbench.nim.chat_begun import Asking
from workbench.nim.http import Line
from workbench.nim.llm_failure import chat_refusal
from workbench.nim.llm_prompt import CONTEXT_TOKENS, Prompt, build_prompt
from workbench.nim.llm_rewrite import most_tokens, rewrite_messages, usable
from workbench.nim.openai_client import ChatClient, ChatTimeouts
from workbench.nim.probe import Target
from workbench.nim.served import Served, ServedModel

_REWRITE_S = 20.0
"""Longest silence while a question is rewritten, seconds; after it the rule does it."""


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
        self._chat = chat or ChatClient(target.url, key=target.key, timeouts=timeouts)
        self._asking = Asking(target, Served(target, line), self._chat, refused=chat_refusal)
        self._is_hosted = target.is_hosted
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

        def prompt_for(model: ServedModel, shrink: float) -> Prompt:
            return build_prompt(request, context_tokens=model.context_tokens or CONTEXT_TOKENS, shrink=shrink)

        with span("NIM call", service="llm"):
            started = self._asking.begin(request.sampling, prompt_for, request.progress)
        begun, prompt = started.begun, started.sent
        return AnswerStream(
            tokens=begun.tokens(),
            finish=begun.finish,
            close=begun.close,
            provenance=Provenance(
                origin=Origin.CLOUD if self._is_hosted else Origin.LOCAL,
                model=started.model.id,
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
                started = self._asking.begin(sampling, lambda _model, _shrink: prompt, Silent(), quiet_s=_REWRITE_S)
                said = "".join(started.begun.tokens())
        except NimReplyInvalid:
            # An answer without a word, or none at all, is as useless as a wrong one; asking it the question will tell.
            return self_contained(question, history)
        made = usable(said, question, history)
        return self_contained(question, history) if made is None else made
