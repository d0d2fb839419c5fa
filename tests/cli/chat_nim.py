"""A Llama-3 NIM by its contract, as far as a chat stream goes: a fixture, no model is inside."""

from __future__ import annotations

import json
from typing import Any

from tests.contract_server.server import Answer, ContractServer, Received

MODEL = "meta/llama3-8b-instruct"


class ChatNim(ContractServer):
    """Streams `pieces` as server-sent events.

    Faults besides the base's: `hang` (seconds), `cut` (no `[DONE]`), `no_usage`, `broken_event`, `in_stream_error`,
    `no_token`, `no_models`, `wrong_model` (404 in vLLM's flat shape).
    """

    pieces = ("Liver", ", ", "spleen", ".")

    def answer(self, request: Received) -> Answer:
        if request.path == "/v1/models":
            data = [] if self.faults.get("no_models") else [{"id": MODEL, "object": "model"}]
            return Answer.of({"object": "list", "data": data})
        if request.path != "/v1/chat/completions":
            return Answer.of({"detail": "Not Found"}, 404)
        if self.faults.get("hang"):
            self.released.wait(self.faults["hang"])
        if self.faults.get("wrong_model"):
            message = "The model `x` does not exist."
            return Answer.of({"object": "error", "message": message, "type": "NotFoundError", "code": 404}, 404)
        return Answer(body="".join(self._events(request.json())).encode(), content_type="text/event-stream")

    def _events(self, asked: dict[str, Any]) -> list[str]:
        assert asked["stream"] is True
        assert asked["model"] == MODEL
        events: list[Any] = [{"choices": [{"delta": {"role": "assistant"}}]}]
        if self.faults.get("in_stream_error"):
            events.append(
                {"error": {"object": "error", "message": "CUDA out of memory", "type": "InternalServerError"}}
            )
        if not self.faults.get("no_token"):
            events += [{"choices": [{"delta": {"content": piece}}]} for piece in self.pieces]
        if asked.get("stream_options", {}).get("include_usage") and not self.faults.get("no_usage"):
            events.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}})
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        if self.faults.get("broken_event"):
            lines.insert(2, "data: {not json\n\n")
        return lines if self.faults.get("cut") else [*lines, "data: [DONE]\n\n"]
