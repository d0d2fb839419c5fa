"""Looking at the NIMs: which answer, which are starting, which are not there. Never raises, never takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import httpx

from workbench.domain.clock import Clock
from workbench.domain.nim import HELPERS, First, NimStatus, Route, Service, State, Trouble
from workbench.nim.by_hand import curl_line, shown_url
from workbench.nim.evidence import Evidence, Known
from workbench.nim.look import Look, Sight, look, not_deployed, too_long
from workbench.nim.watch import Watch

LIMIT_S = 3.0
"""Longest that one look at all the services takes, seconds."""

KEPT_S = 5.0
"""How long a look is good for, seconds."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A service, where its requests go, and the setting that says so. `model` is the id wanted, empty for any.

    `is_reference` says that VILA-M3's own reference server answers there, which speaks a protocol of its own.
    """

    service: Service
    route: Route
    url: str
    setting: str
    model: str = ""
    model_setting: str = ""
    key: str = field(default="", repr=False)
    is_reference: bool = False

    @property
    def is_hosted(self) -> bool:
        """Whether requests go to the hosted catalogue."""
        return self.route.first is First.HOSTED


class Lookout:
    """The watches and the evidence of one process, one each for a NIM at an address, whatever modes ask for it."""

    def __init__(self, client: httpx.Client, *, clock: Clock, limit_s: float = LIMIT_S, kept_s: float = KEPT_S) -> None:
        self.clock = clock
        self._client = client
        self._limit_s = limit_s
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._watches: dict[Target, Watch[Look]] = {}
        self._evidence: dict[tuple[Service, str, str], Evidence] = {}
        self._versions: dict[Service, str] = {}
        self._pool: ThreadPoolExecutor | None = None

    def watch(self, target: Target) -> Watch[Look]:
        """The watch over a target; a look that is due is begun."""
        with self._lock:
            kept = self._watches.get(target)
            if kept is None:
                kept = self._watches[target] = Watch(
                    partial(look, target, self._client, self._limit_s, self._versions, self.clock),
                    partial(too_long, target, self._limit_s),
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
        seen = self._lookout.watch(target).seen() if _is_looked_at(target) else not_deployed(target)
        return self._dated(self._told(target, seen, self._lookout.evidence(target).known()))

    def _told(self, target: Target, seen: Look, known: Known) -> NimStatus:
        starting_s = self._starting(target, seen)
        state, published, detail = _judged(target, seen, known, starting_s)
        failing = known.failing if state is State.DEGRADED else None
        if state in (State.AVAILABLE, State.CLOUD) and target.service in self._notes:
            detail = f"{detail} {self._notes[target.service]}"
        is_down = seen.sight is Sight.UNUSABLE
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
            curl=curl_line(
                target.service,
                target.url,
                model=seen.model or target.model,
                hosted=target.is_hosted,
                reference=target.is_reference,
            ),
            check=known.check,
            last_call=known.last_call,
            last_error=trouble or known.last_error,
        )

    def _starting(self, target: Target, seen: Look) -> float | None:
        """Seconds for which it has been seen starting, None where it is not."""
        with self._lock:
            if seen.sight is not Sight.STARTING:
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


def _judged(target: Target, seen: Look, known: Known, starting_s: float | None) -> tuple[State, State, str]:
    """The state to show, the published one and why."""
    title = target.service.display_name
    without = _without(target.route)
    if seen.sight is Sight.UNUSABLE:
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
