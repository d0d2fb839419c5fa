"""Where a result comes from. Nothing is shown without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Mark = Literal["MOCK", "SYNTHETIC", "MOCK SYNTHETIC"]


class Origin(StrEnum):
    """Who made a result."""

    UPLOAD = "upload"
    LOCAL = "local"
    CLOUD = "cloud"
    MOCK = "mock"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who made a result, from what, when and how.

    `elapsed_s` is wall time in seconds. `parameters` holds what was asked (structure ids, settings), never
    names or paths. `sha256` is the digest of the content made, where there is one. `stands_in_because` is
    the reason why a mock answered in place of a NIM. `synthetic` says that a model drew the picture: no patient was
    scanned.
    """

    origin: Origin
    model: str
    version: str
    created_at: str
    elapsed_s: float | None = None
    stands_in_because: str | None = None
    sha256: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Provenance, ...] = ()
    synthetic: bool = False

    @property
    def is_mock(self) -> bool:
        """True for a mock, and for everything computed from one."""
        return self.origin is Origin.MOCK or any(each.is_mock for each in self.inputs)

    @property
    def is_synthetic(self) -> bool:
        """True for a picture that a model drew, and for everything computed from one."""
        return self.synthetic or any(each.is_synthetic for each in self.inputs)

    @property
    def mark(self) -> Mark | None:
        """The words to draw into every picture of this, None where there is nothing to warn of."""
        return mark_of(self)

    def to_json(self) -> dict[str, Any]:
        """The published form, inputs nested."""
        return {
            "origin": str(self.origin),
            "model": self.model,
            "version": self.version,
            "created_at": self.created_at,
            "elapsed_s": self.elapsed_s,
            "stands_in_because": self.stands_in_because,
            "sha256": self.sha256,
            "parameters": dict(self.parameters),
            "is_mock": self.is_mock,
            "synthetic": self.synthetic,
            "is_synthetic": self.is_synthetic,
            "inputs": [each.to_json() for each in self.inputs],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Provenance:
        """Read back what `to_json` wrote."""
        return cls(
            origin=Origin(stored["origin"]),
            model=stored["model"],
            version=stored["version"],
            created_at=stored["created_at"],
            elapsed_s=stored["elapsed_s"],
            stands_in_because=stored["stands_in_because"],
            sha256=stored["sha256"],
            parameters=dict(stored["parameters"]),
            inputs=tuple(cls.from_json(each) for each in stored["inputs"]),
            # Absent in what was stored before there were synthetic pictures.
            synthetic=stored.get("synthetic", False),
        )


def mark_of(*shown: Provenance) -> Mark | None:
    """The words to draw into a picture of all of these together."""
    if any(each.is_mock for each in shown):
        return "MOCK SYNTHETIC" if any(each.is_synthetic for each in shown) else "MOCK"
    return "SYNTHETIC" if any(each.is_synthetic for each in shown) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Base of everything received or computed."""

    provenance: Provenance

    @property
    def is_mock(self) -> bool:
        """True when this result, or anything it rests on, is invented."""
        return self.provenance.is_mock

    @property
    def is_synthetic(self) -> bool:
        """True when this result, or anything it rests on, was drawn by a model."""
        return self.provenance.is_synthetic
