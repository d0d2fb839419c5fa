"""The contract check: readiness is not taken for a NIM that works."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.contract_server import Family, HealthNim, Vista3dNim, Work, WorkingNim
from tests.contract_server.working import PNG
from tests.made import in_process
from tests.nim.made import CLOCK, SHAPE, a_request
from workbench.domain.errors import NimError
from workbench.domain.nim import CheckReport, Mode, NimStatus, Service, State
from workbench.nim.connect import Connections, connect
from workbench.nim.small_requests import SMALL
from workbench.settings import load_settings

NOBODY = "http://127.0.0.1:9"
Connect = Callable[..., Connections]
KEY = "nvapi-of-the-test"
FUNCTION = "0f5e3a7c-1111-2222-3333-444455556666"


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Connect]:
    made: list[Connections] = []
    nowhere = {f"nim_{name}_url": NOBODY for name in ("vista3d", "maisi", "vilam3", "llm")}

    def build(**settings: Any) -> Connections:
        chosen = load_settings(None, **{"nim_mode": "local", "data_dir": tmp_path, **nowhere, **settings})
        made.append(connect(chosen, clock=CLOCK, run_in_worker=in_process, scratch=tmp_path / "nim"))
        return made[-1]

    yield build
    for each in made:
        each.close()


def checked(connections: Connections, service: Service, mode: Mode = Mode.LOCAL) -> tuple[CheckReport, NimStatus]:
    services = connections.in_mode(mode)
    report = services.check(service)
    return report, next(each for each in services.statuses() if each.service is service)


def ticks(report: CheckReport) -> dict[str, bool | None]:
    return {each.step: each.ok for each in report.steps}


def phantom_request(folder: Path) -> Any:
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[3:9, 3:9, 3:9] = 1
    return a_request(folder, truth=truth)


def test_a_vista3d_that_works_gets_a_tick_for_each_step(connected: Connect, nim: Vista3dNim, tmp_path: Path) -> None:
    report, status = checked(connected(nim_vista3d_url=nim.url), Service.VISTA3D)
    assert ticks(report) == {"live": True, "ready": True, "info": True, "fetch": True, "request": True}
    assert report.ended_at == CLOCK.stamp()
    assert all(each.ms is not None for each in report.steps if each.step != "fetch")
    assert (status.state, status.check) == (State.AVAILABLE, report)
    assert len(nim.fetches) == 1
    assert nim.posts()[0].json()["prompts"] == {"classes": ["liver"]}
    assert list((tmp_path / "nim").iterdir()) == []


@pytest.mark.parametrize(("fallback", "published"), [(True, State.MOCK), (False, State.UNAVAILABLE)])
def test_a_server_that_is_only_ready_is_degraded_and_never_green(
    connected: Connect, fallback: bool, published: State
) -> None:
    with HealthNim(Family.MAISI) as only_ready:
        connections = connected(nim_vista3d_url=only_ready.url, nim_allow_mock_fallback=fallback)
        assert connections.statuses()[0].state is State.AVAILABLE
        report, status = checked(connections, Service.VISTA3D)
    assert ticks(report) == {"live": True, "ready": True, "info": None, "request": False}
    assert (status.state, status.published_state) == (State.DEGRADED, published)
    assert "the contract check failed at “request”" in status.detail
    assert "status 404" in status.detail
    assert status.hint is not None
    assert status.hint in status.detail
    assert status.last_error is not None
    assert status.last_error.hint == status.hint


def test_an_exchange_that_the_nim_cannot_reach_is_told_apart_from_a_broken_model(
    connected: Connect, nim: Vista3dNim
) -> None:
    nim.switch(no_fetch=True)
    report, status = checked(connected(nim_vista3d_url=nim.url), Service.VISTA3D)
    assert report.failed is not None
    assert report.failed.step == "fetch"
    assert "never came to fetch" in report.failed.detail
    assert "IMAGING_NIM_EXCHANGE_URL" in (status.hint or "")
    nim.switch(out_of_memory=True)
    report, status = checked(connected(nim_vista3d_url=nim.url), Service.VISTA3D)
    assert ticks(report) == {"live": True, "ready": True, "info": True, "fetch": True, "request": False}
    assert "out of memory" in (status.last_error.message if status.last_error else "")
    # The NIM would refuse a request too: that is an error, which no mock papers over.
    assert (status.state, status.published_state) == (State.DEGRADED, State.UNAVAILABLE)


def test_a_mask_from_a_nim_that_never_fetched_is_not_believed(connected: Connect, nim: Vista3dNim) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    answer = _recorded_answer(connections, nim)
    nim.answer = lambda request: answer if request.method == "POST" else Vista3dNim.answer(nim, request)  # type: ignore[method-assign]
    report, status = checked(connections, Service.VISTA3D)
    assert report.failed is not None
    assert report.failed.step == "fetch"
    assert "never came to fetch the volume: the mask cannot be of it" in status.detail
    assert status.state is State.DEGRADED


def _recorded_answer(connections: Connections, nim: Vista3dNim) -> Any:
    """What the fixture answers to the check's own request, kept to be given again without looking."""
    given: list[Any] = []
    own = nim._packed

    def keep(mask: Any) -> Any:
        given.append(own(mask))
        return given[-1]

    nim._packed = keep  # type: ignore[method-assign]
    checked(connections, Service.VISTA3D)
    nim._packed = own  # type: ignore[method-assign]
    return given[-1]


