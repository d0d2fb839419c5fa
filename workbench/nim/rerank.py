"""The client of a reranking NIM: a question and passages in, one logit a passage out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from workbench.domain.errors import NimReplyInvalid
from workbench.domain.nim import NimStatus
from workbench.nim.http import Connection, Line
from workbench.nim.probe import Target
from workbench.nim.refusals import refusal
from workbench.nim.served import Served

BATCH = 32
"""Passages in one request, as LangChain's client sends them; NVIDIA publishes no maximum."""

CONNECT_S = 3.0
ANSWER_S = 20.0
"""Longest wait for the order, seconds; a person waits, and there is an order without it."""

_LARGEST_REPLY = 1 << 20


class RerankingNim:
    """A reranking NIM where `target` says, a `Reranker`.

    `client` is `http.new_client`; `status` tells how it is.
    """

    def __init__(
        self,
        target: Target,
        *,
        client: httpx.Client,
        status: Callable[[], NimStatus],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)
        self._served = Served(target, self._line)
        self._title = target.service.display_name
        self._setting = target.setting
        self._status = status
        self._answer_s = answer_s

    def status(self) -> NimStatus:
        """How it is."""
        return self._status()

    def scores(self, query: str, passages: Sequence[str], /) -> list[float]:
        """One logit a passage, in their order: unbounded, often negative, never a probability.

        Raises:
            NimUnavailable: it cannot be used.
            NimRejected: it refused the request.
            NimReplyInvalid: it did not answer with one finite logit for each passage.
        """
        if not passages:
            return []
        model = self._served.model().id
        return [
            logit
            for start in range(0, len(passages), BATCH)
            for logit in self._batch(query, passages[start : start + BATCH], model)
        ]

    def _batch(self, query: str, passages: Sequence[str], model: str) -> list[float]:
        body = {
            "model": model,
            "query": {"text": query},
            "passages": [{"text": each} for each in passages],
            "truncate": "END",
        }
        reply = self._line.post(
            "/v1/ranking",
            body,
            connect_s=CONNECT_S,
            answer_s=self._answer_s,
            max_bytes=_LARGEST_REPLY,
            connection=Connection(),
        )
        if reply.status != 200:
            if reply.status == 404:
                self._served.forget()
            raise refusal(reply, self._served.asked(model))
        return self._logits(reply.json(), len(passages))

    def _logits(self, body: Any, count: int) -> list[float]:
        rankings = body.get("rankings") if isinstance(body, dict) else None
        if not isinstance(rankings, list) or not all(isinstance(each, dict) for each in rankings):
            raise self._invalid("what it sent is no ranking")
        if not all(isinstance(each.get("index"), int) for each in rankings):
            raise self._invalid("its ranking does not say of which passages")
        logits = {each.get("index"): each.get("logit") for each in rankings}
        if len(rankings) != count or set(logits) != set(range(count)):
            raise self._invalid(f"it was sent {count} passages and ranked {len(rankings)}, or not each of them once")
        if not all(_is_finite(each) for each in logits.values()):
            raise self._invalid("a logit is no number")
        return [float(logits[at]) for at in range(count)]

    def _invalid(self, why: str) -> NimReplyInvalid:
        return NimReplyInvalid(
            f"The answer of the {self._title} NIM cannot be used: {why}.",
            hint=f"Check that {self._setting} leads to a reranking NIM, and see its log (docker logs).",
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
