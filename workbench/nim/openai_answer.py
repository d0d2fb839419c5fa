"""What an answer of an OpenAI-compatible server holds, streamed or whole, in all the shapes that servers give it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.domain.errors import NimRejected, NimReplyInvalid
from workbench.nim.complaint import complaint
from workbench.nim.refusals import Asked

_DONE = b"[DONE]"
_DEEPEST = 4
"""How far a content may lie within messages; the reference server of VILA-M3 nests one in another."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of an answer as it came; `finish` is the server's word for the end, on the last one."""

    text: str
    finish: str | None = None


class Pieces(Protocol):
    """An answer that is coming. One thread iterates it; any may `close` it, which frees the server."""

    def __iter__(self) -> Iterator[Piece]: ...

    def __next__(self) -> Piece: ...

    def close(self) -> None: ...


class WholePieces:
    """An answer that was there at once, taken as one piece."""

    def __init__(self, piece: Piece) -> None:
        self._left = [piece]

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        """The piece, once."""
        if not self._left:
            raise StopIteration
        return self._left.pop()

    def close(self) -> None:
        """Drop what was not taken."""
        self._left.clear()


def content_text(content: Any, *, depth: int = _DEEPEST) -> str:
    """The text of a message's content: a string, a list of parts, or another message with either of them."""
    if isinstance(content, str):
        return content
    if depth == 0:
        return ""
    if isinstance(content, list):
        return "".join(content_text(part, depth=depth - 1) for part in content)
    if isinstance(content, dict):
        told = content.get("text")
        return told if isinstance(told, str) else content_text(content.get("content"), depth=depth - 1)
    return ""


def whole_answer(body: bytes, asked: Asked) -> WholePieces:
    """The answer in a body that is one `chat.completion`, or a stream of its chunks that was kept until its end.

    Raises:
        NimRejected: it tells an error.
        NimReplyInvalid: it is neither.
    """
    is_document = body.lstrip()[:1] == b"{"
    documents = [_document(body)] if is_document else [_document(data) for data in _events(body)]
    said, finish, is_answer = "", None, False
    for each in documents:
        if isinstance(each, dict) and each.get("error"):
            why = complaint(json.dumps(each).encode())
            raise NimRejected(
                f"{asked.opening} broke off its answer{f': “{why}”' if why else ' without a reason'}.",
                hint=asked.cure_for_its_failure,
            )
        choices = each.get("choices") if isinstance(each, dict) else None
        if not isinstance(choices, list):
            continue
        is_answer = True
        if choices and isinstance(choices[0], dict):
            said += content_text(choices[0].get("message") or choices[0].get("delta"))
            finish = choices[0].get("finish_reason") or finish
    if not is_answer:
        raise no_answer(body, asked)
    if finish is None and (is_document or _DONE in body):
        # What came to its end is not cut, whether the server says how or not.
        finish = "stop"
    return WholePieces(Piece(text=said, finish=None if finish is None else str(finish)))


def no_answer(body: bytes, asked: Asked) -> NimReplyInvalid:
    """The error for a page or a document that is no answer."""
    is_page = body.lstrip()[:1] == b"<"
    said = "" if is_page else complaint(body)
    what = "a web page" if is_page else "no stream of an answer"
    return NimReplyInvalid(
        f"What answers at the address of {asked.name} sends {what}{f': “{said}”' if said else ''}.",
        hint=f"Check {asked.url_setting}: it must be the base URL of an OpenAI-compatible server.",
    )


def _events(body: bytes) -> list[bytes]:
    data = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    return [each for each in data if each and each != _DONE]


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
