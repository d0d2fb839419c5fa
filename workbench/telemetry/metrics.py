"""What Prometheus is told. Labels are words of this program: never a name, a question, a path or an id.

Counters ending in `_total` only grow; durations are in seconds. The names are used by the dashboard under
`assets/deploy/observability`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# A mock answers in a second, a segmentation takes minutes, MAISI up to half an hour.
_RUN_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800)


class Metrics:
    """The counters and gauges of one process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._gauges = _Gauges(version)
        self._registry.register(self._gauges)
        self._requests = Counter(
            "workbench_http_requests",
            "Requests answered, by route as published, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._request_s = Histogram(
            "workbench_http_request_duration_seconds",
            "Seconds from a request's arrival until its answer begins.",
            ("route",),
            buckets=_REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._runs = Counter(
            "workbench_runs",
            "Runs ended, by service (read: opening a CT), outcome (done, failed, cancelled) and who answered.",
            ("service", "outcome", "origin"),
            registry=self._registry,
        )
        self._run_s = Histogram(
            "workbench_run_duration_seconds",
            "Seconds that a run took.",
            ("service", "origin"),
            buckets=_RUN_BUCKETS_S,
            registry=self._registry,
        )
        self._fallbacks = Counter(
            "workbench_fallbacks",
            "Runs that a mock answered in place of a NIM.",
            ("service",),
            registry=self._registry,
        )
        self._errors = Counter(
            "workbench_errors",
            "Runs that failed, by service and the kind of error.",
            ("service", "cause"),
            registry=self._registry,
        )
        self._refusals = Counter(
            "workbench_refusals",
            "Requests refused at the door, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self._purpose_refusals = Counter(
            "workbench_purpose_refusals",
            "Calls refused because the operator did not allow the service for that purpose.",
            ("service", "purpose"),
            registry=self._registry,
        )
        self._answers = Counter(
            "workbench_answers",
            "Questions to the library answered, by the evidence found (strong, weak, none).",
            ("evidence",),
            registry=self._registry,
        )
        self._unsupported = Counter(
            "workbench_unsupported_sentences",
            "Sentences of answers that were marked: uncited, not held by what they cite, or with a wrong number.",
            registry=self._registry,
        )

    def watch(
        self, name: str, help_text: str, read: Callable[[], Mapping[str, float] | float], label: str = ""
    ) -> None:
        """Add a gauge that is read when Prometheus asks; a mapping gives one value for each word of `label`."""
        self._gauges.add(name, help_text, read, label)

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request, and a refused one with its reason."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_s.labels(route).observe(seconds)
        reason = {401: "not signed in", 403: "forbidden", 413: "too large", 429: "too busy"}.get(status)
        if reason is not None:
            self._refusals.labels(reason).inc()

    def run(
        self, *, service: str, outcome: str, origin: str, seconds: float, cause: str | None, stood_in: bool
    ) -> None:
        """Count a run that ended."""
        self._runs.labels(service, outcome, origin).inc()
        self._run_s.labels(service, origin).observe(seconds)
        if stood_in:
            self._fallbacks.labels(service).inc()
        if outcome == "failed":
            self._errors.labels(service, cause or "unknown").inc()

    def purpose_refused(self, *, service: str, purpose: str) -> None:
        """Count a call for a purpose that is not allowed."""
        self._purpose_refusals.labels(service, purpose).inc()

    def answer(self, evidence: str, *, unsupported: int) -> None:
        """Count an answer of the library and its marked sentences."""
        self._answers.labels(evidence).inc()
        self._unsupported.inc(unsupported)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _Gauges:
    """Values that are read when asked for."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._read: list[tuple[str, str, Callable[[], Mapping[str, float] | float], str]] = []

    def add(self, name: str, help_text: str, read: Callable[[], Mapping[str, float] | float], label: str) -> None:
        self._read.append((name, help_text, read, label))

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        build = InfoMetricFamily("workbench_build", "What is running.")
        build.add_metric([], {"version": self._version, "python": platform.python_version()})
        yield build
        for name, help_text, read, label in self._read:
            found = read()
            gauge = GaugeMetricFamily(name, help_text, labels=[label] if label else None)
            for word, value in (found if isinstance(found, Mapping) else {"": found}).items():
                gauge.add_metric([word] if label else [], value)
            yield gauge