def test_a_later_check_that_passes_takes_degraded_back(connected: Connect, nim: Vista3dNim) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    nim.switch(out_of_memory=True)
    assert checked(connections, Service.VISTA3D)[1].state is State.DEGRADED
    nim.switch()
    assert checked(connections, Service.VISTA3D)[1].state is State.AVAILABLE


def test_a_real_request_that_succeeds_takes_degraded_back_and_is_told(
    connected: Connect, nim: Vista3dNim, tmp_path: Path
) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    nim.switch(out_of_memory=True)
    assert checked(connections, Service.VISTA3D)[1].state is State.DEGRADED
    nim.switch()
    assert not connections.segmenter.run(phantom_request(tmp_path)).is_mock
    status = connections.segmenter.status()
    assert status.state is State.AVAILABLE
    assert status.last_call is not None
    assert status.last_call.ok


def test_a_real_request_that_meets_a_broken_nim_makes_it_degraded(
    connected: Connect, nim: Vista3dNim, tmp_path: Path
) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    nim.switch(html=True)
    with pytest.raises(NimError):
        connections.segmenter.run(phantom_request(tmp_path))
    status = connections.segmenter.status()
    assert (status.state, status.published_state) == (State.DEGRADED, State.UNAVAILABLE)
    assert "the last real request failed" in status.detail
    assert status.last_call is not None
    assert not status.last_call.ok


def test_a_request_refused_for_what_it_asks_says_nothing_against_the_nim(
    connected: Connect, nim: Vista3dNim, tmp_path: Path
) -> None:
    connections = connected(nim_vista3d_url=nim.url)
    nim.switch(status=422, body={"detail": "this volume is odd"})
    with pytest.raises(NimError):
        connections.segmenter.run(phantom_request(tmp_path))
    status = connections.segmenter.status()
    assert status.state is State.AVAILABLE
    assert status.last_error is not None
    assert "this volume is odd" in status.last_error.message


def test_a_nim_that_dies_between_look_and_request_leaves_its_reason_on_the_result(
    connected: Connect, tmp_path: Path
) -> None:
    with Vista3dNim() as mortal:
        connections = connected(nim_vista3d_url=mortal.url)
        assert connections.segmenter.status().state is State.AVAILABLE
    result = connections.segmenter.run(phantom_request(tmp_path))
    assert result.is_mock
    assert "refused the connection" in (result.provenance.stands_in_because or "")
    assert result.provenance.parameters["mode"] == "local"


