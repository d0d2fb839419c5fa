"""What a NIM tells about itself beyond being ready, for the review record. Every route is optional; none is required.

`/v1/metadata`, `/v1/version`, `/v1/models` and `/v1/metrics` are those of NVIDIA's NIM documentation; which keys each
release fills differs, so whatever is missing or of another shape is left out.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import NimError
from workbench.domain.nim import Service
from workbench.domain.records import Fact, observed
from workbench.nim.complaint import clean
from workbench.nim.http import Line, Reply
from workbench.nim.look import REFERENCE_INFO
from workbench.nim.probe import Target

LIMIT_S = 3.0
"""Longest that one look at a service takes, seconds."""

KEPT_S = 60.0
"""How long a look is good for, seconds."""

_METADATA, _VERSION, _MODELS, _METRICS = "/v1/metadata", "/v1/version", "/v1/models", "/v1/metrics"
_PLAIN = re.compile(r"[\w.:/+-]{1,200}\Z")
_METRIC = re.compile(r"^(?!#)([a-zA-Z_:][\w:]*)", re.MULTILINE)
_ENGINES = {"vllm:": "vLLM", "sglang:": "SGLang", "nv_inference_": "Triton Inference Server"}
"""Prefixes of the metric names that each engine documents as its own."""


class Descriptions:
    """Facts that services tell of themselves, each looked at no more than once a minute, one look at a time."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        client: httpx.Client,
        clock: Clock,
        limit_s: float = LIMIT_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._targets = {each.service: each for each in targets}
        self._client = client
        self._clock = clock
        self._limit_s = limit_s
        self._kept_s = kept_s
        self._locks = {service: threading.Lock() for service in self._targets}
        self._looks: dict[Service, tuple[float, Mapping[str, Fact]]] = {}

    def __call__(self, service: Service) -> Mapping[str, Fact]:
        """Facts by field; nothing where no address is set."""
        target = self._targets.get(service)
        if target is None or not target.url:
            return {}
        with self._locks[service]:
            kept = self._looks.get(service)
            if kept is None or time.monotonic() - kept[0] >= self._kept_s:
                kept = time.monotonic(), self._look(target)
                self._looks[service] = kept
            return kept[1]

    def _look(self, target: Target) -> Mapping[str, Fact]:
        line = Line(target.url, self._client, name=target.service.display_name, setting=target.setting)
        until = time.monotonic() + self._limit_s
        paths = [_METADATA, _VERSION, _MODELS, _METRICS]
        if target.service in (Service.VISTA3D, Service.MAISI):
            paths.insert(0, f"/v1/{target.service.value}/info")
        if target.is_reference:
            paths = [REFERENCE_INFO]
        replies: dict[str, Reply] = {}
        for path in paths:
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            try:
                reply = line.get(path, within_s=left_s)
            except NimError:
                break
            if reply.status == 200:
                replies[path] = reply
        return _facts(replies, self._clock.stamp())


def _facts(replies: Mapping[str, Reply], at: str) -> dict[str, Fact]:
    readers: dict[str, Callable[[Reply], Mapping[str, Any]]] = {
        _MODELS: _of_models,
        _VERSION: _of_version,
        _METADATA: _of_metadata,
        _METRICS: _of_metrics,
    }
    # Later readers win: `metadata` says more of a model than the list of models does.
    found: dict[str, Fact] = {}
    for path, read in readers.items():
        if path in replies:
            values = read(replies[path])
            found |= {name: observed(value, by=f"GET {path}", at=at) for name, value in values.items() if value}
    if replies:
        routes = [f"GET {path}" for path in replies]
        found["api_surface"] = observed(routes, by="each asked once", at=at)
    return found


def _of_models(reply: Reply) -> Mapping[str, Any]:
    listed = _mapping(reply.json()).get("data")
    first = _mapping(listed[0]) if isinstance(listed, list) and listed else {}
    return {"model_source": _word(first.get("root"))}


def _of_version(reply: Reply) -> Mapping[str, Any]:
    release, api = (_word(_mapping(reply.json()).get(key)) for key in ("release", "api"))
    return {"model_version": f"NIM {release}{f', API {api}' if api else ''}" if release else None}


def _of_metadata(reply: Reply) -> Mapping[str, Any]:
    told = _mapping(reply.json())
    models = told.get("modelInfo")
    urls = [_word(_mapping(each).get("modelUrl")) for each in models[:5]] if isinstance(models, list) else []
    version = _word(told.get("version"))
    return {
        "model_version": f"NIM {version}" if version else None,
        "model_source": ", ".join(filter(None, urls)),
        "profile": _word(told.get("selectedModelProfileId")),
    }


def _of_metrics(reply: Reply) -> Mapping[str, Any]:
    names = set(_METRIC.findall(reply.body.decode("utf-8", "replace")))
    engine = next((engine for prefix, engine in _ENGINES.items() if any(n.startswith(prefix) for n in names)), None)
    return {"metrics": f"{_METRICS}, {len(names)} series names" if names else None, "engine": engine}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: Any) -> str | None:
    """A short string as it stands where it is harmless, else cleaned; None for anything that is no string."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value if _PLAIN.match(value) else clean(value[:1000])
