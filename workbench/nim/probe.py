"""Looking at the NIMs: which answer, which are starting, which are not there. Never raises, never takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import Any

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import NimError
from workbench.domain.nim import HELPERS, First, NimStatus, Route, Service, State, Trouble
from workbench.nim.by_hand import curl_line, shown_url
from workbench.nim.evidence import Evidence, Known
from workbench.nim.http import Line, Reply
from workbench.nim.version import version_in
from workbench.nim.watch import Watch

LIMIT_S = 3.0
"""Longest that one look at all the services takes, seconds."""

KEPT_S = 5.0
"""How long a look is good for, seconds."""

_MODELS = "/v1/models"
_METADATA = "/v1/metadata"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A service, where its requests go, and the setting that says so. `model` is the id wanted, empty for any."""

    service: Service
    route: Route
    url: str
    setting: str
    model: str = ""
    model_setting: str = ""
    key: str = field(default="", repr=False)

    @property
    def is_hosted(self) -> bool:
        """Whether requests go to the hosted catalogue."""
        return self.route.first is First.HOSTED


class _Sight(Enum):
    READY = auto()
    STARTING = auto()
    UNUSABLE = auto()


@dataclass(frozen=True, kw_only=True)
class _Look:
    sight: _Sight
    why: str = ""
    hint: str | None = None
    model: str | None = None
    version: str | None = None
    latency_ms: float | None = None


class Lookout:
    """The watches and the evidence of one process, one each for a NIM at an address, whatever modes ask for it."""

    def __init__(self, client: httpx.Client, *, clock: Clock, limit_s: float = LIMIT_S, kept_s: float = KEPT_S) -> None:
        self.clock = clock
        self._client = client
        self._limit_s = limit_s
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._watches: dict[Target, Watch[_Look]] = {}
        self._evidence: dict[tuple[Service, str, str], Evidence] = {}
        self._versions: dict[Service, str] = {}
        self._pool: ThreadPoolExecutor | None = None

    def watch(self, target: Target) -> Watch[_Look]:
        """The watch over a target; a look that is due is begun."""
        with self._lock:
            kept = self._watches.get(target)
            if kept is None:
                kept = self._watches[target] = Watch(
                    partial(_look, target, self._client, self._limit_s, self._versions, self.clock),
                    partial(_too_long, target, self._limit_s),
                    limit_s=self._limit_s,
                    kept_s=self._kept_s,
                )
            if self._pool is None:
                # Threads are made as they are needed: one for each look under way.
                self._pool = ThreadPoolExecutor(max_workers=2 * len(Service), thread_name_prefix="probe")
            kept.begin(self._pool)
        return kept

    def evidence(self, target: Target) -> Evidence:
        """What is known of a target beyond its readiness."""
        with self._lock:
            return self._evidence.setdefault(
                (target.service, target.url, target.model if target.is_hosted else ""), Evidence(self.clock)
            )

    def close(self) -> None:
        """Stop looking."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


class Probes:
    """The state of every service in one mode, looked at side by side, however many ask.

    What was seen last is told at once while a new look is under way (`Watch`). No socket is opened for a service
    whose route asks nobody.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        lookout: Lookout,
        *,
        notes: Mapping[Service, str] | None = None,
    ) -> None:
        self._targets = {each.service: each for each in targets}
        self._lookout = lookout
        self._notes = notes or {}
        self._lock = threading.Lock()
        self._starting_since: dict[Service, float] = {}
        self._since: dict[Service, tuple[State, str]] = {}

    def statuses(self) -> tuple[NimStatus, ...]:
        """Every service, in the order given."""
        self.settled()
        return tuple(self.status(service) for service in self._targets)

    def settled(self) -> bool:
        """Whether every status can be told at once; looks that are due are begun."""
        watched = [self._lookout.watch(each) for each in self._targets.values() if _is_looked_at(each)]
        return all(each.settled() for each in watched)

    def status(self, service: Service) -> NimStatus:
        """One service."""
        target = self._targets[service]
        if target.route.first is First.NOBODY:
            return self._dated(_nobody(target))
        seen = self._lookout.watch(target).seen() if _is_looked_at(target) else _not_deployed(target)
        return self._dated(self._told(target, seen, self._lookout.evidence(target).known()))

    def _told(self, target: Target, seen: _Look, known: Known) -> NimStatus:
        starting_s = self._starting(target, seen)
        state, published, detail = _judged(target, seen, known, starting_s)
        failing = known.failing if state is State.DEGRADED else None
        if state in (State.AVAILABLE, State.CLOUD) and target.service in self._notes:
            detail = f"{detail} {self._notes[target.service]}"
        is_down = seen.sight is _Sight.UNUSABLE
        trouble = Trouble(at=self._lookout.clock.stamp(), message=seen.why, hint=seen.hint) if is_down else None
        return NimStatus(
            service=target.service,
            state=state,
            published_state=published,
            url=shown_url(target.url) or None,
            detail=detail,
            model=seen.model,
            version=seen.version,
            latency_ms=seen.latency_ms,
            starting_s=starting_s,
            goes_to=_goes_to(target, published),
            hint=failing.hint if failing else seen.hint,
            curl=curl_line(target.service, target.url, model=seen.model or target.model, hosted=target.is_hosted),
            check=known.check,
            last_call=known.last_call,
            last_error=trouble or known.last_error,
        )

    def _starting(self, target: Target, seen: _Look) -> float | None:
        """Seconds for which it has been seen starting, None where it is not."""
        with self._lock:
            if seen.sight is not _Sight.STARTING:
                self._starting_since.pop(target.service, None)
                return None
            now = time.monotonic()
            return self._lookout.clock.elapsed_s(self._starting_since.setdefault(target.service, now))

    def _dated(self, status: NimStatus) -> NimStatus:
        with self._lock:
            kept = self._since.get(status.service)
            if kept is None or kept[0] is not status.state:
                kept = self._since[status.service] = (status.state, self._lookout.clock.stamp())
        return replace(status, since=kept[1])


