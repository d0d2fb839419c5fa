"""Who answers in each mode, as the panel tells it and as a request finds it: the two agree."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract_server import Family, HealthNim, Vista3dNim
from tests.contract_server.vista3d import VERSION
from tests.made import in_process
from tests.nim.made import CLOCK, SHAPE, a_request
from workbench.domain.errors import NimUnavailable
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.domain.provenance import Origin
from workbench.domain.segmentation import SegmentationRequest
from workbench.nim.connect import Connections, connect
from workbench.nim.exchange import ExchangeUrl
from workbench.nim.http import new_client
from workbench.nim.probe import Lookout, Probes, Target
from workbench.settings import load_settings

NOBODY = "http://127.0.0.1:9"
NOWHERE = {"nim_vista3d_url": NOBODY, "nim_maisi_url": NOBODY, "nim_vilam3_url": NOBODY, "nim_llm_url": NOBODY}
Connect = Callable[..., Connections]


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Connect]:
    made: list[Connections] = []

    def build(**settings: Any) -> Connections:
        chosen = load_settings(None, **{"nim_mode": "local", "data_dir": tmp_path, **NOWHERE, **settings})
        made.append(connect(chosen, clock=CLOCK, run_in_worker=in_process, scratch=tmp_path / "nim"))
        return made[-1]

    yield build
    for each in made:
        each.close()


def _request(folder: Path) -> SegmentationRequest:
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[3:9, 3:9, 3:9] = 1
    return a_request(folder, truth=truth)


def _status(connections: Connections, service: Service = Service.VISTA3D) -> NimStatus:
    return next(each for each in connections.statuses() if each.service is service)


def test_the_services_come_in_the_published_order(connected: Connect) -> None:
    assert [each.service for each in connected(nim_mode="mock").statuses()] == ["vista3d", "maisi", "vila_m3", "llm"]


def test_mock_mode_opens_no_socket(connected: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened in mock mode")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    connections = connected(nim_mode="mock", nim_allow_mock_fallback=False)
    assert {(each.state, each.published_state, each.url) for each in connections.statuses()} == {("mock", "mock", None)}
    result = connections.segmenter.run(_request(tmp_path))
    assert result.is_mock
    assert result.provenance.stands_in_because is None
    assert connections.segmenter.status().published_state is State.MOCK
    connections.close()


def test_local_mode_with_a_nim_is_available_with_its_version(
    connected: Connect, nim: Vista3dNim, tmp_path: Path
) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    status = _status(connections)
    assert (status.state, status.published_state, status.url) == (State.AVAILABLE, State.AVAILABLE, nim.url)
    assert status.version == VERSION
    assert VERSION in status.detail
    assert status.latency_ms is not None
    assert connections.segmenter.status() == status
    assert connections.segmenter.run(_request(tmp_path)).provenance.origin is Origin.LOCAL


def test_local_mode_without_a_nim_is_a_mock_with_the_reason(connected: Connect, tmp_path: Path) -> None:
    connections = connected()
    assert {each.published_state for each in connections.statuses()} == {State.MOCK}
    assert "refused the connection" in _status(connections).detail
    assert "A mock stands in." in _status(connections).detail
    result = connections.segmenter.run(_request(tmp_path))
    assert result.is_mock
    assert "refused the connection" in (result.provenance.stands_in_because or "")


def test_local_mode_without_fallback_is_an_error(connected: Connect, tmp_path: Path) -> None:
    connections = connected(nim_allow_mock_fallback=False)
    assert {each.published_state for each in connections.statuses()} == {State.UNAVAILABLE}
    with pytest.raises(NimUnavailable, match="refused the connection"):
        connections.segmenter.run(_request(tmp_path))


def test_an_empty_url_is_not_deployed(connected: Connect, tmp_path: Path) -> None:
    connections = connected(nim_vista3d_url="", nim_llm_url="")
    assert "IMAGING_NIM_VISTA3D_URL is empty" in _status(connections).detail
    assert "IMAGING_NIM_LLM_URL is empty" in _status(connections, Service.LLM).detail
    because = connections.segmenter.run(_request(tmp_path)).provenance.stands_in_because
    assert because == "VISTA-3D is not deployed: IMAGING_NIM_VISTA3D_URL is empty."
    refusing = connected(nim_vista3d_url="", nim_allow_mock_fallback=False)
    with pytest.raises(NimUnavailable, match="not deployed"):
        refusing.segmenter.run(_request(tmp_path))


def test_the_cloud_has_no_vista3d(connected: Connect, nim: Vista3dNim, tmp_path: Path) -> None:
    connections = connected(nim_mode="cloud", nim_cloud_url=NOBODY, nim_vista3d_url=nim.url)
    assert _status(connections).published_state is State.MOCK
    assert "no hosted endpoint" in _status(connections).detail
    result = connections.segmenter.run(_request(tmp_path))
    assert result.provenance.stands_in_because == "no hosted endpoint"
    refusing = connected(nim_mode="cloud", nim_cloud_url=NOBODY, nim_allow_mock_fallback=False)
    assert _status(refusing).published_state is State.UNAVAILABLE
    with pytest.raises(NimUnavailable, match="no hosted endpoint"):
        refusing.segmenter.run(_request(tmp_path))
    assert nim.received == []


def test_a_loading_nim_is_starting_with_seconds_and_published_as_what_a_request_gets(
    connected: Connect, nim: Vista3dNim
) -> None:
    nim.switch(starting_s=60)
    for fallback, published in ((True, State.MOCK), (False, State.UNAVAILABLE)):
        status = _status(connected(nim_vista3d_url=nim.url, nim_allow_mock_fallback=fallback))
        assert (status.state, status.published_state) == (State.STARTING, published)
        assert "has not been ready for 0 s" in status.detail


def test_a_llama_nim_at_the_address_of_vista3d_is_not_available(connected: Connect) -> None:
    with HealthNim(Family.LLM) as llama:
        status = _status(connected(nim_vista3d_url=llama.url))
    assert status.published_state is State.MOCK
    assert "is not VISTA-3D" in status.detail


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_a_url_is_accepted_with_and_without_v1(connected: Connect, ending: str) -> None:
    with HealthNim(Family.LLM) as llama:
        status = _status(connected(nim_llm_url=llama.url + ending), Service.LLM)
    assert (status.state, status.model, status.url) == (State.AVAILABLE, "meta/llama3-8b-instruct", llama.url)


@pytest.mark.parametrize(
    ("family", "setting", "service"),
    [
        (Family.MAISI, "nim_maisi_url", Service.MAISI),
        (Family.OLDEST, "nim_maisi_url", Service.MAISI),
        (Family.VILA_M3, "nim_vilam3_url", Service.VILA_M3),
        (Family.LLM, "nim_llm_url", Service.LLM),
    ],
)
def test_each_familys_readiness_is_understood(
    connected: Connect, family: Family, setting: str, service: Service
) -> None:
    with HealthNim(family) as server:
        assert _status(connected(**{setting: server.url}), service).state is State.AVAILABLE


def test_ready_with_the_body_false_is_not_ready(connected: Connect) -> None:
    with HealthNim(Family.LLM, says_false=True) as server:
        assert _status(connected(nim_llm_url=server.url), Service.LLM).state is State.STARTING


def test_neither_live_nor_ready_is_down(connected: Connect) -> None:
    with HealthNim(Family.LLM, starting_s=60, dead=True) as server:
        status = _status(connected(nim_llm_url=server.url), Service.LLM)
    assert status.state is State.MOCK
    assert "status 503" in status.detail


def test_a_server_without_health_that_lists_models_can_be_used(connected: Connect) -> None:
    with HealthNim(Family.VILA_M3, no_health=True) as server:
        status = _status(connected(nim_vilam3_url=server.url), Service.VILA_M3)
    assert (status.state, status.model) == (State.AVAILABLE, "MONAI/Llama3-VILA-M3-8B")


def test_a_model_that_is_not_served_cannot_be_used_and_the_setting_is_named(connected: Connect) -> None:
    with HealthNim(Family.LLM) as server:
        status = _status(connected(nim_llm_url=server.url, nim_llm_model="meta/other"), Service.LLM)
    assert status.published_state is State.MOCK
    assert "IMAGING_NIM_LLM_MODEL" in status.detail
    assert "meta/llama3-8b-instruct" in status.detail


def test_the_cloud_without_a_key_cannot_be_used_and_is_not_called(connected: Connect) -> None:
    with HealthNim(Family.LLM) as catalogue:
        status = _status(connected(nim_mode="cloud", nim_cloud_url=f"{catalogue.url}/v1"), Service.LLM)
        assert catalogue.received == []
    assert status.published_state is State.MOCK
    assert "IMAGING_NVIDIA_API_KEY is empty" in status.detail


@pytest.mark.parametrize(
    ("key", "model", "state", "words"),
    [
        ("nvapi-good", "meta/llama3-8b-instruct", State.CLOUD, "lists meta/llama3-8b-instruct"),
        ("nvapi-good", "meta/retired", State.MOCK, "IMAGING_NIM_CLOUD_LLM_MODEL"),
        ("nvapi-bad", "meta/llama3-8b-instruct", State.MOCK, "refused the key"),
    ],
)
def test_the_cloud_is_used_with_a_key_and_a_listed_model(
    connected: Connect, key: str, model: str, state: State, words: str
) -> None:
    with HealthNim(Family.LLM, needs_key="nvapi-good") as catalogue:
        status = _status(
            connected(
                nim_mode="cloud", nim_cloud_url=f"{catalogue.url}/v1", nvidia_api_key=key, nim_cloud_llm_model=model
            ),
            Service.LLM,
        )
    assert status.published_state is state
    assert words in status.detail
    assert key not in status.detail


def test_a_look_is_shared_by_all_who_ask(connected: Connect, nim: Vista3dNim) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    askers = [threading.Thread(target=connections.statuses) for _ in range(8)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert [each.path for each in nim.received] == ["/v1/health/ready", "/v1/vista3d/info"]


def test_a_nim_that_hangs_does_not_hold_up_the_others(connected: Connect, nim: Vista3dNim) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        connections = connected(nim_vista3d_url=nim.url, nim_llm_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        states = {each.service: each for each in connections.statuses()}
        assert time.monotonic() - start < 20  # a hang without a limit would be minutes
    assert states[Service.VISTA3D].state is State.AVAILABLE
    assert states[Service.LLM].state is State.MOCK
    assert "did not answer within" in states[Service.LLM].detail


def test_an_exchange_address_that_leads_the_nim_to_itself_is_told(nim: Vista3dNim) -> None:
    warning = ExchangeUrl(listen="127.0.0.1:0", nim_url="http://gpu.hospital.local:8530").warning()
    assert warning is not None
    target = Target(
        service=Service.VISTA3D,
        route=Route(first=First.OWN_NIM, stand_in=True),
        url=nim.url,
        setting="IMAGING_NIM_VISTA3D_URL",
    )
    with new_client() as client:
        lookout = Lookout(client, clock=CLOCK)
        status = Probes([target], lookout, notes={Service.VISTA3D: warning}).status(Service.VISTA3D)
        lookout.close()
    assert status.state is State.AVAILABLE
    assert "IMAGING_NIM_EXCHANGE_LISTEN" in status.detail


def test_a_folder_exchange_hands_the_nim_the_path_of_its_mount(
    connected: Connect, nim: Vista3dNim, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    connections = connected(nim_vista3d_url=nim.url, nim_exchange_dir=str(shared), nim_exchange_mount="/exchange")
    nim.switch(status=400, body={"detail": "as the test wants"})
    with pytest.raises(Exception, match="as the test wants"):
        connections.segmenter.run(_request(tmp_path))
    assert nim.posts()[0].json()["image"].startswith("/exchange/")
    assert list(shared.iterdir()) == []


def test_what_a_crash_left_in_the_scratch_folder_is_removed(connected: Connect, tmp_path: Path) -> None:
    (tmp_path / "nim").mkdir()
    (tmp_path / "nim" / "left").write_bytes(b"x")
    connected(nim_mode="mock")
    assert list((tmp_path / "nim").iterdir()) == []
    assert (tmp_path / "nim").stat().st_mode & 0o777 == 0o700
