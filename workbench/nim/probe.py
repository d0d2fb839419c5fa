"""Looking at the NIMs: which answer, which are starting, which are not there. Never raises, never takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import httpx

from workbench.domain.errors import NimError
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.nim.http import Line, Reply
from workbench.nim.vista3d_reply import version_in

LIMIT_S = 3.0
"""Longest that one look at all the services takes, seconds."""

KEPT_S = 5.0
"""How long a look is good for, seconds."""

_MODELS = "/v1/models"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A service, where its requests go, and the setting that says so. `model` is the id wanted, empty for any."""

    service: Service
    route: Route
    url: str
    setting: str
    model: str = ""
    model_setting: str = ""
    key: str = ""


class _Sight(Enum):
    READY = auto()
    STARTING = auto()
    UNUSABLE = auto()


@dataclass(frozen=True, kw_only=True)
class _Look:
    sight: _Sight
    why: str = ""
    model: str | None = None
    version: str | None = None
    latency_ms: float | None = None


class Probes:
    """The state of every service, looked at side by side and kept for a few seconds, however many ask.

    No socket is opened for a service whose route asks nobody.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        client: httpx.Client,
        limit_s: float = LIMIT_S,
        kept_s: float = KEPT_S,
        notes: dict[Service, str] | None = None,
    ) -> None:
        self._targets = {each.service: each for each in targets}
        self._client = client
        self._limit_s = limit_s
        self._kept_s = kept_s
        self._notes = notes or {}
        self._lock = threading.Lock()
        self._looks: dict[Service, tuple[float, Future[_Look]]] = {}
        self._starting_since: dict[Service, float] = {}
        self._versions: dict[Service, str] = {}
        self._pool: ThreadPoolExecutor | None = None

    def statuses(self) -> tuple[NimStatus, ...]:
        """Every service, in the order given."""
        begun = [(target, self._begin(target)) for target in self._targets.values()]
        return tuple(self._status(target, look) for target, look in begun)

    def status(self, service: Service) -> NimStatus:
        """One service."""
        target = self._targets[service]
        return self._status(target, self._begin(target))

    def close(self) -> None:
        """Stop looking."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, target: Target) -> tuple[float, Future[_Look]] | None:
        """The look under way or still good, else a new one; None where nobody is asked."""
        if target.route.first is First.NOBODY:
            return None
        now = time.monotonic()
        with self._lock:
            kept = self._looks.get(target.service)
            if kept is not None and (now - kept[0] < self._kept_s or not kept[1].done()):
                return kept
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max_workers=len(self._targets), thread_name_prefix="probe")
            look = self._pool.submit(_look, target, self._client, self._limit_s, self._versions)
            self._looks[target.service] = (now, look)
            return now, look

    def _status(self, target: Target, begun: tuple[float, Future[_Look]] | None) -> NimStatus:
        if begun is None:
            return _nobody(target)
        started, look = begun
        try:
            seen = look.result(timeout=max(0.0, started + self._limit_s - time.monotonic()))
        except TimeoutError:
            seen = _Look(
                sight=_Sight.UNUSABLE, why=f"{target.service.display_name} did not answer within {self._limit_s:g} s."
            )
        return self._told(target, seen)

    def _told(self, target: Target, seen: _Look) -> NimStatus:
        real = State.CLOUD if target.route.first is First.HOSTED else State.AVAILABLE
        published = real if seen.sight is _Sight.READY else _without(target.route)
        state = State.STARTING if seen.sight is _Sight.STARTING else published
        detail = seen.why if seen.sight is not _Sight.STARTING else self._starting(target)
        self._forget_start(target, seen)
        if seen.sight is not _Sight.READY:
            detail = f"{detail} {_consequence(target.route)}"
        elif target.service in self._notes:
            detail = f"{detail} {self._notes[target.service]}"
        return NimStatus(
            service=target.service,
            state=state,
            published_state=published,
            url=target.url or None,
            detail=detail,
            model=seen.model,
            version=seen.version,
            latency_ms=seen.latency_ms,
        )

    def _starting(self, target: Target) -> str:
        with self._lock:
            since = self._starting_since.setdefault(target.service, time.monotonic())
        seconds = time.monotonic() - since
        return f"{target.service.display_name} is starting: it is up and has not been ready for {seconds:.0f} s."

    def _forget_start(self, target: Target, seen: _Look) -> None:
        if seen.sight is not _Sight.STARTING:
            with self._lock:
                self._starting_since.pop(target.service, None)


def _without(route: Route) -> State:
    return State.MOCK if route.stand_in else State.UNAVAILABLE


def _consequence(route: Route) -> str:
    if route.stand_in:
        return "A mock stands in."
    return "Requests fail: no mock may stand in (IMAGING_NIM_ALLOW_MOCK_FALLBACK is false)."


def _nobody(target: Target) -> NimStatus:
    state = _without(target.route)
    if target.route.reason is None:
        detail = "Mock mode: a demonstration answers, and nothing is sent anywhere."
    else:
        detail = f"{target.service.display_name} has {target.route.reason}. {_consequence(target.route)}"
    return NimStatus(service=target.service, state=state, published_state=state, url=None, detail=detail)


