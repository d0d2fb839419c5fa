"""An embedding and a reranking NIM by their contracts: fixtures, no model is inside; both count words."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

from tests.contract_server.families import Family, HealthNim
from tests.contract_server.server import Answer, Received

EMBED_MODEL = "nvidia/nv-embedqa-e5-v5"
RERANK_MODEL = "nvidia/llama-nemotron-rerank-1b-v2"
DIMENSION = 1024
MOST_TOKENS = 512
MOST_INPUTS = 50
MOST_PASSAGES = 32
_WORD = re.compile(r"[^\W_]+")


class _ListingNim(HealthNim):
    """Lists one model, and refuses every other."""

    def __init__(self, model: str, **options: Any) -> None:
        self.model = model
        super().__init__(Family.LLM, **options)

    def answer(self, request: Received) -> Answer:
        if request.path == "/v1/models" and request.method == "GET":
            return Answer.of({"object": "list", "data": [{"id": self.model}]})
        if request.method != "POST":
            return Answer.of({"detail": "Not Found"}, 404)
        if self.faults.get("hang"):
            self.released.wait(self.faults["hang"])
        if self.faults.get("html"):
            return Answer(body=b"<html><h1>Welcome</h1></html>", content_type="text/html")
        body = request.json()
        if body.get("model") != self.model:
            message = f"The model `{body.get('model')}` does not exist."
            return Answer.of({"object": "error", "message": message, "type": "NotFoundError", "code": 404}, 404)
        return self.work(request.path, body)

    def work(self, path: str, body: dict[str, Any]) -> Answer:
        raise NotImplementedError


class EmbedNim(_ListingNim):
    """Turns text into hashed counts of its words, the same for every run, last text first as a server may send them.

    Faults besides those of every family: `hang`, `html`, `dimension` (another one), `vectors` (sent in place of the
    right ones), `indices` (sent in place of the right ones).
    """

    def __init__(self, *, model: str = EMBED_MODEL, **options: Any) -> None:
        super().__init__(model, **options)

    def work(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/v1/embeddings":
            return Answer.of({"detail": "Not Found"}, 404)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if body.get("input_type") not in ("query", "passage"):
            return Answer.of({"error": "'input_type' parameter is required for asymmetric models"}, 400)
        longest = max(len(_WORD.findall(each)) for each in texts)
        if longest > MOST_TOKENS and body.get("truncate", "NONE") == "NONE":
            told = f"Input length {longest} exceeds maximum allowed token size {MOST_TOKENS}"
            return Answer.of({"object": "error", "message": told, "detail": {}, "type": "invalid_request_error"}, 400)
        if len(texts) > MOST_INPUTS or not all(each.strip() for each in texts):
            return Answer.of({"error": "too many inputs, or an empty one"}, 400)
        dimension = self.faults.get("dimension", DIMENSION)
        vectors = self.faults.get("vectors", [hashed(each, dimension) for each in texts])
        indices = self.faults.get("indices", range(len(vectors)))
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in zip(indices, vectors, strict=True)
        ]
        usage = {"prompt_tokens": 9, "total_tokens": 9}
        return Answer.of({"object": "list", "data": data[::-1], "model": self.model, "usage": usage})


class RerankNim(_ListingNim):
    """Orders passages by the share of the question's words that each holds, as logits, the best first.

    Faults besides those of every family: `hang`, `html`, `rankings` (sent in place of the right ones).
    """

    def __init__(self, *, model: str = RERANK_MODEL, **options: Any) -> None:
        super().__init__(model, **options)

    def work(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/v1/ranking":
            return Answer.of({"detail": "Not Found"}, 404)
        passages = [each["text"] for each in body["passages"]]
        if not 1 <= len(passages) <= MOST_PASSAGES:
            return Answer.of({"error": f"at most {MOST_PASSAGES} passages"}, 400)
        rankings = [
            {"index": at, "logit": logit(body["query"]["text"], passage)} for at, passage in enumerate(passages)
        ]
        rankings.sort(key=lambda each: -each["logit"])
        return Answer.of({"rankings": self.faults.get("rankings", rankings), "usage": {"total_tokens": 9}})


def hashed(text: str, dimension: int = DIMENSION) -> list[float]:
    """Counts of a text's words, each in the place and with the sign that its CRC-32 says; not of length 1."""
    vector = [0.0] * dimension
    for word in _WORD.findall(text.lower()) or [""]:
        code = zlib.crc32(word.encode())
        vector[code % dimension] += 1.0 if code & 0x10000 else -1.0
    return vector if any(vector) else [1.0, *vector[1:]]


def logit(query: str, passage: str) -> float:
    """The log odds of the share of the question's words that the passage holds; often negative, as real ones are."""
    asked, held = (set(_WORD.findall(each.lower())) for each in (query, passage))
    share = (len(asked & held) + 0.5) / (len(asked) + 1)
    return math.log(share / (1 - share))
