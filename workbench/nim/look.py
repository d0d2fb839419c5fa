"""One look at a service: does it answer, is it what it should be, which model does it serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import NimError
from workbench.domain.nim import Service
from workbench.nim.http import Line, Reply
from workbench.nim.version import version_in

if TYPE_CHECKING:
    from workbench.nim.probe import Target

REFERENCE_MODEL = "vila-m3 (reference server)"
"""What VILA-M3's reference server is called: it lists no model, and answers as `vila-m3`."""

REFERENCE_INFO = "/info/"
"""Where that server tells what it is."""

PROTOCOL_SETTING = "IMAGING_NIM_VILAM3_PROTOCOL"

_MODELS = "/v1/models"
_METADATA = "/v1/metadata"


class Sight(Enum):
    """What a look met."""

    READY = auto()
    STARTING = auto()
    UNUSABLE = auto()


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen; `why` and `hint` for people. `latency_ms` of the first answer."""

    sight: Sight
    why: str = ""
    hint: str | None = None
    model: str | None = None
    version: str | None = None
    latency_ms: float | None = None


def not_deployed(target: Target) -> Look:
    """Nothing to look at: no address is set."""
    return _unusable(f"{target.service.display_name} is not deployed: {target.setting} is empty.")


def too_long(target: Target, limit_s: float) -> Look:
    """It did not answer in time."""
    return _unusable(f"{target.service.display_name} did not answer within {limit_s:g} s.")


def look(target: Target, client: httpx.Client, limit_s: float, versions: dict[Service, str], clock: Clock) -> Look:
    """Look at a service; never raises what it meets. `versions` keeps what need not be asked twice."""
    start = time.monotonic()
    line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)

    def get(path: str) -> Reply:
        # To a tenth of a second, for the error names it.
        return line.get(path, within_s=max(0.1, round(start + limit_s - time.monotonic(), 1)))

    try:
        if target.is_reference:
            seen = _reference(target, get, clock)
        else:
            seen = _hosted(target, get, clock) if target.is_hosted else _own(target, get, versions, clock)
    except NimError as error:
        versions.pop(target.service, None)
        return _unusable(error.message, error.hint)
    return seen


def _unusable(why: str, hint: str | None = None) -> Look:
    return Look(sight=Sight.UNUSABLE, why=why, hint=hint)


def _own(target: Target, get: Callable[[str], Reply], versions: dict[Service, str], clock: Clock) -> Look:
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
        return Look(sight=Sight.STARTING)
    return _unusable(
        f"{title} is not ready (status {ready.status}) and does not say that it is alive.",
        "See its log (docker logs).",
    )


def _ready(target: Target, get: Callable[[str], Reply], versions: dict[Service, str], latency_ms: float) -> Look:
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


def _without_health(target: Target, get: Callable[[str], Reply], latency_ms: float) -> Look:
    """404 on ready is no NIM; a server with a list of models may speak the same language all the same."""
    if target.service in (Service.VISTA3D, Service.MAISI):
        return _not_this_nim(target)
    ids = model_ids(get(_MODELS))
    if ids:
        return _with_model(target, ids, latency_ms, None)
    if target.service is Service.VILA_M3 and is_reference_info(get(REFERENCE_INFO)):
        return _unusable("What answers there is VILA-M3's reference server.", f"Set {PROTOCOL_SETTING}=reference.")
    return _not_this_nim(target)


def _reference(target: Target, get: Callable[[str], Reply], clock: Clock) -> Look:
    """VILA-M3's reference server: it has no health and no list of models, and tells what it is."""
    start = time.monotonic()
    reply = get(REFERENCE_INFO)
    latency_ms = 1000 * clock.elapsed_s(start)
    if reply.status in (502, 503, 504):
        return _unusable(f"VILA-M3 is not ready (status {reply.status}).", "See its log.")
    if not is_reference_info(reply):
        return _unusable(
            "What answers there is not VILA-M3's reference server.",
            f"Check {target.setting}, or set {PROTOCOL_SETTING}=openai.",
        )
    return _seen_ready(target, latency_ms, model=REFERENCE_MODEL, version=None)


def is_reference_info(reply: Reply) -> bool:
    """Whether an answer on `/info/` is that of the reference server: a string in JSON that names the model."""
    told = reply.json() if reply.status == 200 else None
    return isinstance(told, str) and "vila" in told.lower()


def _not_this_nim(target: Target) -> Look:
    return _unusable(
        f"What answers there is not {target.service.display_name}.", f"Check host and port in {target.setting}."
    )


def _release(reply: Reply) -> str | None:
    """The release in a `/v1/metadata` body; many releases have no such route."""
    body: Any = reply.json() if reply.status == 200 else None
    release = body.get("version") if isinstance(body, dict) else None
    return release[:60] if isinstance(release, str) and release else None


def _with_model(target: Target, ids: Sequence[str], latency_ms: float, version: str | None) -> Look:
    if target.model and ids and target.model not in ids:
        return _unusable(
            f"{target.service.display_name} does not serve {target.model}; it lists {', '.join(ids[:3])}.",
            f"Change {target.model_setting}, or leave it empty.",
        )
    return _seen_ready(target, latency_ms, model=target.model or next(iter(ids), None), version=version)


def _seen_ready(target: Target, latency_ms: float, *, model: str | None, version: str | None) -> Look:
    named = f" (version {version})" if version and version != "unknown" else f" ({model})" if model else ""
    return Look(
        sight=Sight.READY,
        why=f"{target.service.display_name} is ready{named}.",
        model=model,
        version=version,
        latency_ms=latency_ms,
    )


def _hosted(target: Target, get: Callable[[str], Reply], clock: Clock) -> Look:
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
    return Look(
        sight=Sight.READY,
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
