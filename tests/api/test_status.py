"""The panel, `/nim/status`, `/health` and a request's own answer say the same; one click proves it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract_server import Family, HealthNim, Vista3dNim, Work, WorkingNim
from tests.serving import Server, assert_problem, in_thread, segment_file, wait_until
from workbench.nim.probe import KEPT_S

NOBODY = "http://127.0.0.1:9"
NOWHERE = {f"nim_{name}_url": NOBODY for name in ("vista3d", "maisi", "vilam3", "llm")}
GUIDE_STATUS = {"services", "available_count", "mock_count", "unavailable_count", "cloud_count"}
GUIDE_SERVICE = {"name", "status", "url", "detail"}


@pytest.fixture
def nim() -> Iterator[Vista3dNim]:
    with Vista3dNim() as server:
        yield server


def statuses(client: httpx.Client, **query: Any) -> dict[str, dict[str, Any]]:
    answer = client.get("/nim/status", params=query)
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in [*answer.json()["services"], *answer.json()["helpers"]]}


@contextlib.contextmanager
def visiting(server: Server, auth: tuple[str, str] | None = None) -> Iterator[httpx.Client]:
    """A browser's visit: its first page gives it a cookie."""
    with server.client() as client:
        client.auth = auth
        client.get("/")
        assert client.cookies
        yield client


ROWS = [
    # mode, fallback, a NIM is there, published state of VISTA-3D, status of a segmentation, reason on it
    ("local", True, True, "available", 200, None),
    ("local", True, False, "mock", 200, "refused the connection"),
    ("local", False, True, "available", 200, None),
    ("local", False, False, "unavailable", 503, "refused the connection"),
    ("cloud", True, True, "mock", 200, "no hosted endpoint"),
    ("cloud", False, True, "unavailable", 503, "no hosted endpoint"),
    ("mock", True, True, "mock", 200, None),
    ("mock", False, True, "mock", 200, None),
]


@pytest.mark.parametrize(("mode", "fallback", "is_there", "state", "code", "reason"), ROWS)
def test_each_row_of_the_mode_table_is_told_alike_by_status_health_and_a_request(
    tmp_path: Path,
    small_ct: Path,
    nim: Vista3dNim,
    mode: str,
    fallback: bool,
    is_there: bool,
    state: str,
    code: int,
    reason: str | None,
) -> None:
    settings = {**NOWHERE, "nim_cloud_url": NOBODY, "nim_mode": mode, "nim_allow_mock_fallback": fallback}
    if is_there:
        settings["nim_vista3d_url"] = nim.url
    with in_thread(tmp_path / "data", **settings) as server, server.client() as client:
        told = client.get("/nim/status").json()
        row = told["services"][0]
        assert (row["name"], row["status"], told["mode"]) == ("vista3d", state, mode)
        assert told[f"{state}_count"] == sum(each["status"] == state for each in told["services"])
        assert client.get("/health").json()["nim_services"] == {
            each["name"]: each["status"] for each in told["services"]
        }
        answer = segment_file(client, small_ct, target_classes="liver")
        assert answer.status_code == code, answer.text
        if code == 200:
            made = answer.json()
            assert made["is_mock"] == (state == "mock")
            assert (reason or "") in (made["fallback_reason"] or "")
            assert (made["fallback_reason"] is None) == (reason is None)
            assert [each["parameters"].get("mode") for each in made["provenance"]["inputs"]].count(mode) == 1
        else:
            assert_problem(answer, 503, str(reason))
    if mode == "mock":
        assert nim.received == []


def test_a_starting_nim_tells_its_seconds_and_publishes_what_a_request_gets(tmp_path: Path, nim: Vista3dNim) -> None:
    nim.switch(starting_s=600)
    settings = {**NOWHERE, "nim_vista3d_url": nim.url}
    with in_thread(tmp_path / "data", nim_mode="local", **settings) as server, server.client() as client:
        row = statuses(client)["vista3d"]
        health = client.get("/health").json()["nim_services"]
    assert (row["finer_state"], row["status"], health["vista3d"]) == ("starting", "mock", "mock")
    assert row["starting_s"] >= 0
    assert "is starting" in row["detail"]