def _look(target: Target, client: httpx.Client, limit_s: float, versions: dict[Service, str]) -> _Look:
    if not target.url:
        return _unusable(f"{target.service.display_name} is not deployed: {target.setting} is empty.")
    start = time.monotonic()
    line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)

    def get(path: str) -> Reply:
        return line.get(path, within_s=max(0.05, start + limit_s - time.monotonic()))

    try:
        seen = _hosted(target, get) if target.route.first is First.HOSTED else _own(target, get, versions)
    except NimError as error:
        versions.pop(target.service, None)
        return _unusable(" ".join(filter(None, (error.message, error.hint))))
    return seen


def _unusable(why: str) -> _Look:
    return _Look(sight=_Sight.UNUSABLE, why=why)


def _own(target: Target, get: Callable[[str], Reply], versions: dict[Service, str]) -> _Look:
    """A NIM of one's own: `ready`, then `live`, then the list of models, by status code only."""
    start = time.monotonic()
    ready = get("/v1/health/ready")
    latency_ms = 1000 * (time.monotonic() - start)
    title = target.service.display_name
    # The oldest servers answer 200 with a bare true or false.
    if ready.status == 200 and ready.body.strip() != b"false":
        return _ready(target, get, versions, latency_ms)
    versions.pop(target.service, None)
    if ready.status in (401, 403):
        return _unusable(f"Access to {title} was refused (status {ready.status}). Check what guards {target.setting}.")
    if ready.status == 404:
        return _without_health(target, get, latency_ms)
    if get("/v1/health/live").status == 200:
        return _Look(sight=_Sight.STARTING)
    return _unusable(f"{title} is not ready (status {ready.status}) and does not say that it is alive. See its log.")


def _ready(target: Target, get: Callable[[str], Reply], versions: dict[Service, str], latency_ms: float) -> _Look:
    service = target.service
    if service in (Service.VISTA3D, Service.MAISI):
        if service not in versions:
            info = get(f"/v1/{service.value}/info")
            if info.status == 404 and _model_ids(get(_MODELS)):
                return _not_this_nim(target)
            versions[service] = (version_in(info.json()) if info.status == 200 else None) or "unknown"
        return _seen_ready(target, latency_ms, model=service.value, version=versions[service])
    return _with_model(target, _model_ids(get(_MODELS)), latency_ms)


def _without_health(target: Target, get: Callable[[str], Reply], latency_ms: float) -> _Look:
    """404 on ready is no NIM; a server with a list of models may speak the same language all the same."""
    if target.service in (Service.VISTA3D, Service.MAISI):
        return _not_this_nim(target)
    ids = _model_ids(get(_MODELS))
    return _with_model(target, ids, latency_ms) if ids else _not_this_nim(target)


def _not_this_nim(target: Target) -> _Look:
    return _unusable(
        f"What answers there is not {target.service.display_name}. Check host and port in {target.setting}."
    )


def _with_model(target: Target, ids: Sequence[str], latency_ms: float) -> _Look:
    if target.model and ids and target.model not in ids:
        return _unusable(
            f"{target.service.display_name} does not serve {target.model}; it lists {', '.join(ids[:3])}. "
            f"Change {target.model_setting}, or leave it empty."
        )
    return _seen_ready(target, latency_ms, model=target.model or next(iter(ids), None), version=None)


def _seen_ready(target: Target, latency_ms: float, *, model: str | None, version: str | None) -> _Look:
    named = f" (version {version})" if version and version != "unknown" else f" ({model})" if model else ""
    return _Look(
        sight=_Sight.READY,
        why=f"{target.service.display_name} is ready{named}.",
        model=model,
        version=version,
        latency_ms=latency_ms,
    )


def _hosted(target: Target, get: Callable[[str], Reply]) -> _Look:
    """The hosted catalogue. That it lists a model does not prove that this key may call it: the detail says so."""
    title = target.service.display_name
    if not target.key:
        return _unusable(f"The hosted {title} needs a key: IMAGING_NVIDIA_API_KEY is empty.")
    start = time.monotonic()
    reply = get(_MODELS)
    latency_ms = 1000 * (time.monotonic() - start)
    if reply.status in (401, 403):
        return _unusable("The hosted catalogue refused the key. Check IMAGING_NVIDIA_API_KEY.")
    ids = _model_ids(reply)
    if reply.status != 200 or not ids:
        return _unusable(f"The hosted catalogue did not list its models (status {reply.status}).")
    if target.model not in ids:
        return _unusable(
            f"The hosted catalogue no longer lists {target.model}. Choose another: {target.model_setting}."
        )
    return _Look(
        sight=_Sight.READY,
        why=f"The hosted catalogue lists {target.model}; whether this key may use it shows with the first request.",
        model=target.model,
        latency_ms=latency_ms,
    )


def _model_ids(reply: Reply) -> tuple[str, ...]:
    body: Any = reply.json() if reply.status == 200 else None
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return ()
    return tuple(str(each["id"])[:100] for each in listed if isinstance(each, dict) and "id" in each)
