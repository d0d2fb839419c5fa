"""Choose who answers. The only module that reads the mode."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.domain.clock import Clock
from workbench.domain.errors import NimUnavailable
from workbench.domain.nim import First, NimStatus, Route, Segmenter, Service, route
from workbench.domain.work import RunInWorker
from workbench.nim.exchange import ExchangeFolder, ExchangeUrl
from workbench.nim.http import new_client
from workbench.nim.probe import Probes, Target
from workbench.nim.stand_ins import Vista3dStandIn
from workbench.nim.vista3d import Timeouts, Vista3d
from workbench.nim.with_stand_in import Refusing, WithStandIn
from workbench.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Who answers, how they are, and letting go of them."""

    segmenter: Segmenter
    statuses: Callable[[], tuple[NimStatus, ...]]
    close: Callable[[], None]


def connect(settings: Settings, *, clock: Clock, run_in_worker: RunInWorker, scratch: Path) -> Connections:
    """Connect every service as the mode table says. Opens no socket; the first request or status does.

    `scratch` is a private folder for replies being read; what a crash left in it is removed.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    routes = {
        service: route(settings.nim_mode, allow_fallback=settings.nim_allow_mock_fallback, service=service)
        for service in Service
    }
    client = new_client()
    delivery = _delivery(settings)
    warning = delivery.warning()
    probes = Probes(
        [_target(settings, service, routes[service]) for service in Service],
        client=client,
        notes={Service.VISTA3D: warning} if warning else {},
    )
    status = partial(probes.status, Service.VISTA3D)
    stand_in = Vista3dStandIn(clock=clock, run_in_worker=run_in_worker)

    def own() -> Segmenter:
        return Vista3d(
            _base(settings.nim_vista3d_url),
            client=client,
            delivery=delivery,
            timeouts=Timeouts(answer_s=settings.nim_vista3d_timeout_s),
            clock=clock,
            scratch=scratch,
            max_voxels=settings.max_voxels,
            status=status,
        )

    def close() -> None:
        probes.close()
        delivery.close()
        client.close()

    return Connections(
        segmenter=_segmenter(settings, routes[Service.VISTA3D], own, stand_in, status),
        statuses=probes.statuses,
        close=close,
    )


def _segmenter(
    settings: Settings, way: Route, own: Callable[[], Segmenter], stand_in: Segmenter, status: Callable[[], NimStatus]
) -> Segmenter:
    if way.first is First.NOBODY and way.reason is None:
        return stand_in
    real: Segmenter
    if way.reason is not None:
        real = Refusing(partial(_not_hosted, way.reason, stand_in=way.stand_in), status)
    elif not settings.nim_vista3d_url:
        real = Refusing(_not_deployed, status)
    else:
        real = own()
    return WithStandIn(real, stand_in) if way.stand_in else real


def _not_hosted(reason: str, *, stand_in: bool) -> NimUnavailable:
    # The table promises these very words as the reason of a mock; an error to a person is a sentence.
    message = reason if stand_in else f"VISTA-3D has {reason}, and no mock may stand in."
    return NimUnavailable(
        message, hint="Run a VISTA-3D NIM of your own with IMAGING_NIM_MODE=local and IMAGING_NIM_VISTA3D_URL."
    )


def _not_deployed() -> NimUnavailable:
    return NimUnavailable(
        "VISTA-3D is not deployed: IMAGING_NIM_VISTA3D_URL is empty.",
        hint="Start a VISTA-3D NIM and set IMAGING_NIM_VISTA3D_URL to its address.",
    )


def _delivery(settings: Settings) -> ExchangeUrl | ExchangeFolder:
    if settings.nim_exchange_dir:
        return ExchangeFolder(folder=Path(settings.nim_exchange_dir), mount=settings.nim_exchange_mount)
    return ExchangeUrl(
        listen=settings.nim_exchange_listen, base_url=settings.nim_exchange_url, nim_url=settings.nim_vista3d_url
    )


def _base(url: str) -> str:
    """Without `/v1` and slashes at the end: both spellings are accepted."""
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def _target(settings: Settings, service: Service, way: Route) -> Target:
    setting, url, model_setting, model = {
        Service.VISTA3D: ("IMAGING_NIM_VISTA3D_URL", settings.nim_vista3d_url, "", ""),
        Service.MAISI: ("IMAGING_NIM_MAISI_URL", settings.nim_maisi_url, "", ""),
        Service.VILA_M3: (
            "IMAGING_NIM_VILAM3_URL",
            settings.nim_vilam3_url,
            "IMAGING_NIM_VILAM3_MODEL",
            settings.nim_vilam3_model,
        ),
        Service.LLM: ("IMAGING_NIM_LLM_URL", settings.nim_llm_url, "IMAGING_NIM_LLM_MODEL", settings.nim_llm_model),
    }[service]
    if way.first is not First.HOSTED:
        return Target(
            service=service, route=way, url=_base(url), setting=setting, model=model, model_setting=model_setting
        )
    hosted_model_setting, hosted_model = (
        ("IMAGING_NIM_CLOUD_LLM_MODEL", settings.nim_cloud_llm_model)
        if service is Service.LLM
        else ("IMAGING_NIM_CLOUD_VLM_MODEL", settings.nim_cloud_vlm_model)
    )
    return Target(
        service=service,
        route=way,
        url=_base(settings.nim_cloud_url),
        setting="IMAGING_NIM_CLOUD_URL",
        model=hosted_model,
        model_setting=hosted_model_setting,
        key=settings.nvidia_api_key.get_secret_value(),
    )
