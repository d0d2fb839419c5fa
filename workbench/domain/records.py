"""What is kept about the deployment and about each run: nouns for who may audit both.

Fields of the review record follow the list that a governance review of a NIM deployment asks for: image, model,
source, engine, GPU, profile, container settings, API surface, health, logging, metrics, tracing, tool calling,
deployment path, update channel and allowed purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from workbench.domain.nim import Service


class Purpose(StrEnum):
    """What an endpoint may be used for."""

    SEGMENTATION = "segmentation"
    GENERATION = "generation"
    IMAGE_QUESTIONS = "image-questions"
    CHAT = "chat"
    RETRIEVAL = "retrieval"


OBVIOUS: Mapping[str, tuple[Purpose, ...]] = {
    Service.VISTA3D.value: (Purpose.SEGMENTATION,),
    Service.MAISI.value: (Purpose.GENERATION,),
    Service.VILA_M3.value: (Purpose.IMAGE_QUESTIONS,),
    Service.LLM.value: (Purpose.CHAT,),
    Service.EMBED.value: (Purpose.RETRIEVAL,),
    Service.RERANK.value: (Purpose.RETRIEVAL,),
}
"""The purposes of an endpoint for which the operator declares none."""

FIELDS: Mapping[str, str] = {
    "endpoint": "Endpoint",
    "image": "Container image",
    "model_id": "Model",
    "model_version": "Version",
    "model_source": "Model source",
    "engine": "Engine",
    "gpu": "GPU",
    "profile": "Model profile",
    "container_settings": "Container settings",
    "api_surface": "API surface",
    "health": "Health",
    "logging": "Logging",
    "metrics": "Metrics",
    "tracing": "Tracing",
    "tool_calling": "Tool calling",
    "deployment_path": "Deployment path",
    "update_channel": "Update channel",
    "allowed_purpose": "Allowed purpose",
}
"""Every field of a service's record with its title, in the order shown."""

NOT_DECLARED = frozenset({"endpoint", "health", "allowed_purpose"})
"""Fields that are only observed, or declared in another way."""

_CHANGES_TOLD = ("endpoint", "image", "model_id", "model_version", "engine", "profile", "allowed_purpose")
# What an endpoint answers from one minute to the next does not make it another deployment.
_PASSING = frozenset({"health", "api_surface", "metrics"})


class Known(StrEnum):
    """How a field is known."""

    OBSERVED = "observed"
    DECLARED = "declared"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A field's value and how it is known: `by` names the probe or document, `at` the displayed time of looking.

    `declared` is what the operator wrote where something else was observed.
    """

    value: Any = None
    known: Known = Known.UNKNOWN
    by: str | None = None
    at: str | None = None
    declared: Any = None

    @property
    def text(self) -> str:
        """The value in one line."""
        return _text(self.value) if self.known is not Known.UNKNOWN else ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "known": self.known.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(**{**stored, "known": Known(stored["known"])})


UNKNOWN = Fact()


def observed(value: Any, *, by: str, at: str) -> Fact:
    """A fact that a probe saw."""
    return Fact(value=value, known=Known.OBSERVED, by=by, at=at)


class Describe(Protocol):
    """Looks at what a NIM of one's own tells of itself beyond its status. Cached, bounded in time, never raises.

    Only asked of a service whose status says that it is there.
    """

    def __call__(self, service: Service) -> Mapping[str, Fact]:
        """Facts by field of the review record; a field that was not seen is absent."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """What the operator's file declares: facts and purposes by service."""

    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    purposes: Mapping[str, tuple[Purpose, ...]] = field(default_factory=dict)

    def purposes_of(self, service: str) -> tuple[Purpose, ...]:
        """The purposes allowed: declared, else the obvious one."""
        return self.purposes.get(service, OBVIOUS[service])


@dataclass(frozen=True, kw_only=True)
class ServiceRecord:
    """One service's fields; every field of `FIELDS` is there."""

    service: str
    fields: Mapping[str, Fact]

    def identity(self) -> dict[str, Any]:
        """What makes this deployment this one: values and how they are known, without times and passing states."""
        return {
            name: [fact.known.value, fact.value, fact.declared]
            for name, fact in self.fields.items()
            if name not in _PASSING or fact.known is Known.DECLARED
        }

    def changes_since(self, before: ServiceRecord) -> tuple[str, ...]:
        """Sentences on what is known to be another than before; becoming known is no change."""
        told = []
        for name in _CHANGES_TOLD:
            old, new = before.fields.get(name, UNKNOWN), self.fields[name]
            if Known.UNKNOWN not in (old.known, new.known) and old.value != new.value:
                told.append(f"{self.title}: {FIELDS[name].lower()} was {old.text}, is {new.text}.")
        return tuple(told)

    @property
    def title(self) -> str:
        """The service as people write it."""
        return Service(self.service).display_name


@dataclass(frozen=True, kw_only=True)
class ReviewRecord:
    """What is known of every NIM in use in one mode. `id` is the hash of it, times and passing states left out.

    `changes` says what is another than in the record `previous`.
    """

    mode: str
    made_at: str
    services: tuple[ServiceRecord, ...]
    previous: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The first 32 hexadecimal digits of the SHA-256 of its content as sorted JSON."""
        content = {"mode": self.mode, **{each.service: each.identity() for each in self.services}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """The published form."""
        return {
            "id": self.id,
            "mode": self.mode,
            "made_at": self.made_at,
            "previous": self.previous,
            "changes": list(self.changes),
            "services": [
                {
                    "name": each.service,
                    "title": each.title,
                    "fields": {name: fact.to_json() for name, fact in each.fields.items()},
                }
                for each in self.services
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote; a field that did not exist then is unknown."""
        return cls(
            mode=stored["mode"],
            made_at=stored["made_at"],
            previous=stored["previous"],
            changes=tuple(stored["changes"]),
            services=tuple(
                ServiceRecord(
                    service=each["name"],
                    fields={
                        name: Fact.from_json(each["fields"][name]) if name in each["fields"] else UNKNOWN
                        for name in FIELDS
                    },
                )
                for each in stored["services"]
            ),
        )


@dataclass(frozen=True, kw_only=True)
class RecordNote:
    """A line of the history: which record began when, in which mode, and what had changed."""

    id: str
    mode: str
    at: str
    changes: tuple[str, ...] = ()


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One line of the run log. Nothing in it names a person, a file or a question.

    `visit` is a keyed hash; `service` is a NIM's name, or `read` for the opening of a CT; `duration_s` is wall time
    in seconds; `input_sha256` is the digest of the voxels that were the input; `cause` is the kind of error;
    `fallback_reason` says why a mock stood in, without the NIM's own words.
    """

    time: str
    visit: str
    service: str
    mode: str
    duration_s: float
    input_sha256: str | None
    outcome: Outcome
    cause: str | None = None
    origin: str | None = None
    fallback_reason: str | None = None
    review_record: str | None = None
    trace_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


RUN_COLUMNS = tuple(Run.__dataclass_fields__)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