def _is_looked_at(target: Target) -> bool:
    return target.route.first is not First.NOBODY and bool(target.url)


def _judged(target: Target, seen: _Look, known: Known, starting_s: float | None) -> tuple[State, State, str]:
    """The state to show, the published one and why."""
    title = target.service.display_name
    without = _without(target.route)
    if seen.sight is _Sight.UNUSABLE:
        return without, without, " ".join(filter(None, (seen.why, seen.hint, _consequence(target))))
    if starting_s is not None:
        why = f"{title} is starting: it is up and has not been ready for {starting_s:.0f} s."
        return State.STARTING, without, f"{why} {_consequence(target)}"
    if (failing := known.failing) is not None:
        published = without if failing.stands_in else State.UNAVAILABLE
        end = (
            _consequence(target) if failing.stands_in else "Requests fail: a mock answers only for a NIM that is away."
        )
        why = f"{title} says it is ready, but {failing.why}"
        return State.DEGRADED, published, " ".join(filter(None, (why, failing.hint, end)))
    state = State.CLOUD if target.is_hosted else State.AVAILABLE
    proven = known.check is not None and known.check.ended_at is not None and known.check.failed is None
    if target.is_hosted and (proven or (known.last_call is not None and known.last_call.ok)):
        return state, state, f"The hosted catalogue serves {target.model} to this key: it answered a request."
    return state, state, seen.why


def _goes_to(target: Target, published: State) -> str:
    """Where a request made now goes, in words; `published` is how it fares there."""
    whom = f"the hosted catalogue ({target.model})" if target.is_hosted else "your NIM"
    if not _is_looked_at(target):
        return "the mock, with the reason" if target.route.stand_in else "nowhere: it fails with the reason"
    if published is State.MOCK:
        return f"{whom} first; while that fails, the mock with the reason"
    if published is State.UNAVAILABLE:
        return f"{whom}; while that fails, so does the request"
    return whom


def _without(route: Route) -> State:
    return State.MOCK if route.stand_in else State.UNAVAILABLE


def _consequence(target: Target) -> str:
    if target.route.stand_in:
        return "A mock stands in."
    if target.service in HELPERS:
        return "There is no mock of it."
    return "Requests fail: no mock may stand in (IMAGING_NIM_ALLOW_MOCK_FALLBACK is false)."


def _nobody(target: Target) -> NimStatus:
    state = _without(target.route)
    if target.route.reason is None:
        detail = "Mock mode: a demonstration answers, and nothing is sent anywhere."
        goes_to = "the mock; nothing is sent anywhere"
    else:
        detail = f"{target.service.display_name} has {target.route.reason}. {_consequence(target)}"
        goes_to = _goes_to(target, state)
    return NimStatus(
        service=target.service, state=state, published_state=state, url=None, detail=detail, goes_to=goes_to
    )


def _not_deployed(target: Target) -> _Look:
    return _unusable(f"{target.service.display_name} is not deployed: {target.setting} is empty.")


def _too_long(target: Target, limit_s: float) -> _Look:
    return _unusable(f"{target.service.display_name} did not answer within {limit_s:g} s.")


def _look(target: Target, client: httpx.Client, limit_s: float, versions: dict[Service, str], clock: Clock) -> _Look:
    start = time.monotonic()
    line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)

    def get(path: str) -> Reply:
        # To a tenth of a second, for the error names it.
        return line.get(path, within_s=max(0.1, round(start + limit_s - time.monotonic(), 1)))

    try:
        seen = _hosted(target, get, clock) if target.is_hosted else _own(target, get, versions, clock)
    except NimError as error:
        versions.pop(target.service, None)
        return _unusable(error.message, error.hint)
    return seen


def _unusable(why: str, hint: str | None = None) -> _Look:
    return _Look(sight=_Sight.UNUSABLE, why=why, hint=hint)


