"""Where the requests of each service go, by the settings."""

from __future__ import annotations

from workbench.domain.nim import HELPERS, ROUTED, First, Mode, Route, Service, route
from workbench.nim.by_hand import shown_url
from workbench.nim.probe import Target
from workbench.settings import Settings


def base_url(url: str) -> str:
    """Without `/v1` and slashes at the end: both spellings are accepted."""
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def targets(settings: Settings, mode: Mode) -> tuple[Target, ...]:
    """The four that are always listed, then the helpers whose address is set."""
    configured = [
        service
        for service, url in zip(HELPERS, (settings.nim_embed_url, settings.nim_rerank_url), strict=True)
        if url.strip()
    ]
    return tuple(
        target(settings, service, route(mode, allow_fallback=settings.nim_allow_mock_fallback, service=service))
        for service in (*ROUTED, *configured)
    )


def target(settings: Settings, service: Service, way: Route) -> Target:
    """One service on its way."""
    if way.first is First.HOSTED:
        return _hosted(settings, service, way)
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
        Service.EMBED: (
            "IMAGING_NIM_EMBED_URL",
            settings.nim_embed_url,
            "IMAGING_NIM_EMBED_MODEL",
            settings.nim_embed_model,
        ),
        Service.RERANK: (
            "IMAGING_NIM_RERANK_URL",
            settings.nim_rerank_url,
            "IMAGING_NIM_RERANK_MODEL",
            settings.nim_rerank_model,
        ),
    }[service]
    return Target(
        service=service,
        route=way,
        url=base_url(url),
        setting=setting,
        model=model,
        model_setting=model_setting,
        is_reference=service is Service.VILA_M3 and settings.nim_vilam3_protocol == "reference",
    )


def leaves_for(settings: Settings, mode: Mode, service: Service) -> str | None:
    """The address outside this machine to which a request would go, None where none can.

    It holds whatever the host's state is now: one that is down may be up a moment later. Without an address or a key
    nothing can be sent.
    """
    way = route(mode, allow_fallback=settings.nim_allow_mock_fallback, service=service)
    can_be_sent = settings.nim_cloud_url and settings.nvidia_api_key.get_secret_value()
    return shown_url(settings.nim_cloud_url) if way.first is First.HOSTED and can_be_sent else None


def _hosted(settings: Settings, service: Service, way: Route) -> Target:
    model_setting, model = (
        ("IMAGING_NIM_CLOUD_LLM_MODEL", settings.nim_cloud_llm_model)
        if service is Service.LLM
        else ("IMAGING_NIM_CLOUD_VLM_MODEL", settings.nim_cloud_vlm_model)
    )
    key = settings.nvidia_api_key.get_secret_value()
    return Target(
        service=service,
        route=way,
        url=base_url(settings.nim_cloud_url),
        setting="IMAGING_NIM_CLOUD_URL",
        model=model,
        model_setting=model_setting,
        key=key,
    )
