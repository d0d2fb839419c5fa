"""What a NIM says went wrong, made fit to show: one line, short, without ids, keys or addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

MOST_CHARACTERS = 300
_FIELDS = ("message", "detail", "title", "text", "error_msg", "msg")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_OBJECT = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>", re.IGNORECASE)
_PRIVATE = (
    (re.compile(r"\bnvapi-[\w-]+"), "(key)"),
    (re.compile(r"\b[Bb]earer\s+\S+"), "(key)"),
    (re.compile(r"https?://\S+?(?=[\s'\"<>)\]},]|$)"), "(address)"),
    (re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "(id)"),
    (re.compile(r"(?i)(account\s*'?)[\w-]{8,}"), r"\1(id)"),
    (re.compile(r"(?<![\w.:/])(?:/[\w.-]+){2,}"), "(path)"),
    (re.compile(r"\b[\w-]{40,}(?:\.[\w.]+)?"), "(id)"),
)


def complaint(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """The NIM's own words out of an error body, cleaned; empty where it has none.

    Looked for in this order: `error.message`, `message`, `detail`, `title`, `text`, `error_msg`; each may be a
    string or a list of FastAPI's `{loc, msg, type}`. A body that is not JSON is taken as text, tags removed.
    `secrets` are strings that must not come back, such as the name under which a volume was published.
    """
    text = body[:65536].decode("utf-8", "replace")
    try:
        said = _said(json.loads(text))
    except (ValueError, RecursionError):
        said = _TAGS.sub(" ", text)
    return clean(said, secrets=secrets)


def clean(said: str, *, secrets: Iterable[str] = ()) -> str:
    """One line of at most 300 characters without control characters, keys, ids, addresses and paths."""
    for secret in secrets:
        said = said.replace(secret, "(private)") if secret else said
    said = _OBJECT.sub("it", _CONTROL.sub(" ", said))
    for pattern, instead in _PRIVATE:
        said = pattern.sub(instead, said)
    said = " ".join(said.split())
    return said if len(said) <= MOST_CHARACTERS else said[: MOST_CHARACTERS - 1].rstrip() + "…"


def _said(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(filter(None, (_said(each) for each in body[:5])))
    if not isinstance(body, dict):
        return ""
    if (nested := _said(body.get("error"))) != "":
        return nested
    for field in _FIELDS:
        if (found := _said(body.get(field))) != "":
            where = ".".join(str(part) for part in body["loc"]) if isinstance(body.get("loc"), list) else ""
            return f"{where}: {found}" if where else found
    return ""