def test_maisi_is_checked_without_generating_anything(connected: Connect) -> None:
    with WorkingNim(Work.SYNTHESIS) as maisi:
        report, status = checked(connected(nim_maisi_url=maisi.url), Service.MAISI)
        sent = [each.json() for each in maisi.posts()]
    assert ticks(report) == {"live": True, "ready": True, "info": True, "request": True}
    assert status.state is State.AVAILABLE
    # Zero samples of no region: even a server without a schema would have nothing to generate.
    assert sent == [{"num_output_samples": 0, "body_region": []}]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("no_work", "status 404"), ("generates", "its schema forbids")],
)
def test_a_maisi_without_its_route_or_its_schema_is_degraded(connected: Connect, fault: str, words: str) -> None:
    with WorkingNim(Work.SYNTHESIS, **{fault: True}) as maisi:
        report, status = checked(connected(nim_maisi_url=maisi.url), Service.MAISI)
    assert ticks(report)["request"] is False
    assert status.state is State.DEGRADED
    assert words in status.detail


TEXT_NIMS = [
    (Work.CHAT, "nim_llm_url", Service.LLM, "1 token"),
    (Work.VISION, "nim_vilam3_url", Service.VILA_M3, "1 token"),
    (Work.EMBEDDING, "nim_embed_url", Service.EMBED, "1024 numbers"),
    (Work.RANKING, "nim_rerank_url", Service.RERANK, "two passages"),
]


@pytest.mark.parametrize(("work", "setting", "service", "words"), TEXT_NIMS)
def test_each_other_nim_is_asked_for_one_small_thing(
    connected: Connect, work: Work, setting: str, service: Service, words: str
) -> None:
    with WorkingNim(work) as nim:
        report, status = checked(connected(**{setting: nim.url}), service)
        assert len(nim.posts()) == 1
    assert ticks(report) == {"live": True, "ready": True, "models": True, "request": True}
    assert words in report.steps[-1].detail
    assert (status.state, status.model) == (State.AVAILABLE, work.value)


@pytest.mark.parametrize(("work", "setting", "service", "words"), TEXT_NIMS)
@pytest.mark.parametrize("fault", ["no_work", "nonsense"])
def test_each_other_nim_that_is_only_ready_is_degraded(
    connected: Connect, work: Work, setting: str, service: Service, words: str, fault: str
) -> None:
    with WorkingNim(work, **{fault: True}) as nim:
        report, status = checked(connected(**{setting: nim.url}), service)
    assert ticks(report)["request"] is False
    assert status.state is State.DEGRADED
    assert words not in status.detail


def test_a_server_without_health_routes_is_checked_all_the_same(connected: Connect) -> None:
    with WorkingNim(Work.VISION, no_health=True) as server:
        report, status = checked(connected(nim_vilam3_url=server.url), Service.VILA_M3)
    assert ticks(report) == {"live": None, "ready": None, "models": True, "request": True}
    assert status.state is State.AVAILABLE


def test_a_configured_model_that_is_not_listed_ends_the_check_before_the_request(connected: Connect) -> None:
    with WorkingNim(Work.CHAT) as nim:
        report, _ = checked(connected(nim_llm_url=nim.url, nim_llm_model="meta/other"), Service.LLM)
        assert nim.posts() == []
    assert ticks(report) == {"live": True, "ready": True, "models": False}
    assert report.failed is not None
    assert "meta/other is not among the models listed (meta/llama3-8b-instruct)" in report.failed.detail


def test_a_nim_that_is_not_there_fails_at_the_first_step_and_is_no_more_than_that(connected: Connect) -> None:
    report, status = checked(connected(), Service.LLM)
    assert ticks(report) == {"live": False}
    assert status.state is State.MOCK
    assert "refused the connection" in status.detail