def test_a_server_that_is_only_ready_turns_degraded_with_the_check(tmp_path: Path, small_ct: Path) -> None:
    with (
        HealthNim(Family.MAISI) as only_ready,
        in_thread(tmp_path / "data", nim_mode="local", **{**NOWHERE, "nim_vista3d_url": only_ready.url}) as server,
        server.client() as client,
    ):
        assert statuses(client)["vista3d"]["finer_state"] == "available"
        row = statuses(client, deep=True)["vista3d"]
        assert (row["finer_state"], row["status"]) == ("degraded", "mock")
        assert [(each["step"], each["ok"]) for each in row["checks"]] == [
            ("live", True),
            ("ready", True),
            ("info", None),
            ("request", False),
        ]
        assert client.get("/health").json()["nim_services"]["vista3d"] == "mock"
        made = segment_file(client, small_ct, target_classes="liver").json()
        assert made["is_mock"]
        assert "status 404" in made["fallback_reason"]
        assert statuses(client)["vista3d"]["finer_state"] == "degraded"


def test_the_bodies_hold_the_guides_keys_and_what_was_added(tmp_path: Path, nim: Vista3dNim) -> None:
    with (
        WorkingNim(Work.EMBEDDING) as embedding,
        in_thread(
            tmp_path / "data",
            nim_mode="local",
            nim_embed_url=embedding.url,
            **{**NOWHERE, "nim_vista3d_url": nim.url},
        ) as server,
        server.client() as client,
    ):
        told = client.get("/nim/status?deep=true").json()
        health = client.get("/health").json()
    assert set(told) == GUIDE_STATUS | {"mode", "process_mode", "may_switch", "helpers", "check"}
    assert [each["name"] for each in told["services"]] == ["vista3d", "maisi", "vila_m3", "llm"]
    assert [each["name"] for each in told["helpers"]] == ["embed"]
    for each in told["services"]:
        assert set(each) == GUIDE_SERVICE | {
            *("title", "finer_state", "model", "version", "since", "starting_s", "latency_ms", "goes_to", "hint"),
            *("curl", "checks", "checked_at", "last_call", "last_error"),
        }
    assert (told["available_count"], told["mock_count"], told["unavailable_count"], told["cloud_count"]) == (1, 3, 0, 0)
    assert set(health) == {"status", "collections", "total_vectors", "nim_services", "version"}
    assert list(health["nim_services"]) == ["vista3d", "maisi", "vila_m3", "llm"]
    checked = {each["name"]: [step["ok"] for step in each["checks"]] for each in [*told["services"], *told["helpers"]]}
    assert checked["vista3d"] == [True] * 5
    assert checked["embed"] == [True] * 4
    assert checked["maisi"] == [False]
    assert told["check"] == {**told["check"], "running": False, "done": 5, "of": 5, "mode": "local", "number": 1}


def test_a_check_runs_in_the_background_once_for_all_who_ask(tmp_path: Path, nim: Vista3dNim) -> None:
    let_go = threading.Event()
    own = nim.answer

    def slow(request: Any) -> Any:
        if request.method == "POST":
            let_go.wait(60)
        return own(request)

    nim.answer = slow  # type: ignore[method-assign]
    settings = {**NOWHERE, "nim_vista3d_url": nim.url}
    with (
        in_thread(tmp_path / "data", nim_mode="local", **settings) as server,
        server.client(Prefer="respond-async") as client,
        visiting(server) as other,
    ):
        first = client.get("/nim/status?deep=true")
        assert first.status_code == 202
        assert first.json()["check"]["running"]
        second = client.get("/nim/status?deep=true")
        assert second.json()["check"]["number"] == first.json()["check"]["number"] == 1
        wait_until(lambda: nim.posts())
        told = client.get("/nim/status").json()
        assert told["check"]["done"] < told["check"]["of"]
        assert [each["step"] for each in told["services"][0]["checks"]] == ["live", "ready", "info"]
        assert other.put("/nim/mode", json={"mode": "cloud"}).status_code == 200
        assert_problem(other.get("/nim/status?deep=true"), 409, "mode local is running")
        let_go.set()
        wait_until(lambda: not client.get("/nim/status").json()["check"]["running"])
        assert len(nim.posts()) == 1
        assert client.get("/nim/status").json()["services"][0]["checks"][-1]["ok"]


def test_many_status_requests_make_one_look_a_service_in_each_span_of_the_cache(
    tmp_path: Path, nim: Vista3dNim
) -> None:
    with WorkingNim(Work.CHAT) as llm, WorkingNim(Work.SYNTHESIS) as maisi, WorkingNim(Work.VISION) as vila:
        urls = {
            "nim_vista3d_url": nim.url,
            "nim_llm_url": llm.url,
            "nim_maisi_url": maisi.url,
            "nim_vilam3_url": vila.url,
        }
        with in_thread(tmp_path / "data", nim_mode="local", **urls) as server:
            start = time.monotonic()
            askers = [threading.Thread(target=_ask_often, args=(server, 250)) for _ in range(4)]
            for each in askers:
                each.start()
            for each in askers:
                each.join()
            spans = 1 + int((time.monotonic() - start) / KEPT_S)
        for each in (nim, llm, maisi, vila):
            looks = [request.path for request in each.received].count("/v1/health/ready")
            assert 1 <= looks <= spans


