"""The other NIMs as far as they are looked at: health, information, models."""

from __future__ import annotations

from enum import Enum
from typing import Any

from tests.contract_server.server import Answer, ContractServer, Received


class Family(Enum):
    """How a NIM tells that it is ready, and the models it lists; None: it lists none."""

    MAISI = ({"status": "ready"}, None)
    VILA_M3 = ({"object": "health.response", "message": "Service is ready."}, "MONAI/Llama3-VILA-M3-8B")
    LLM = ({"object": "health.response", "message": "Service is ready."}, "meta/llama3-8b-instruct")
    OLDEST = (True, None)


class HealthNim(ContractServer):
    """A NIM that tells how it is, and does no work.

    Faults besides the base's: `says_false` (ready, body false), `no_health` (404 on ready), `needs_key`.
    """

    def __init__(self, family: Family, **options: Any) -> None:
        self.family = family
        super().__init__(**options)

    def ready_body(self) -> Any:
        return False if self.faults.get("says_false") else self.family.value[0]

    def respond(self, request: Received) -> Answer:
        if (
            self.faults.get("needs_key")
            and request.headers.get("authorization") != f"Bearer {self.faults['needs_key']}"
        ):
            return Answer.of({"status": 403, "title": "Forbidden", "detail": "Authorization failed"}, 403)
        if self.faults.get("no_health") and request.path.startswith("/v1/health"):
            return Answer.of({"detail": "Not Found"}, 404)
        return super().respond(request)

    def answer(self, request: Received) -> Answer:
        model = self.family.value[1]
        if request.path == "/v1/models" and model:
            return Answer.of({"object": "list", "data": [{"id": model, "object": "model", "owned_by": "system"}]})
        if request.path == "/v1/maisi/info" and self.family is Family.MAISI:
            return Answer.of({"name": "MAISI", "version": "1.0.1-fixture", "labels": {}})
        return Answer.of({"detail": "Not Found"}, 404)