@pytest.mark.parametrize(
    ("status", "body", "words", "cure"),
    [
        (401, {"status": 401, "title": "Unauthorized"}, "refused the key", "IMAGING_NVIDIA_API_KEY"),
        (402, {"detail": "no credits left"}, "out of credit", "credit"),
        (403, {"title": "Forbidden", "detail": "Authorization failed"}, "refused the key", "IMAGING_NVIDIA_API_KEY"),
        (
            404,
            {"status": 404, "detail": f"Function '{FUNCTION}': Not found for account 'abcdef1234567890'"},
            "to this account",
            "IMAGING_NIM_CLOUD_LLM_MODEL",
        ),
        (404, "404 page not found", "neither the route nor", "IMAGING_NIM_CLOUD_LLM_MODEL"),
        (
            410,
            {"title": "Gone", "detail": "has reached its end of life on 2026-08-26T00:00:00Z"},
            "has retired meta/llama3-8b-instruct",
            "IMAGING_NIM_CLOUD_LLM_MODEL",
        ),
        (429, {"status": 429, "title": "Too Many Requests"}, "more requests than it takes", "minute"),
    ],
)
def test_the_cloud_is_believed_only_after_one_token_and_each_refusal_names_its_cure(
    connected: Connect, status: int, body: Any, words: str, cure: str
) -> None:
    with WorkingNim(Work.CHAT, needs_key=KEY) as catalogue:
        connections = connected(
            nim_mode="cloud",
            nim_cloud_url=f"{catalogue.url}/v1",
            nvidia_api_key=KEY,
            nim_cloud_llm_model=Work.CHAT.value,
        )
        assert checked(connections, Service.LLM, Mode.CLOUD)[1].state is State.CLOUD
        assert catalogue.posts()[0].json()["max_tokens"] == 1
        own = catalogue.answer
        refused = type(catalogue)(Work.CHAT, status=status, body=body)
        catalogue.answer = lambda request: refused.respond(request) if request.method == "POST" else own(request)  # type: ignore[method-assign]
        report, told = checked(connections, Service.LLM, Mode.CLOUD)
        refused.close()
    assert ticks(report) == {"models": True, "request": False}
    assert (told.state, told.published_state) == (State.DEGRADED, State.MOCK)
    assert words in told.detail
    assert cure in (told.hint or "")
    for secret in (KEY, FUNCTION, "abcdef1234567890"):
        assert secret not in repr(told)
        assert secret not in repr(report)


def test_a_curl_line_names_the_variable_of_the_key_and_never_the_key(connected: Connect) -> None:
    with WorkingNim(Work.CHAT, needs_key=KEY) as catalogue:
        address = catalogue.url.replace("http://", "http://someone:password@")
        connections = connected(
            nim_mode="cloud", nim_cloud_url=address, nvidia_api_key=KEY, nim_cloud_llm_model=Work.CHAT.value
        )
        status = next(each for each in connections.statuses() if each.service is Service.LLM)
    assert status.curl is not None
    assert '-H "Authorization: Bearer $NVIDIA_API_KEY"' in status.curl
    assert "/v1/chat/completions" in status.curl
    assert "password" not in repr(status)
    assert KEY not in repr(status)


def test_helpers_are_listed_only_where_their_address_is_set(connected: Connect) -> None:
    assert len(connected().statuses()) == 4
    statuses = connected(nim_embed_url=NOBODY).statuses()
    assert [each.service for each in statuses[4:]] == [Service.EMBED]
    assert statuses[4].state is State.UNAVAILABLE
    assert "There is no mock of it." in statuses[4].detail


def test_nothing_is_checked_in_mock_mode_and_no_socket_is_opened(
    connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened in mock mode")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    services = connected(nim_mode="mock", nim_embed_url=NOBODY).in_mode(Mode.MOCK)
    assert services.checkable() == ()
    assert {each.state for each in services.statuses()} == {State.MOCK}
    assert services.settled()


def test_modes_share_their_looks_and_say_where_requests_go(connected: Connect, nim: Vista3dNim) -> None:
    with WorkingNim(Work.EMBEDDING) as embedding:
        connections = connected(nim_vista3d_url=nim.url, nim_embed_url=embedding.url)
        by_mode = {mode: connections.in_mode(mode).statuses() for mode in Mode}
        assert [each.path for each in embedding.received].count("/v1/health/ready") == 1
    goes = {mode: statuses[0].goes_to for mode, statuses in by_mode.items()}
    assert goes[Mode.LOCAL] == "your NIM"
    assert goes[Mode.CLOUD] == "the mock, with the reason"
    assert goes[Mode.MOCK] == "the mock; nothing is sent anywhere"


def test_the_picture_of_the_vision_check_is_a_png() -> None:
    body = SMALL[Service.VILA_M3].body("model")
    url = body["messages"][0]["content"][1]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    raw = base64.b64decode(url.partition(",")[2])
    assert raw.startswith(PNG)
    picture = Image.open(io.BytesIO(raw))
    picture.load()
    assert (picture.mode, picture.size, picture.getextrema()) == ("L", (32, 32), (128, 128))
