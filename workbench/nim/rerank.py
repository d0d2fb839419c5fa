"""The client of a reranking NIM: a question and passages in, one logit a passage out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from workbench.domain.nim import NimStatus
from workbench.nim.json_nim import JsonNim
from workbench.nim.probe import Target

BATCH = 32
"""Passages in one request, as LangChain's client sends them; NVIDIA publishes no maximum."""

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
        self._nim = JsonNim(target, client, kind="a reranking NIM", answer_s=answer_s, max_bytes=_LARGEST_REPLY)
        self._status = status

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
        model = self._nim.model
        return [
            logit
            for start in range(0, len(passages), BATCH)
            for logit in self._batch(query, passages[start : start + BATCH], model)
        ]

    def _batch(self, query: str, passages: Sequence[str], model: str) -> list[float]:
        body = {
            "query": {"text": query},
            "passages": [{"text": each} for each in passages],
            "truncate": "END",
        }
        return self._logits(self._nim.ask("/v1/ranking", body, model), len(passages))

    def _logits(self, body: Any, count: int) -> list[float]:
        rankings = body.get("rankings") if isinstance(body, dict) else None
        if not isinstance(rankings, list) or not all(isinstance(each, dict) for each in rankings):
            raise self._nim.invalid("what it sent is no ranking")
        if not all(isinstance(each.get("index"), int) for each in rankings):
            raise self._nim.invalid("its ranking does not say of which passages")
        logits = {each.get("index"): each.get("logit") for each in rankings}
        if len(rankings) != count or set(logits) != set(range(count)):
            raise self._nim.invalid(
                f"it was sent {count} passages and ranked {len(rankings)}, or not each of them once"
            )
        if not all(_is_finite(each) for each in logits.values()):
            raise self._nim.invalid("a logit is no number")
        return [float(logits[at]) for at in range(count)]


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
