"""The smallest real request to each text and vision NIM, and what its answer must hold."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.domain.nim import Service

QUESTION = "Is this picture grey?"
"""What a vision model is asked about `grey_png`."""

_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class Small:
    """A route, a body for a model id, and a reader: what the answer tells, None where it is not what was promised."""

    path: str
    body: Callable[[str], dict[str, Any]]
    read: Callable[[Any], str | None]


def _chat(model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Say yes."}]
    return {"model": model, "messages": messages, "max_tokens": 1, "temperature": 0.0}


def _question(model: str) -> dict[str, Any]:
    # No system message: several vision models refuse one beside an image.
    content = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(grey_png()).decode()}"}},
    ]
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 1, "temperature": 0.0}


def _embedding(model: str) -> dict[str, Any]:
    return {"model": model, "input": ["lung"], "input_type": "query", "encoding_format": "float"}


def _ranking(model: str) -> dict[str, Any]:
    return {"model": model, "query": {"text": "lung"}, "passages": [{"text": "lung"}, {"text": "tax"}]}


def _answered(body: Any) -> str | None:
    """A `choices` list whose first entry is a message of the assistant; its text may be cut to nothing by one token."""
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict) or "content" not in message:
        return None
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return f"It answered {tokens} token{'' if tokens == 1 else 's'}." if isinstance(tokens, int) else "It answered."


def _embedded(body: Any) -> str | None:
    data = body.get("data") if isinstance(body, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    vector = first.get("embedding") if isinstance(first, dict) else None
    if not isinstance(vector, list) or not vector or not all(_is_number(each) for each in vector):
        return None
    return f"It answered a vector of {len(vector)} numbers."


def _ranked(body: Any) -> str | None:
    rankings = body.get("rankings") if isinstance(body, dict) else None
    if not isinstance(rankings, list) or not all(isinstance(each, dict) for each in rankings):
        return None
    if sorted(each.get("index", -1) for each in rankings) != [0, 1]:
        return None
    return "It ranked two passages." if all(_is_number(each.get("logit")) for each in rankings) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def grey_png() -> bytes:
    """A grey square as PNG (W3C PNG, section 11): one 8-bit grey channel, no filter."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\x00" + b"\x80" * _SIDE) * _SIDE
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SMALL = {
    Service.LLM: Small(path="/v1/chat/completions", body=_chat, read=_answered),
    Service.VILA_M3: Small(path="/v1/chat/completions", body=_question, read=_answered),
    Service.EMBED: Small(path="/v1/embeddings", body=_embedding, read=_embedded),
    Service.RERANK: Small(path="/v1/ranking", body=_ranking, read=_ranked),
}
