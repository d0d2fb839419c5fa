"""Reading what each NIM exposes in Prometheus' text format. Never raises, never takes longer than its limit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from workbench.domain.errors import NimError
from workbench.domain.nim import First
from workbench.domain.nim_metrics import KNOWN, Reading, Sample
from workbench.nim.http import Line, new_client
from workbench.nim.targets import targets
from workbench.settings import Settings

LIMIT_S = 3.0
"""Longest that one look takes, seconds."""

PATHS = ("/v1/metrics", "/metrics")
"""Where metrics lie; NIM for LLMs 1.0.0 has only the second."""


@dataclass(frozen=True, kw_only=True)
class MetricsTarget:
    """A NIM of one's own, and the setting that holds its address."""

    name: str
    label: str
    url: str
    setting: str


def own_nims(settings: Settings) -> tuple[MetricsTarget, ...]:
    """The NIMs that requests go to now: none in mock mode, none of the hosted catalogue, which exposes nothing."""
    return tuple(
        MetricsTarget(name=each.service.value, label=each.service.display_name, url=each.url, setting=each.setting)
        for each in targets(settings, settings.nim_mode)
        if each.route.first is First.OWN_NIM and each.url
    )


class MetricsReader:
    """Looks at all targets side by side."""

    def __init__(
        self, targets: Sequence[MetricsTarget], *, client: httpx.Client | None = None, limit_s: float = LIMIT_S
    ) -> None:
        self._targets = tuple(targets)
        self._client = client or new_client()
        self._limit_s = limit_s

    def read(self) -> tuple[Reading, ...]:
        """One reading a target, in their order; opens no socket where there is none."""
        if not self._targets:
            return ()
        with ThreadPoolExecutor(max_workers=len(self._targets), thread_name_prefix="metrics") as pool:
            return tuple(pool.map(self._one, self._targets))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _one(self, target: MetricsTarget) -> Reading:
        line = Line(target.url, self._client, name=target.label, setting=target.setting)
        start = time.monotonic()
        try:
            for path in PATHS:
                reply = line.get(path, within_s=max(0.05, start + self._limit_s - time.monotonic()))
                if reply.status == 200:
                    return self._parsed(target, reply.body)
                if reply.status != 404:
                    return self._none(target, f"not exposed (status {reply.status})")
        except NimError as error:
            return self._none(target, error.message)
        return self._none(target, "not exposed")

    def _parsed(self, target: MetricsTarget, body: bytes) -> Reading:
        try:
            samples = parse(body.decode("utf-8", errors="replace"))
        except ValueError:
            return self._none(target, "not exposed: what it answers there is not Prometheus text")
        why = "" if samples else "not exposed under any name that is known here"
        return Reading(name=target.name, label=target.label, at_s=time.monotonic(), samples=samples, why=why)

    @staticmethod
    def _none(target: MetricsTarget, why: str) -> Reading:
        return Reading(name=target.name, label=target.label, at_s=time.monotonic(), samples={}, why=why)


def parse(text: str) -> dict[str, Sample]:
    """The known names in a Prometheus text, their series put together; numbers that are none are left out.

    Raises:
        ValueError: the text is in another format.
    """
    series: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in KNOWN and math.isfinite(sample.value):
                series.setdefault(sample.name, []).append(float(sample.value))
    return {name: Sample(total=sum(values), highest=max(values)) for name, values in series.items()}
