"""A NIM that answers one JSON body with another, under the name of a model that it lists."""

from __future__ import annotations

from typing import Any

import httpx

from workbench.domain.errors import NimReplyInvalid
from workbench.nim.http import Connection, Line
from workbench.nim.probe import Target
from workbench.nim.refusals import refusal
from workbench.nim.served import Served

CONNECT_S = 3.0


class JsonNim:
    """The NIM where `target` says; `kind` is what it should be, for messages. `answer_s` is the longest wait."""

    def __init__(self, target: Target, client: httpx.Client, *, kind: str, answer_s: float, max_bytes: int) -> None:
        self._line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)
        self._served = Served(target, self._line)
        self._title = target.service.display_name
        self._setting = target.setting
        self._kind = kind
        self._answer_s = answer_s
        self._max_bytes = max_bytes

    @property
    def model(self) -> str:
        """The model it serves.

        Raises:
            NimUnavailable: it cannot be asked.
        """
        return self._served.model().id

    def ask(self, path: str, body: dict[str, Any], model: str) -> Any:
        """The answer to `body`, asked of `model`.

        Raises:
            NimUnavailable: it cannot be used.
            NimRejected: it refused the request; one that does not know the model is asked for its models anew.
            NimReplyInvalid: it answered with something that is no JSON.
        """
        reply = self._line.post(
            path,
            {"model": model, **body},
            connect_s=CONNECT_S,
            answer_s=self._answer_s,
            max_bytes=self._max_bytes,
            connection=Connection(),
        )
        if reply.status != 200:
            if reply.status == 404:
                self._served.forget()
            raise refusal(reply, self._served.asked(model))
        return reply.json()

    def invalid(self, why: str) -> NimReplyInvalid:
        """The error for an answer that is JSON and yet no answer."""
        return NimReplyInvalid(
            f"The answer of the {self._title} NIM cannot be used: {why}.",
            hint=f"Check that {self._setting} leads to {self._kind}, and see its log (docker logs).",
        )
