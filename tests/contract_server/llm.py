"""A Llama-3 NIM by its contract: a fixture, no model is inside. It quotes the passages that it was given.

What it reads as passages are the blocks between tags with one and the same key, as the workbench sends them. Words
that stand outside of them are instructions to it, and it obeys: a document that broke out of its block would be seen
to, by the word in `OBEYED`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.contract_server.families import Family, HealthNim
from tests.contract_server.server import Answer, HangUp, Received

MODEL = "meta/llama3-8b-instruct"
WINDOW = 8192
OBEYED = "OBEYED-THE-DOCUMENT"

PASSAGE = re.compile(r"<passage (\d+) key=([0-9a-f]{12})>\n(.*?)\n</passage \1 key=\2>", re.DOTALL)
CASE = re.compile(r"<case key=([0-9a-f]{12})>\n(.*?)\n</case key=\1>", re.DOTALL)
_PLANTED = re.compile(r"ignore (?:all |the )?(?:previous|above|earlier) instructions", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


class LlmNim(HealthNim):
    """Answers chats, streamed or whole.

    What it says: by default the best sentence of up to three passages, each with its number, and lines of the case
    with `[Case]`. `says` changes that: `out of range`, `uncited`, `wrong number`, `not in literature`, `echo` (repeats
    a planted instruction), or a text of its own in `text`. `rewrites` is its answer to a request to rewrite.

    Faults besides those of every family: `slow_first` (seconds before the first byte), `stall` (seconds after
    `after` pieces), `error` (in the stream, after `after` pieces), `drop` (`closed` or `reset`, after `after` pieces),
    `cut` (no finish, no `[DONE]`), `no_done` (a finish, no `[DONE]`), `length` (finish `length`), `no_word` (a finish
    and no text), `broken_event`, `wrong_event`, `html` and `json` (with status 200), `no_model` (`flat`, `nested`,
    `text`, `account`), `overflow` (`flat`, `nested`, `llama.cpp`: refuses what is longer than `window` tokens),
    `piece_s` (seconds between pieces), `no_models` (an empty list), `no_length` (the list tells no window).
    """

    def __init__(self, *, model: str = MODEL, **options: Any) -> None:
        self.model = model
        super().__init__(Family.LLM, **options)

    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the chats received, in order; those that ask for a question to be rewritten are left out."""
        return [each for each in self._bodies() if not _asks_to_rewrite(each)]

    def rewrites(self) -> list[dict[str, Any]]:
        """The bodies of requests to rewrite a question."""
        return [each for each in self._bodies() if _asks_to_rewrite(each)]

    def prompt(self) -> str:
        """The last turn of the last chat, which holds the passages and the question."""
        return str(self.chats()[-1]["messages"][-1]["content"])

    def answer(self, request: Received) -> Answer:
        if request.path == "/v1/models" and request.method == "GET":
            return Answer.of({"object": "list", "data": [] if self.faults.get("no_models") else [self._listed()]})
        if request.path != "/v1/chat/completions" or request.method != "POST":
            return Answer.of({"detail": "Not Found"}, 404)
        if self.faults.get("slow_first"):
            self.released.wait(self.faults["slow_first"])
        body = request.json()
        refused = self._refused(body)
        if refused is not None:
            return refused
        if self.faults.get("html"):
            return Answer(body=b"<!doctype html><title>Welcome</title><h1>It works</h1>", content_type="text/html")
        if self.faults.get("json"):
            return Answer.of({"detail": "This service has moved."})
        text = self._text(body)
        if not body.get("stream"):
            return Answer.of(self._whole(text, body))
        return Answer(content_type="text/event-stream; charset=utf-8", pieces=self._events(text))

    def _bodies(self) -> list[dict[str, Any]]:
        return [each.json() for each in self.posts() if each.path == "/v1/chat/completions"]

    def _listed(self) -> dict[str, Any]:
        told = {"id": self.model, "object": "model", "created": 1717000000, "owned_by": "system", "root": self.model}
        return told if self.faults.get("no_length") else {**told, "max_model_len": self.faults.get("window", WINDOW)}

    def _refused(self, body: dict[str, Any]) -> Answer | None:
        how = self.faults.get("no_model") or ("flat" if body.get("model") != self.model else None)
        if how == "text":
            return Answer(status=404, body=b"404 page not found", content_type="text/plain")
        if how == "account":
            detail = "Function '1b4e28ba-2fa1-11d2-883f-0016d3cca427': Not found for account 'abcdEFGH12345678'"
            return Answer.of({"status": 404, "title": "Not Found", "detail": detail}, 404)
        if how:
            told = {"message": f"The model `{body.get('model')}` does not exist.", "type": "NotFoundError", "code": 404}
            return Answer.of({"error": told} if how == "nested" else {"object": "error", "param": None, **told}, 404)
        return self._overflow(body) if self.faults.get("overflow") else None

    def _overflow(self, body: dict[str, Any]) -> Answer | None:
        window, asked = self.faults.get("window", WINDOW), tokens(body)
        total = asked + body["max_tokens"]
        if total <= window:
            return None
        message = (
            f"This model's maximum context length is {window} tokens. However, you requested {total} tokens "
            f"({asked} in the messages, {body['max_tokens']} in the completion). Please reduce the length."
        )
        if self.faults["overflow"] == "llama.cpp":
            message = f"Requested tokens ({total}) exceed context window of {window}"
        told = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
        return Answer.of(told | {"object": "error"} if self.faults["overflow"] == "flat" else {"error": told}, 400)

    def _whole(self, text: str, body: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        count = tokens(body)
        usage = {"prompt_tokens": count, "completion_tokens": 1, "total_tokens": count + 1}
        return {"id": "cmpl-fixture", "object": "chat.completion", "created": 1717000000, "model": self.model} | {
            "choices": [choice],
            "usage": usage,
        }

    def _events(self, text: str) -> Iterator[bytes]:
        faults = self.faults
        yield b": a comment, as servers send to keep a connection open\n\n"
        yield self._event(delta={"role": "assistant", "content": ""})
        pieces = [] if faults.get("no_word") else re.findall(r"\S+\s*", text)
        for at, piece in enumerate(pieces):
            if at == faults.get("after", 2):
                yield from self._in_mid_stream()
            if faults.get("piece_s"):
                self.released.wait(faults["piece_s"])
            yield self._event(delta={"content": piece})
        if faults.get("error") and faults.get("after", 2) >= len(pieces):
            yield from self._in_mid_stream()
        if faults.get("cut"):
            return
        yield self._event(delta={}, finish="length" if faults.get("length") else "stop")
        yield _sse(
            {"id": "cmpl-fixture", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 9}}
        )
        if not faults.get("no_done"):
            yield b"data: [DONE]\n\n"

    def _in_mid_stream(self) -> Iterator[bytes]:
        faults = self.faults
        if faults.get("stall"):
            self.released.wait(faults["stall"])
        if faults.get("error"):
            yield _sse({"error": {"object": "error", "message": "CUDA out of memory", "type": "InternalServerError"}})
        if faults.get("broken_event"):
            yield b"data: {not json\n\n"
        if faults.get("wrong_event"):
            yield _sse({"result": "ok"})
        if faults.get("drop"):
            raise HangUp(reset=faults["drop"] == "reset")

    def _event(self, *, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        told = {"id": "cmpl-fixture", "object": "chat.completion.chunk", "created": 1717000000, "model": self.model}
        return _sse({**told, "choices": [choice]})

    def _text(self, body: dict[str, Any]) -> str:
        prompt = str(body["messages"][-1]["content"])
        if _asks_to_rewrite(body):
            return str(self.faults.get("rewrites", rewritten(prompt)))
        if "text" in self.faults:
            return str(self.faults["text"])
        outside = CASE.sub("", PASSAGE.sub("", prompt)).rpartition("Question: ")[0]
        if _PLANTED.search(outside):
            return OBEYED
        lines = [line for text in (*_passages(prompt).values(), *_case(prompt)) for line in text.splitlines()]
        if not all(line.startswith("| ") for line in lines):
            return OBEYED
        return self._said(prompt)

    def _said(self, prompt: str) -> str:
        quotes = quoted(prompt)
        says = self.faults.get("says", "")
        if says == "not in literature":
            return "NOT_IN_LITERATURE"
        if says == "out of range":
            return " ".join([*quotes[:1], "A second source agrees with this. [9] Nobody doubts it. [0][12]"])
        if says == "uncited":
            return " ".join([*quotes[:1], "Most experts agree on this today."])
        if says == "wrong number":
            return "The volume of the liver is 99999.9 mL. [Case]"
        if says == "echo":
            found = _PLANTED.search(prompt)
            return f"{prompt[found.start() : found.start() + 60] if found else 'Nothing was planted.'} [1]"
        return " ".join(quotes) or "NOT_IN_LITERATURE"


def quoted(prompt: str) -> list[str]:
    """The best sentence of up to three passages, and the best lines of the case, each with its citation."""
    asked = _words(prompt.rpartition("Question: ")[2])
    told = []
    for text in _case(prompt):
        lines = [line.removeprefix("| ") for line in text.splitlines()]
        told += [f"{line} [Case]" for line in sorted(lines, key=lambda each: -len(asked & _words(each)))[:1]]
    for number, text in list(_passages(prompt).items())[:3]:
        words = " ".join(line.removeprefix("| ") for line in text.splitlines()).partition("Text: ")[2]
        best = max(_SENTENCE_END.split(words), key=lambda each: len(asked & _words(each)))
        told.append(f"{best} [{number}]")
    return told


def rewritten(prompt: str) -> str:
    """The last question, then the one before it: by no means English, and it can be searched for."""
    before = re.findall(r"^user: (.*)$", prompt, re.MULTILINE)
    last = re.findall(r"^Last question: (.*)$", prompt, re.MULTILINE)
    return f"{last[-1]} {before[-1]}" if before and last else ""


def tokens(body: dict[str, Any]) -> int:
    """As this fixture counts them: every word and every sign."""
    return sum(len(re.findall(r"\w+|[^\w\s]", str(each["content"]))) + 5 for each in body["messages"])


def _passages(prompt: str) -> dict[int, str]:
    return {int(found[1]): found[3] for found in PASSAGE.finditer(prompt)}


def _case(prompt: str) -> list[str]:
    return [found[2] for found in CASE.finditer(prompt)]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _asks_to_rewrite(body: dict[str, Any]) -> bool:
    return str(body["messages"][0]["content"]).startswith("You rewrite")


def _sse(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
