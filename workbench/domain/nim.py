"""The four services, the states they can be in, and the one table that says who answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from workbench.domain.provenance import Result
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.synthesis import Synthesis, SynthesisOrder


class Service(StrEnum):
    """A NIM by the name that the published routes use; `ROUTED` are the four that they always list."""

    VISTA3D = "vista3d"
    MAISI = "maisi"
    VILA_M3 = "vila_m3"
    LLM = "llm"
    EMBED = "embed"
    RERANK = "rerank"

    @property
    def display_name(self) -> str:
        """As people write it."""
        return {
            "vista3d": "VISTA-3D",
            "maisi": "MAISI",
            "vila_m3": "VILA-M3",
            "llm": "Llama-3",
            "embed": "Embedding",
            "rerank": "Reranking",
        }[self.value]


ROUTED = (Service.VISTA3D, Service.MAISI, Service.VILA_M3, Service.LLM)
"""The four of `/nim/status`, `/health` and the panel, in the published order."""

HELPERS = (Service.EMBED, Service.RERANK)
"""Optional NIMs, on the Status tab where their address is set. None has a mock."""


class State(StrEnum):
    """What the panel shows for a service."""

    AVAILABLE = "available"
    CLOUD = "cloud"
    MOCK = "mock"
    UNAVAILABLE = "unavailable"
    STARTING = "starting"
    DEGRADED = "degraded"


class Mode(StrEnum):
    """`IMAGING_NIM_MODE`."""

    LOCAL = "local"
    CLOUD = "cloud"
    MOCK = "mock"


class First(StrEnum):
    """Whom a request asks first."""

    OWN_NIM = "own NIM"
    HOSTED = "hosted"
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a request goes: whom it asks first, and whether a mock stands in when that one cannot be used.

    `reason` says why nobody real is asked, None where somebody is or where the mode is mock.
    """

    first: First
    stand_in: bool
    reason: str | None = None


NO_HOSTED_ENDPOINT = "no hosted endpoint"
HOSTED = frozenset({Service.LLM, Service.VILA_M3})


def route(mode: Mode, *, allow_fallback: bool, service: Service) -> Route:
    """The mode table: the panel, `/nim/status` and every request ask this function."""
    if mode is Mode.MOCK:
        return Route(first=First.NOBODY, stand_in=True)
    if service in HELPERS:
        return Route(first=First.OWN_NIM, stand_in=False)
    if mode is Mode.LOCAL:
        return Route(first=First.OWN_NIM, stand_in=allow_fallback)
    if service in HOSTED:
        return Route(first=First.HOSTED, stand_in=allow_fallback)
    return Route(first=First.NOBODY, stand_in=allow_fallback, reason=NO_HOSTED_ENDPOINT)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What went wrong last, when (ISO 8601), and what to do about it."""

    at: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class LastCall:
    """The last real request that a NIM was sent, checks left out: when it ended, how, and its wall time in seconds."""

    at: str
    ok: bool
    detail: str
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class CheckStep:
    """One step of a contract check. `ok` is None where it was not tried, or cannot be told. Wall time in ms."""

    step: str
    ok: bool | None
    detail: str
    ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The last contract check of a service: its steps so far, and when it ended (ISO 8601), None while it runs."""

    steps: tuple[CheckStep, ...]
    ended_at: str | None = None

    @property
    def failed(self) -> CheckStep | None:
        """The first step that failed."""
        return next((each for each in self.steps if each.ok is False), None)


@dataclass(frozen=True, kw_only=True)
class NimStatus:
    """What would answer now, and why. `url` is None where none is asked; it never holds a password.

    `state` may be finer than the published four; `published_state` is the one for `/nim/status` and `/health`.
    `since` is when the state was first seen (ISO 8601), `starting_s` how long it has been starting. `goes_to` says
    where a request made now would go, `hint` the cure of what `detail` tells, `curl` a line to ask it by hand,
    which holds no key.
    """

    service: Service
    state: State
    published_state: State
    url: str | None
    detail: str
    model: str | None = None
    version: str | None = None
    latency_ms: float | None = None
    since: str | None = None
    starting_s: float | None = None
    goes_to: str = ""
    hint: str | None = None
    curl: str | None = None
    check: CheckReport | None = None
    last_call: LastCall | None = None
    last_error: Trouble | None = None


RequestT = TypeVar("RequestT", contravariant=True)
ResultT = TypeVar("ResultT", bound=Result, covariant=True)


class Nim(Protocol[RequestT, ResultT]):
    """Somebody who answers: a NIM, the hosted catalogue, a mock, or one standing in for the other."""

    def status(self) -> NimStatus:
        """What would answer a request now. Cached for a few seconds; never raises."""

    def run(self, request: RequestT, /) -> ResultT:
        """Answer, or raise a `NimError`."""


Segmenter = Nim[SegmentationRequest, Segmentation]
Synthesizer = Nim[SynthesisOrder, Synthesis]
