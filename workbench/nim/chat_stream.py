"""One chat request to an OpenAI-compatible server, timed token by token. Keeps neither the question nor the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from workbench.domain.errors import NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.progress import Progress
from workbench.nim.complaint import clean, complaint
from workbench.nim.http import Connection, Line, Streaming
from workbench.nim.look import model_ids
from workbench.nim.turns import call

_MOST_ERROR_LINES = 200


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds to the first token and to the end; tokens as the server counted them, else as pieces of text."""

    first_token_s: float
    elapsed_s: float
    tokens: int


class ChatStream:
    """Llama-3 at `url` (without `/v1`). An empty `model` means the first that it lists."""

    def __init__(self, url: str, client: httpx.Client, *, model: str = "", setting: str, key: str = "") -> None:
        self._line = Line(url, client, name="Llama-3", setting=setting, key=key)
        self._setting = setting
        self._model = model

    @property
    def model(self) -> str:
        """The id that requests carry.

        Raises:
            NimUnavailable: it cannot be asked.
            NimReplyInvalid: it lists no model.
        """
        if not self._model:
            reply = self._line.get("/v1/models", within_s=5.0)
            ids = model_ids(reply)
            if not ids:
                raise NimReplyInvalid(
                    f"Llama-3 lists no model (status {reply.status}).", hint=f"Check {self._setting}, or name a model."
                )
            self._model = ids[0]
        return self._model

    def ask(self, question: str, *, max_tokens: int, answer_s: float, progress: Progress) -> Timed:
        """Ask, and time the answer; `answer_s` is the longest silence allowed, in seconds.

        Raises:
            NimUnavailable: not reached, silent, or cut before its end.
            NimRejected: it refused the request, also in the middle of the stream.
            Cancelled: `progress` says that nobody waits any more; the connection is closed.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        connection = Connection()

        def work() -> Timed:
            start = time.monotonic()
            with self._line.streaming(
                "/v1/chat/completions", body, connect_s=5.0, quiet_s=answer_s, connection=connection
            ) as streaming:
                if streaming.status != 200:
                    raise _refused(streaming)
                return _timed(streaming.lines, start)

        return call(work, tell=lambda: progress.stage("asking"), give_up=connection.hang_up)


def _refused(streaming: Streaming) -> NimRejected:
    lines = [line for line, _ in zip(streaming.lines, range(_MOST_ERROR_LINES), strict=False)]
    said = complaint("\n".join(lines).encode())
    return NimRejected(f"Llama-3 refused the request (status {streaming.status}){': ' + said if said else ''}.")


def _timed(lines: Iterable[str], start: float) -> Timed:
    """Read server-sent events until `[DONE]`."""
    first: float | None = None
    pieces, counted = 0, None
    for line in lines:
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            if first is None:
                raise NimReplyInvalid("Llama-3 ended its answer without a token.")
            elapsed_s = time.monotonic() - start
            return Timed(first_token_s=first, elapsed_s=elapsed_s, tokens=pieces if counted is None else counted)
        if not data:
            continue
        piece, usage = _read(data)
        counted = usage if usage is not None else counted
        if piece:
            first = time.monotonic() - start if first is None else first
            pieces += 1
    raise NimUnavailable("The stream of Llama-3 was cut before its end.", hint="See its log (docker logs).")


def _read(data: str) -> tuple[str, int | None]:
    """The text of one event and the usage it tells.

    Raises:
        NimRejected: the event is an error.
        NimReplyInvalid: it is no event of a chat.
    """
    try:
        event = json.loads(data)
        if event.get("error"):
            raise NimRejected(f"Llama-3 broke off: {clean(str(event['error'].get('message', 'no reason given')))}")
        usage = event.get("usage") or {}
        choices = event.get("choices") or []
        text = (choices[0].get("delta") or {}).get("content") if choices else ""
        return text or "", usage.get("completion_tokens")
    except (ValueError, AttributeError, IndexError, TypeError) as error:
        raise NimReplyInvalid("Llama-3 streamed something that is no chat event.") from error
