"""What the NIMs tell about their own work, whatever each release calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """How the raw samples of a name become one number; several series of one name are several workers or models."""

    SUM = "sum"
    HIGHEST = "highest"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Quantity(Enum):
    """A row of the table: its words, its unit, and how it is read."""

    RUNNING = ("Requests running", "", Kind.SUM)
    WAITING = ("Requests waiting", "", Kind.SUM)
    REQUESTS = ("Requests finished", "", Kind.COUNTER)
    PROMPT_TOKENS = ("Prompt tokens", "", Kind.COUNTER)
    GENERATED_TOKENS = ("Generated tokens", "", Kind.COUNTER)
    TOKENS_PER_SECOND = ("Tokens per second", "1/s", Kind.SUM)
    FIRST_TOKEN = ("Time to first token, mean", "s", Kind.HISTOGRAM)
    PER_TOKEN = ("Time per further token, mean", "s", Kind.HISTOGRAM)
    LATENCY = ("Whole request, mean", "s", Kind.HISTOGRAM)
    CACHE = ("Cache in use", "%", Kind.HIGHEST)
    GPU_MEMORY = ("GPU memory in use", "GB", Kind.SUM)

    def __init__(self, label: str, unit: str, kind: Kind) -> None:
        self.label = label
        self.unit = unit
        self.kind = kind


ALIASES: Mapping[Quantity, tuple[str, ...]] = MappingProxyType(
    {
        Quantity.RUNNING: ("num_requests_running", "vllm:num_requests_running", "nim_batch_size"),
        Quantity.WAITING: ("num_requests_waiting", "vllm:num_requests_waiting", "nim_queue_size"),
        Quantity.REQUESTS: (
            "request_finish_total",
            "request_success_total",
            "vllm:request_success_total",
            "nim_request_total",
        ),
        Quantity.PROMPT_TOKENS: ("prompt_tokens_total", "vllm:prompt_tokens_total"),
        Quantity.GENERATED_TOKENS: (
            "generation_tokens_total",
            "vllm:generation_tokens_total",
            "nim_tokens_generated_total",
        ),
        Quantity.TOKENS_PER_SECOND: ("nim_tokens_per_second",),
        Quantity.FIRST_TOKEN: ("time_to_first_token_seconds", "vllm:time_to_first_token_seconds"),
        Quantity.PER_TOKEN: (
            "time_per_output_token_seconds",
            "vllm:time_per_output_token_seconds",
            "vllm:inter_token_latency_seconds",
        ),
        Quantity.LATENCY: (
            "e2e_request_latency_seconds",
            "vllm:e2e_request_latency_seconds",
            "nim_request_duration_seconds",
        ),
        Quantity.CACHE: (
            "gpu_cache_usage_perc",
            "vllm:kv_cache_usage_perc",
            "vllm:gpu_cache_usage_perc",
            "nim_kv_cache_utilization",
        ),
        Quantity.GPU_MEMORY: ("nim_gpu_memory_used_bytes",),
    }
)
"""Names under which a quantity is published, the first found counts.

Plain names: NVIDIA NIM for LLMs, observability page. `vllm:` names: vLLM, production metrics, which NIM 2.x passes on.
`nim_*` names: the published reference of the imaging agent; no NIM that was looked at has them.
"""

_SCALE = {"%": 100.0, "GB": 1e-9}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The series of one name added up (or their highest), and how many there were."""

    total: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One look at one NIM. `samples` holds every known name it exposed; `why` says why there is none.

    `at_s` is monotonic, in seconds.
    """

    name: str
    label: str
    at_s: float
    samples: Mapping[str, Sample]
    why: str = ""

    @property
    def is_exposed(self) -> bool:
        """Whether it exposed any name that is known here."""
        return bool(self.samples)


KNOWN = frozenset(
    each
    for quantity, names in ALIASES.items()
    for name in names
    for each in ((f"{name}_sum", f"{name}_count") if quantity.kind is Kind.HISTOGRAM else (name,))
)
"""Every sample name worth keeping."""


def value(quantity: Quantity, reading: Reading, before: Reading | None = None) -> float | None:
    """The quantity in its unit, None where it is not exposed.

    Histograms give the mean since `before`, or of all time where nothing happened since. Tokens per second, where no
    NIM tells them, come from the generated tokens since `before`.
    """
    number = _from(quantity, reading, before)
    if number is None and quantity is Quantity.TOKENS_PER_SECOND and before is not None:
        return _rate(
            _from(Quantity.GENERATED_TOKENS, reading), _from(Quantity.GENERATED_TOKENS, before), reading, before
        )
    return None if number is None else number * _SCALE.get(quantity.unit, 1.0)


def _from(quantity: Quantity, reading: Reading, before: Reading | None = None) -> float | None:
    for name in ALIASES[quantity]:
        if quantity.kind is Kind.HISTOGRAM:
            mean = _mean(name, reading, before)
            if mean is not None:
                return mean
        elif (sample := reading.samples.get(name)) is not None:
            return sample.highest if quantity.kind is Kind.HIGHEST else sample.total
    return None


def _mean(name: str, reading: Reading, before: Reading | None) -> float | None:
    total, count = (reading.samples.get(f"{name}_{part}") for part in ("sum", "count"))
    if total is None or count is None or count.total <= 0:
        return None
    if before is not None:
        old_total, old_count = (before.samples.get(f"{name}_{part}") for part in ("sum", "count"))
        if old_total and old_count and count.total > old_count.total:
            return (total.total - old_total.total) / (count.total - old_count.total)
    return total.total / count.total


def _rate(now: float | None, then: float | None, reading: Reading, before: Reading) -> float | None:
    """Per second between two readings; None after a restart, which sets a counter back."""
    seconds = reading.at_s - before.at_s
    if now is None or then is None or seconds <= 0 or now < then:
        return None
    return (now - then) / seconds


def course(quantity: Quantity, readings: Sequence[Reading]) -> tuple[float | None, ...]:
    """The quantity over a run of readings, oldest first."""
    return tuple(value(quantity, each, readings[at - 1] if at else None) for at, each in enumerate(readings))
