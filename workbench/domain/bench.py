"""What a bench measured, and the arithmetic of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One request: seconds from the call to the whole answer; for text its tokens and the wait for the first one.

    `error` names the kind of failure, and then nothing else counts.
    """

    elapsed_s: float
    first_token_s: float | None = None
    tokens: int | None = None
    is_mock: bool = False
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Seconds: mean and percentiles, by linear interpolation between ranks (Hyndman and Fan's type 7)."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """A bench. `ended_because` is `done`, `time` or `stopped`; `wall_s` runs from the first call to the last answer.

    `requests_per_s` and `tokens_per_s` are over `wall_s`, all callers together.
    """

    service: str
    started_at: str
    mode: str
    is_mock: bool
    requests: int
    concurrency: int
    answered: int
    failed: int
    errors: Mapping[str, int]
    wall_s: float
    requests_per_s: float | None
    latency_s: Spread
    first_token_s: Spread | None
    tokens: int | None
    tokens_per_s: float | None
    ended_because: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return dataclasses.asdict(self) | {"errors": dict(self.errors), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> BenchReport:
        """The report that `as_json` wrote.

        Raises:
            KeyError, TypeError: it is no such report.
        """
        spreads = {
            name: Spread(**read[name]) if read[name] is not None else None for name in ("latency_s", "first_token_s")
        }
        return cls(**{**read, **spreads, "notes": tuple(read["notes"])})


def spread(seconds: Sequence[float]) -> Spread:
    """Mean and percentiles; all None for nothing."""
    if not seconds:
        return Spread(mean=None, p50=None, p95=None, p99=None, lowest=None, highest=None)
    p50, p95, p99 = (float(each) for each in np.percentile(np.asarray(seconds, np.float64), (50, 95, 99)))
    return Spread(mean=float(np.mean(seconds)), p50=p50, p95=p95, p99=p99, lowest=min(seconds), highest=max(seconds))


def summarise(
    answers: Sequence[Answered],
    *,
    service: str,
    started_at: str,
    mode: str,
    requests: int,
    concurrency: int,
    wall_s: float,
    ended_because: str,
    notes: tuple[str, ...] = (),
) -> BenchReport:
    """The report over what was answered; failures are counted by kind and enter no average."""
    good = [each for each in answers if each.error is None]
    waits = [each.first_token_s for each in good if each.first_token_s is not None]
    counted = [each.tokens for each in good if each.tokens is not None]
    tokens = sum(counted) if counted else None
    return BenchReport(
        service=service,
        started_at=started_at,
        mode=mode,
        is_mock=any(each.is_mock for each in good),
        requests=requests,
        concurrency=concurrency,
        answered=len(good),
        failed=len(answers) - len(good),
        errors=dict(Counter(each.error for each in answers if each.error is not None)),
        wall_s=wall_s,
        requests_per_s=len(good) / wall_s if good and wall_s > 0 else None,
        latency_s=spread([each.elapsed_s for each in good]),
        first_token_s=spread(waits) if waits else None,
        tokens=tokens,
        tokens_per_s=tokens / wall_s if tokens is not None and wall_s > 0 else None,
        ended_because=ended_because,
        notes=notes,
    )
