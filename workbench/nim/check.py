"""The contract check: does a NIM that says it is ready also do its work? One small real request tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import httpx

from workbench.domain.errors import NimError, NimReplyInvalid, NimUnavailable
from workbench.domain.nim import CheckReport, CheckStep, Service
from workbench.nim.evidence import Evidence
from workbench.nim.http import Connection, Line, Reply
from workbench.nim.look import PROTOCOL_SETTING, REFERENCE_INFO, is_reference_info, model_ids
from workbench.nim.probe import Target
from workbench.nim.refusals import Asked, refusal
from workbench.nim.small_requests import SMALL, Small

LOOK_S = 3.0
"""Longest wait for each of live, ready, info and models, seconds."""

ANSWER_S = 60.0
"""Longest wait for the small request, seconds: the first one after a start may load what readiness did not."""

_IMAGING = (Service.VISTA3D, Service.MAISI)
_LARGEST_REPLY = 1 << 20


class StepFailed(Exception):
    """A step that failed, with the error that says why."""

    def __init__(self, error: NimError) -> None:
        super().__init__(error.message)
        self.error = error


class Steps:
    """The steps of one check as they end; each is told to the evidence at once."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._done: list[CheckStep] = []

    def take(self, step: str, act: Callable[[], tuple[bool | None, str]]) -> None:
        """Do a step and note how it ended.

        Raises:
            StepFailed: it failed.
        """
        start = time.monotonic()
        try:
            ok, detail = act()
        except NimError as error:
            self.note(CheckStep(step=step, ok=False, detail=error.message, ms=self._evidence.ms(start)))
            raise StepFailed(error) from error
        self.note(CheckStep(step=step, ok=ok, detail=detail, ms=self._evidence.ms(start)))

    def since(self, start: float) -> float:
        """Milliseconds to show since `start` of `time.monotonic()`."""
        return self._evidence.ms(start)

    def note(self, step: CheckStep) -> None:
        """Add a step that has ended."""
        self._done.append(step)
        self._evidence.check_goes_on(tuple(self._done))

    def ended(self, error: NimError | None = None) -> CheckReport:
        """The report; `error` is what ended it early."""
        return self._evidence.check_ended(tuple(self._done), error)


class ImagingCheck(Protocol):
    """The small request to a service that takes a client of its own."""

    def __call__(self, steps: Steps) -> None:
        """Take the steps of the request.

        Raises:
            StepFailed: one of them failed.
        """


def check(
    target: Target, *, client: httpx.Client, evidence: Evidence, imaging: ImagingCheck | None = None
) -> CheckReport:
    """Check one service, step by step; the first failure ends it. Never raises.

    `imaging` makes the request to VISTA-3D, or to VILA-M3's reference server; all others are asked here.
    """
    steps = Steps(evidence)
    evidence.check_goes_on(())
    line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)
    try:
        if not target.is_hosted and not target.is_reference:
            _health(steps, line, target)
        model = _identity(steps, line, target)
        if imaging is not None:
            imaging(steps)
        elif target.service is Service.MAISI:
            steps.take("request", lambda: _maisi_schema(line, target))
        else:
            _small_request(steps, line, replace(target, model=model))
    except StepFailed as failed:
        return steps.ended(failed.error)
    return steps.ended()


def _health(steps: Steps, line: Line, target: Target) -> None:
    title = target.service.display_name

    def live() -> tuple[bool | None, str]:
        reply = line.get("/v1/health/live", within_s=LOOK_S)
        if reply.status == 200:
            return True, "It is up."
        if reply.status == 404 and target.service not in _IMAGING:
            return None, "It has no such route, which a server that is not a NIM need not have."
        raise NimUnavailable(
            f"{title} does not say that it is alive (status {reply.status}).", hint="See its log (docker logs)."
        )

    def ready() -> tuple[bool | None, str]:
        reply = line.get("/v1/health/ready", within_s=LOOK_S)
        if reply.status == 200 and reply.body.strip() != b"false":
            return True, "It says it is ready."
        if reply.status == 404 and target.service not in _IMAGING:
            return None, "It has no such route, which a server that is not a NIM need not have."
        raise NimUnavailable(
            f"{title} is not ready (status {reply.status}).", hint="A start takes minutes; see its log (docker logs)."
        )

    steps.take("live", live)
    steps.take("ready", ready)