def _ask_often(server: Server, times: int) -> None:
    with server.client() as client:
        for _ in range(times):
            assert client.get("/nim/status").json()["available_count"] == 4


def test_with_every_nim_hanging_the_status_is_told_and_slices_are_served(tmp_path: Path, small_ct: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        names = ("vista3d", "maisi", "vilam3", "llm", "embed", "rerank")
        settings = {f"nim_{name}_url": url for name in names}
        with in_thread(tmp_path / "data", nim_mode="local", **settings) as server, server.client() as client:
            told = statuses(client)
            assert {each["finer_state"] for each in told.values()} == {"mock", "unavailable"}
            assert all("did not answer within" in each["detail"] for each in told.values())
            assert len(told) == 6
            with small_ct.open("rb") as file:
                opened = client.post("/cases", files={"file": ("ct.nii.gz", file)}).json()
            wait_until(lambda: client.get(f"/cases/{opened['case_id']}").json()["state"] == "ready")
            for _ in range(20):
                assert client.get("/health").json()["nim_services"]["llm"] == "mock"
                assert client.get("/nim/status").status_code == 200
                assert client.get(f"/cases/{opened['case_id']}/stack/raw16/axial").status_code == 200


def test_a_visit_switches_its_mode_for_itself_alone_and_its_results_say_so(
    tmp_path: Path, small_ct: Path, nim: Vista3dNim
) -> None:
    settings = {**NOWHERE, "nim_vista3d_url": nim.url}
    with (
        in_thread(tmp_path / "data", nim_mode="local", **settings) as server,
        visiting(server) as mine,
        visiting(server) as other,
        server.client() as script,
    ):
        assert mine.get("/nim/status").json()["may_switch"]
        assert mine.put("/nim/mode", json={"mode": "mock"}).json() == {
            "mode": "mock",
            "process_mode": "local",
            "may_switch": True,
        }
        assert mine.get("/nim/status").json()["mock_count"] == 4
        assert mine.get("/health").json()["nim_services"]["vista3d"] == "mock"
        for client in (other, script):
            assert client.get("/nim/status").json()["mode"] == "local"
            assert client.get("/health").json()["nim_services"]["vista3d"] == "available"
        made = segment_file(mine, small_ct, target_classes="liver").json()
        assert made["is_mock"]
        assert made["fallback_reason"] is None
        case = mine.get(f"/cases/{made['case_id']}").json()
        assert '"switched_from":"local"' in mine.get(f"/cases/{made['case_id']}").text.replace(" ", "")
        assert case["is_mock"]
        assert not segment_file(other, small_ct, target_classes="liver").json()["is_mock"]
        assert mine.put("/nim/mode", json={"mode": "local"}).json()["mode"] == "local"
        assert mine.get("/nim/status").json()["services"][0]["status"] == "available"


def test_over_a_share_link_or_a_network_nobody_switches(tmp_path: Path) -> None:
    with in_thread(tmp_path / "data", shared=True, auth="a:b") as server, visiting(server, ("a", "b")) as client:
        for headers in ({"Host": "abc.gradio.live"}, {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-Host": "x"}):
            assert not client.get("/nim/status", headers=headers).json()["may_switch"]
            refused = client.put("/nim/mode", json={"mode": "cloud"}, headers=headers)
            assert_problem(refused, 403, "not over a link")
        assert client.get("/nim/status").json()["mode"] == "mock"


def test_a_script_without_a_visit_uses_the_mode_of_the_process(tmp_path: Path) -> None:
    with in_thread(tmp_path / "data", api_key="k") as server, visiting(server) as client:
        assert client.put("/nim/mode", json={"mode": "cloud"}).status_code == 200
        keyed = {"Authorization": "Bearer k"}
        assert client.get("/nim/status", headers=keyed).json()["mode"] == "mock"
        assert_problem(client.put("/nim/mode", json={"mode": "local"}, headers=keyed), 409, "Only a visit")


def test_a_setting_locks_the_mode(tmp_path: Path) -> None:
    with in_thread(tmp_path / "data", mode_switch=False) as server, visiting(server) as client:
        assert not client.get("/nim/status").json()["may_switch"]
        assert_problem(client.put("/nim/mode", json={"mode": "local"}), 409, "locked", "IMAGING_MODE_SWITCH")


def test_a_mode_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with in_thread(tmp_path / "data") as server, visiting(server) as client:
        assert_problem(client.put("/nim/mode", json={"mode": "magic"}), 422, "mode")
