"""What an answer of Llama-3 other than 200 means, beyond what all text NIMs have in common."""

from __future__ import annotations

import re

from workbench.domain.errors import NimError, NimRejected
from workbench.nim.complaint import complaint
from workbench.nim.http import Reply
from workbench.nim.refusals import Asked, refusal

MOST_WAIT_S = 20.0
"""The longest `Retry-After` that is waited out, seconds; a person waits for the answer."""

_USUAL_WAIT_S = 2.0
# vLLM, its newer releases, llama.cpp's server, TensorRT-LLM.
_TOO_LONG = re.compile(
    r"maximum context length|context window|context length|exceeds? (?:the )?(?:model'?s )?max(?:imum)?[ _]"
    r"(?:model|input|seq|sequence|num_tokens|length)|prompt is too long|too many (?:input )?tokens|"
    r"input (?:is )?too long",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum context length is|context window of|context length of|max_model_len[^\d]{0,20})\s*(\d{3,7})",
    re.IGNORECASE,
)


def chat_refusal(reply: Reply, asked: Asked) -> NimError:
    """The error for an answer to a chat whose status is not 200."""
    if is_too_long(reply):
        return NimRejected(
            f"The question, its history and its passages are longer than {asked.title} takes "
            f"(status {reply.status}): “{complaint(reply.body)}”.",
            hint="Begin a new conversation, ask for fewer passages, or allow a shorter answer.",
        )
    return refusal(reply, asked)


def is_too_long(reply: Reply) -> bool:
    """Whether the request was refused because it holds more tokens than the model takes."""
    return reply.status in (400, 413, 422) and _TOO_LONG.search(complaint(reply.body)) is not None


def told_limit(reply: Reply) -> int | None:
    """The most tokens that the model takes, where such a refusal names it."""
    found = _LIMIT.search(complaint(reply.body))
    return int(found[1]) if found else None


def wait_before_retry_s(reply: Reply) -> float | None:
    """Seconds to wait before asking once more, None where that is no use or would take too long.

    Only 429 and 503 surely did not run. The date form of `Retry-After` is not read.
    """
    if reply.status not in (429, 503):
        return None
    said = reply.headers.get("retry-after", "").strip()
    seconds = float(said) if re.fullmatch(r"\d{1,6}(\.\d+)?", said) else _USUAL_WAIT_S
    return seconds if seconds <= MOST_WAIT_S else None
