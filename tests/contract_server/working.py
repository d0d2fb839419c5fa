"""The other NIMs as far as a contract check asks them: one small request, checked against the published schema.

No model is inside: answers are constants. What is refused is what NVIDIA's pages and vLLM are known to refuse.
"""

from __future__ import annotations

import base64
from enum import Enum
from typing import Any

from tests.contract_server.families import Family, HealthNim
from tests.contract_server.server import Answer, Received

PNG = b"\x89PNG\r\n\x1a\n"


class Work(Enum):
    """What a NIM does, and the model it lists."""

    CHAT = "meta/llama3-8b-instruct"
    VISION = "MONAI/Llama3-VILA-M3-8B"
    EMBEDDING = "nvidia/nv-embedqa-e5-v5"
    RANKING = "nvidia/llama-nemotron-rerank-1b-v2"
    SYNTHESIS = ""


class WorkingNim(HealthNim):
    """A NIM that also answers one small request.

    Faults besides the base's: `no_work` (404 on every POST: ready, and nothing behind it), `nonsense` (200 with a body
    of another shape), `no_health`, `says_false`, `needs_key`, `generates` (MAISI takes a request that breaks its
    schema).
    """

    def __init__(self, work: Work, **options: Any) -> None:
        self.work = work
        super().__init__(Family.MAISI if work is Work.SYNTHESIS else Family.LLM, **options)

    def answer(self, request: Received) -> Answer:
        if request.method == "POST":
            if self.faults.get("no_work"):
                return Answer.of({"detail": "Not Found"}, 404)
            if self.faults.get("nonsense"):
                return Answer.of({"result": "ok"})
            return self._work(request)
        if request.path == "/v1/models" and self.work is not Work.SYNTHESIS:
            return Answer.of({"object": "list", "data": [{"id": self.work.value, "object": "model"}]})
        return super().answer(request)

    def _work(self, request: Received) -> Answer:
        body = request.json()
        if request.path == "/v1/maisi/run" and self.work is Work.SYNTHESIS:
            wrong = body.get("num_output_samples", 0) < 1 or not body.get("body_region")
            if wrong and not self.faults.get("generates"):
                detail = [{"loc": ["body", "num_output_samples"], "msg": "must be at least 1", "type": "value_error"}]
                return Answer.of({"detail": detail}, 422)
            return Answer(body=b"PK\x05\x06" + bytes(18), content_type="application/zip")
        if body.get("model") != self.work.value:
            message = f"The model `{body.get('model')}` does not exist."
            return Answer.of({"object": "error", "message": message, "type": "NotFoundError", "code": 404}, 404)
        if request.path == "/v1/chat/completions" and self.work in (Work.CHAT, Work.VISION):
            return self._chat(body)
        if request.path == "/v1/embeddings" and self.work is Work.EMBEDDING:
            if body.get("input_type") not in ("query", "passage"):
                return Answer.of({"error": "'input_type' parameter is required for asymmetric models"}, 400)
            return Answer.of({"object": "list", "data": [{"index": 0, "embedding": [0.25] * 1024}]})
        if request.path == "/v1/ranking" and self.work is Work.RANKING:
            order = range(len(body["passages"]))
            return Answer.of({"rankings": [{"index": index, "logit": -1.0 - index} for index in order]})
        return Answer.of({"detail": "Not Found"}, 404)

    def _chat(self, body: dict[str, Any]) -> Answer:
        if self.work is Work.VISION:
            content = body["messages"][0]["content"]
            url = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
            if not base64.b64decode(url.partition("base64,")[2]).startswith(PNG):
                return Answer.of({"detail": "Invalid image"}, 500)
        choice = {"index": 0, "message": {"role": "assistant", "content": "y"}, "finish_reason": "length"}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        return Answer.of({"object": "chat.completion", "choices": [choice], "usage": usage})