def _own(target: Target, get: Callable[[str], Reply], versions: dict[Service, str], clock: Clock) -> _Look:
    """A NIM of one's own: `ready`, then `live`, then the list of models, by status code only."""
    start = time.monotonic()
    ready = get("/v1/health/ready")
    latency_ms = 1000 * clock.elapsed_s(start)
    title = target.service.display_name
    # The oldest servers answer 200 with a bare true or false.
    if ready.status == 200 and ready.body.strip() != b"false":
        return _ready(target, get, versions, latency_ms)
    versions.pop(target.service, None)
    if ready.status in (401, 403):
        return _unusable(
            f"Access to {title} was refused (status {ready.status}).", f"Check what guards {target.setting}."
        )
    if ready.status == 404:
        return _without_health(target, get, latency_ms)
    if get("/v1/health/live").status == 200:
        return _Look(sight=_Sight.STARTING)
    return _unusable(
        f"{title} is not ready (status {ready.status}) and does not say that it is alive.",
        "See its log (docker logs).",
    )


def _ready(target: Target, get: Callable[[str], Reply], versions: dict[Service, str], latency_ms: float) -> _Look:
    service = target.service
    if service in (Service.VISTA3D, Service.MAISI):
        if service not in versions:
            info = get(f"/v1/{service.value}/info")
            if info.status == 404 and model_ids(get(_MODELS)):
                return _not_this_nim(target)
            versions[service] = (version_in(info.json()) if info.status == 200 else None) or "unknown"
        return _seen_ready(target, latency_ms, model=service.value, version=versions[service])
    if service not in versions:
        versions[service] = _release(get(_METADATA)) or "unknown"
    return _with_model(target, model_ids(get(_MODELS)), latency_ms, versions[service])


def _without_health(target: Target, get: Callable[[str], Reply], latency_ms: float) -> _Look:
    """404 on ready is no NIM; a server with a list of models may speak the same language all the same."""
    if target.service in (Service.VISTA3D, Service.MAISI):
        return _not_this_nim(target)
    ids = model_ids(get(_MODELS))
    return _with_model(target, ids, latency_ms, None) if ids else _not_this_nim(target)


def _not_this_nim(target: Target) -> _Look:
    return _unusable(
        f"What answers there is not {target.service.display_name}.", f"Check host and port in {target.setting}."
    )


def _release(reply: Reply) -> str | None:
    """The release in a `/v1/metadata` body; many releases have no such route."""
    body: Any = reply.json() if reply.status == 200 else None
    release = body.get("version") if isinstance(body, dict) else None
    return release[:60] if isinstance(release, str) and release else None


def _with_model(target: Target, ids: Sequence[str], latency_ms: float, version: str | None) -> _Look:
    if target.model and ids and target.model not in ids:
        return _unusable(
            f"{target.service.display_name} does not serve {target.model}; it lists {', '.join(ids[:3])}.",
            f"Change {target.model_setting}, or leave it empty.",
        )
    return _seen_ready(target, latency_ms, model=target.model or next(iter(ids), None), version=version)


def _seen_ready(target: Target, latency_ms: float, *, model: str | None, version: str | None) -> _Look:
    named = f" (version {version})" if version and version != "unknown" else f" ({model})" if model else ""
    return _Look(
        sight=_Sight.READY,
        why=f"{target.service.display_name} is ready{named}.",
        model=model,
        version=version,
        latency_ms=latency_ms,
    )


def _hosted(target: Target, get: Callable[[str], Reply], clock: Clock) -> _Look:
    """The hosted catalogue. That it lists a model does not prove that this key may call it: the detail says so."""
    title = target.service.display_name
    if not target.key:
        return _unusable(
            f"The hosted {title} needs a key: IMAGING_NVIDIA_API_KEY is empty.", "Get one at build.nvidia.com."
        )
    start = time.monotonic()
    reply = get(_MODELS)
    latency_ms = 1000 * clock.elapsed_s(start)
    if reply.status in (401, 403):
        return _unusable("The hosted catalogue refused the key.", "Check IMAGING_NVIDIA_API_KEY.")
    ids = model_ids(reply)
    if reply.status != 200 or not ids:
        return _unusable(f"The hosted catalogue did not list its models (status {reply.status}).")
    if target.model not in ids:
        return _unusable(
            f"The hosted catalogue no longer lists {target.model}.", f"Choose another: {target.model_setting}."
        )
    return _Look(
        sight=_Sight.READY,
        why=f"The hosted catalogue lists {target.model}; whether this key may use it shows with the first request.",
        model=target.model,
        latency_ms=latency_ms,
    )


def model_ids(reply: Reply) -> tuple[str, ...]:
    """The ids of a `/v1/models` body; none where it is none."""
    body: Any = reply.json() if reply.status == 200 else None
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return ()
    return tuple(str(each["id"])[:100] for each in listed if isinstance(each, dict) and "id" in each)