def _identity(steps: Steps, line: Line, target: Target) -> str:
    """Take the step `info` or `models`; the model id to ask for."""
    if target.service in _IMAGING:
        steps.take("info", lambda: _info(line, target))
        return ""
    if target.is_reference:
        steps.take("info", lambda: _reference_info(line, target))
        return ""
    found: list[str] = []
    steps.take("models", lambda: _models(line, target, found))
    return found[0]


def _info(line: Line, target: Target) -> tuple[bool | None, str]:
    reply = line.get(f"/v1/{target.service.value}/info", within_s=LOOK_S)
    body: Any = reply.json() if reply.status == 200 else None
    if isinstance(body, dict):
        return True, f"Version {str(body.get('version', 'not told'))[:60]}."
    if reply.status == 404:
        return None, "It has no such route; some releases have none."
    return None, f"It tells nothing of itself (status {reply.status})."


def _reference_info(line: Line, target: Target) -> tuple[bool | None, str]:
    reply = line.get(REFERENCE_INFO, within_s=LOOK_S)
    if is_reference_info(reply):
        return True, "It says what it is."
    raise NimUnavailable(
        f"What answers there is not VILA-M3's reference server (status {reply.status}).",
        hint=f"Check {target.setting}, or set {PROTOCOL_SETTING}=openai.",
    )


def _models(line: Line, target: Target, found: list[str]) -> tuple[bool | None, str]:
    reply = line.get("/v1/models", within_s=LOOK_S)
    if reply.status != 200:
        raise refusal(reply, _asked(target))
    ids = model_ids(reply)
    wanted = target.model or next(iter(ids), "")
    if not wanted:
        raise NimReplyInvalid(
            f"{target.service.display_name} lists no model.", hint=f"Set {target.model_setting} to the id it serves."
        )
    if wanted not in ids and (ids or target.is_hosted):
        raise NimUnavailable(
            f"{wanted} is not among the models listed ({', '.join(ids[:3])}{' …' if len(ids) > 3 else ''}).",
            hint=f"Choose one of them: {target.model_setting}.",
        )
    found.append(wanted)
    return True, f"{wanted} is listed."


def _small_request(steps: Steps, line: Line, target: Target) -> None:
    small: Small = SMALL[target.service]

    def ask() -> tuple[bool | None, str]:
        reply = _post(line, small.path, small.body(target.model), ANSWER_S)
        if reply.status != 200:
            raise refusal(reply, _asked(target))
        told = small.read(reply.json())
        if told is None:
            raise NimReplyInvalid(
                f"The answer of {target.service.display_name} is not what {small.path} promises.",
                hint=f"Check that {target.setting} leads to a {target.service.display_name} NIM.",
            )
        return True, told

    steps.take("request", ask)


def _maisi_schema(line: Line, target: Target) -> tuple[bool | None, str]:
    """Ask for zero samples of no region: a MAISI NIM refuses that at once, so nothing is ever generated."""
    reply = _post(line, "/v1/maisi/run", {"num_output_samples": 0, "body_region": []}, 10.0)
    if reply.status in (400, 422):
        return True, f"The route takes requests and refused one that breaks its schema (status {reply.status})."
    if reply.status == 200:
        raise NimReplyInvalid(
            "MAISI accepted a request for no samples of no region, which its schema forbids.",
            hint=f"Check that {target.setting} leads to a MAISI NIM.",
        )
    raise refusal(reply, _asked(target))


def _post(line: Line, path: str, body: dict[str, Any], answer_s: float) -> Reply:
    return line.post(path, body, connect_s=LOOK_S, answer_s=answer_s, max_bytes=_LARGEST_REPLY, connection=Connection())


def _asked(target: Target) -> Asked:
    return Asked(
        title=target.service.display_name,
        url_setting=target.setting,
        model_setting=target.model_setting or target.setting,
        model=target.model,
        hosted=target.is_hosted,
    )
