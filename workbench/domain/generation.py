"""What is kept of asking MAISI: the request and how it ended, whether or not a CT came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from workbench.domain.case import JobState
from workbench.domain.provenance import Provenance
from workbench.domain.synthesis import SynthesisRequest


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One request to MAISI and what came of it.

    `id` is that of its first sample's case too, and its job runs on it. `number` counts up with every generation.
    `echo` repeats fields of the request as they were sent, `told` what was translated to read them. `cases` are the ids
    of the samples in order, empty unless it is done; one of them may have been deleted since. `elapsed_s` is wall time
    in seconds until it ended. `warnings` and `provenance` are those of the answer, None and empty without one.
    """

    id: str
    owner: str
    number: int
    created_at: str
    request: SynthesisRequest
    state: JobState = JobState.RUNNING
    echo: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    numbering: str | None = None
    elapsed_s: float | None = None
    error: str | None = None
    hint: str | None = None
    provenance: Provenance | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state is JobState.RUNNING

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored."""
        return {
            "id": self.id,
            "owner": self.owner,
            "number": self.number,
            "created_at": self.created_at,
            "request": self.request.to_json(),
            "state": str(self.state),
            "echo": dict(self.echo),
            "told": list(self.told),
            "cases": list(self.cases),
            "warnings": list(self.warnings),
            "numbering": self.numbering,
            "elapsed_s": self.elapsed_s,
            "error": self.error,
            "hint": self.hint,
            "provenance": self.provenance.to_json() if self.provenance else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            id=stored["id"],
            owner=stored["owner"],
            number=stored["number"],
            created_at=stored["created_at"],
            request=SynthesisRequest.from_json(stored["request"]),
            state=JobState(stored["state"]),
            echo=dict(stored["echo"]),
            told=tuple(stored["told"]),
            cases=tuple(stored["cases"]),
            warnings=tuple(stored["warnings"]),
            numbering=stored["numbering"],
            elapsed_s=stored["elapsed_s"],
            error=stored["error"],
            hint=stored["hint"],
            provenance=Provenance.from_json(stored["provenance"]) if stored["provenance"] else None,
        )
