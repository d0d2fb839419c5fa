"""Which model a server answers with, and how much text it takes at once, as its list of models says."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from workbench.domain.errors import NimReplyInvalid, NimUnavailable
from workbench.domain.nim import Service
from workbench.nim.http import Line
from workbench.nim.probe import Target
from workbench.nim.refusals import Asked, refusal

LOOK_S = 5.0
"""Longest wait for the list, seconds."""

KEPT_S = 60.0
"""How long a list is good for, seconds: a NIM may be started anew with another model."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model's id, and the most tokens it takes, question and answer together; None where nobody told."""

    id: str
    context_tokens: int | None = None


class Served:
    """The model behind a target: the one wanted, else the first listed. The hosted catalogue is not asked."""

    def __init__(self, target: Target, line: Line, *, kept_s: float = KEPT_S) -> None:
        self._target = target
        self._line = line
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._kept: tuple[float, ServedModel] | None = None
        self._learned: int | None = None

    def model(self) -> ServedModel:
        """The model that requests name.

        Raises:
            NimUnavailable: it cannot be asked, or does not serve the one wanted.
            NimReplyInvalid: it lists no model, and none is set.
        """
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] >= self._kept_s:
                self._kept = time.monotonic(), self._look()
            known = self._kept[1]
            return replace(known, context_tokens=known.context_tokens or self._learned)

    def learn(self, context_tokens: int) -> None:
        """Remember what a refusal told of the most tokens it takes."""
        with self._lock:
            self._learned = context_tokens
            if self._kept is not None:
                self._kept = self._kept[0], replace(self._kept[1], context_tokens=context_tokens)

    def forget(self) -> None:
        """Look again with the next request."""
        with self._lock:
            self._kept = None

    def asked(self, model: str) -> Asked:
        """Who was asked, for an error's words."""
        return asked(self._target, model)

    def _look(self) -> ServedModel:
        wanted = self._target.model
        if self._target.is_hosted:
            return ServedModel(id=wanted)
        reply = self._line.get("/v1/models", within_s=LOOK_S)
        if reply.status != 200 and not (reply.status == 404 and wanted):
            raise refusal(reply, self.asked(wanted))
        listed = _listed(reply.json() if reply.status == 200 else None)
        title = self._target.service.display_name
        if not wanted and not listed:
            raise NimReplyInvalid(
                f"{title} lists no model.",
                hint=f"Check {self._target.setting}, or name a model with {self._target.model_setting}.",
            )
        if wanted and listed and wanted not in listed:
            raise NimUnavailable(
                f"{title} does not serve {wanted}; it lists {', '.join(list(listed)[:3])}.",
                hint=f"Change {self._target.model_setting}, or leave it empty.",
            )
        return listed.get(wanted) or next(iter(listed.values()), None) or ServedModel(id=wanted)


def asked(target: Target, model: str) -> Asked:
    """Who was asked, for an error's words. What the catalogue has in the place of VILA-M3 is another model."""
    is_other = target.is_hosted and target.service is Service.VILA_M3
    return Asked(
        title="vision model" if is_other else target.service.display_name,
        url_setting=target.setting,
        model_setting=target.model_setting,
        model=model,
        hosted=target.is_hosted,
    )


def _listed(body: Any) -> dict[str, ServedModel]:
    """The models of a `/v1/models` body, in its order."""
    data = body.get("data") if isinstance(body, dict) else None
    entries = data if isinstance(data, list) else []
    return {
        str(each["id"])[:200]: ServedModel(id=str(each["id"])[:200], context_tokens=_context(each))
        for each in entries
        if isinstance(each, dict) and each.get("id")
    }


def _context(entry: dict[str, Any]) -> int | None:
    told = entry.get("max_model_len")
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
