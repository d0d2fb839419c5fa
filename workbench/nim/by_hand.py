"""What a person needs to ask a NIM by hand: its address without secrets, and a line for a terminal."""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlsplit, urlunsplit

from workbench.domain.nim import Service

_KEY = '-H "Authorization: Bearer $NVIDIA_API_KEY"'
_POSTS = {
    Service.LLM: "/v1/chat/completions",
    Service.EMBED: "/v1/embeddings",
    Service.RERANK: "/v1/ranking",
}


def shown_url(url: str) -> str:
    """The address as it may be shown: without a user, a password or a query, which may hold a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def curl_line(service: Service, url: str, *, model: str, hosted: bool, reference: bool = False) -> str | None:
    """A line that asks the service for something small, None without an address.

    The key is named as the variable that holds it, never written out. `reference` is VILA-M3's reference server.
    """
    base = shown_url(url)
    if not base:
        return None
    if reference:
        return f"curl -sS {shlex.quote(base + '/info/')}"
    key = f"{_KEY} " if hosted else ""
    if model and service in _POSTS:
        body = shlex.quote(json.dumps({"model": model, **_small(service)}))
        address = shlex.quote(base + _POSTS[service])
        return f"curl -sS {key}-H 'Content-Type: application/json' -d {body} {address}"
    return f"curl -sS {key}{shlex.quote(base + ('/v1/models' if hosted else '/v1/health/ready'))}"


def _small(service: Service) -> dict[str, object]:
    if service is Service.EMBED:
        return {"input": ["test"], "input_type": "query"}
    if service is Service.RERANK:
        return {"query": {"text": "lung"}, "passages": [{"text": "lung"}, {"text": "tax"}]}
    return {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
