"""`workbench doctor`: works with everything absent, tells every fault with its cure, and never shows a key."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract_server import Family, HealthNim, Vista3dNim
from workbench.cli import main
from workbench.domain.memory import SPARK, Gpu, Machine
from workbench.domain.nim import CheckReport, CheckStep, NimStatus, Segmenter, Service, State
from workbench.domain.services import Services
from workbench.usecases import doctor
from workbench.usecases.doctor import Finding, Key, Level, Subject, examine

MACHINE = Machine(name="This machine", architecture="x86_64", memory_gb=64, memory_free_gb=32)
KEY = "nvapi-" + "s3cr3t" * 6


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()
    monkeypatch.setenv("IMAGING_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IMAGING_PORT", "0")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit status, the checks by name, everything that was printed."""
    status = main(["doctor", "--json", *arguments])
    printed = capsys.readouterr()
    body = json.loads(printed.out)
    assert body["ok"] is (status == 0)
    return status, {each["name"]: each for each in body["checks"]}, printed.out + printed.err


def subject(folder: Path, **changes: Any) -> Subject:
    plain = Subject(
        mode="mock",
        host="127.0.0.1",
        port=0,
        exchange_listen="127.0.0.1:0",
        data_dir=folder / "data",
        keys=(),
        milvus_uri="",
        allow_mock=True,
        has_login=False,
    )
    return replace(plain, **changes)


class Said:
    """Services whose states and contract checks are given."""

    def __init__(self, state: State, *steps: CheckStep, published: State | None = None) -> None:
        self._state = state
        self._published = published or state
        self._steps = steps

    @property
    def segmenter(self) -> Segmenter:
        raise NotImplementedError

    def statuses(self) -> tuple[NimStatus, ...]:
        return (
            NimStatus(
                service=Service.LLM,
                state=self._state,
                published_state=self._published,
                url="http://nim",
                detail="Told.",
            ),
        )

    def settled(self) -> bool:
        return True

    def checkable(self) -> tuple[Service, ...]:
        return (Service.LLM,) if self._steps else ()

    def check(self, service: Service) -> CheckReport:
        return CheckReport(steps=self._steps, ended_at="2026-01-15T12:00:00+00:00")


def nobody() -> Services:
    pytest.fail("mock mode must ask nobody")


def found(
    asked: Subject,
    services: Callable[[], Services] = nobody,
    *,
    machine: Machine = MACHINE,
    run: Callable[[Sequence[str]], str | None] = lambda command: None,
) -> dict[str, Finding]:
    return {each.name: each for each in examine(asked, services, machine=lambda: machine, run=run)}


def test_with_nothing_there_it_tells_a_line_each_and_fails_on_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here / "empty"))
    status, checks, _ = told(capsys, "--mode", "mock")
    assert status == 0
    wanted = {"Python", "architecture", "memory", "disk", "data folder", "port of the page", "Docker", "GPU", "NIMs"}
    assert wanted <= set(checks)
    assert {"NGC_API_KEY", "IMAGING_NVIDIA_API_KEY", "Milvus", "browser"} <= set(checks)
    assert checks["NIMs"]["detail"] == "mock mode: none is asked"
    assert not (here / "data").exists(), "it looks and makes nothing"


def test_as_text_a_cure_stands_below_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["doctor", "--mode", "mock"]) == 0
        (here / ".env").write_text(f"IMAGING_MILVUS_URI=http://127.0.0.1:9\nX={taken.getsockname()[1]}\n")
        capsys.readouterr()
        assert main(["doctor", "--mode", "mock"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("FAIL  Milvus"))
    assert lines[at + 1].startswith("      Start it")
    assert lines[-1].endswith("1 to mend")


def test_a_port_that_is_taken_is_a_failure_unless_our_own_workbench_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = found(subject(tmp_path, port=port))["port of the page"]
        assert (line.level, "cannot be used" in line.detail) == (Level.FAIL, True)
        assert line.cure
        ours = found(subject(tmp_path, port=port, running_url=f"http://127.0.0.1:{port}"))
        assert ours["port of the page"].level is Level.OK
        assert ours["data folder"].level is Level.OK
        exchange = found(subject(tmp_path, exchange_listen=f"127.0.0.1:{port}"))["port of the exchange"]
        assert exchange.level is Level.FAIL
    assert found(subject(tmp_path, port=port))["port of the page"].level is Level.OK
    assert found(subject(tmp_path, exchange_listen="somewhere"))["port of the exchange"].level is Level.FAIL


def test_keys_are_judged_by_their_form_and_never_shown(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "IMAGING_NVIDIA_API_KEY": KEY,
        "NGC_API_KEY": f'"{KEY}"',
        "IMAGING_API_KEY": "s3cr3t",
        "IMAGING_AUTH": "anna:s3cr3t",
        "IMAGING_MILVUS_TOKEN": "s3cr3t",
        "IMAGING_MILVUS_URI": "http://root:s3cr3t@127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    status, checks, printed = told(capsys, "--mode", "mock")
    assert status == 1
    assert checks["IMAGING_NVIDIA_API_KEY"]["level"] == "OK"
    assert checks["NGC_API_KEY"]["level"] == "fail"
    assert "quote" in checks["NGC_API_KEY"]["detail"]
    assert checks["IMAGING_API_KEY"]["level"] == "warn"
    assert "s3cr3t" not in printed
    assert "nvapi-s" not in printed


@pytest.mark.parametrize(
    ("value", "kind", "level"),
    [
        (KEY, "nvapi", Level.OK),
        ("sk-" + "x" * 40, "nvapi", Level.FAIL),
        ("nvapi-short", "nvapi", Level.FAIL),
        (KEY + "\n", "nvapi", Level.FAIL),
        (KEY, "ngc", Level.OK),
        ("Zm9v" * 21, "ngc", Level.OK),
        ("hello", "ngc", Level.FAIL),
        ("x" * 16, "own", Level.OK),
    ],
)
def test_a_key_has_a_form(value: str, kind: str, level: Level, tmp_path: Path) -> None:
    key = Key(setting="SOME_KEY", value=value, kind=kind)
    line = found(subject(tmp_path, keys=(key,)))["SOME_KEY"]
    assert line.level is level
    assert value.strip() not in f"{line} {key!r}"
    assert bool(line.cure) is (level is not Level.OK)


def test_a_key_that_is_needed_and_missing_is_a_failure_unless_a_mock_may_stand_in(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "--mode", "mock")[1]["IMAGING_NVIDIA_API_KEY"]["level"] == "OK"
    status, checks, _ = told(capsys, "--mode", "cloud")
    assert (status, checks["IMAGING_NVIDIA_API_KEY"]["level"]) == (0, "warn")
    missing = Key(setting="IMAGING_NVIDIA_API_KEY", value="", kind="nvapi", needed="the hosted catalogue")
    line = found(subject(here, keys=(missing,), allow_mock=False))["IMAGING_NVIDIA_API_KEY"]
    assert (line.level, "hosted catalogue" in line.detail) == (Level.FAIL, True)


def test_a_nim_that_holds_its_contract_is_ok_and_one_that_only_says_ready_fails(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLM", "VILAM3"):
        monkeypatch.setenv(f"IMAGING_NIM_{name}_URL", "")
    with Vista3dNim() as nim, HealthNim(Family.MAISI) as ready_only:
        monkeypatch.setenv("IMAGING_NIM_VISTA3D_URL", nim.url)
        monkeypatch.setenv("IMAGING_NIM_MAISI_URL", ready_only.url)
        status, checks, _ = told(capsys)
        assert nim.fetches, "the tiny request fetched our volume"
    assert status == 1
    assert checks["VISTA-3D"]["level"] == "OK"
    assert "request" in checks["VISTA-3D"]["detail"]
    assert checks["MAISI"]["level"] == "fail"
    assert "fails its contract" in checks["MAISI"]["detail"]
    assert checks["MAISI"]["cure"]
    assert checks["Llama-3"]["level"] == "warn"
    assert "IMAGING_NIM_LLM_URL" in json.dumps(checks["Llama-3"])


def test_a_nim_that_is_not_there_is_a_warning_where_a_mock_may_stand_in_and_else_a_failure(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLM", "VILAM3", "MAISI", "VISTA3D"):
        monkeypatch.setenv(f"IMAGING_NIM_{name}_URL", "http://127.0.0.1:9")
    status, checks, _ = told(capsys)
    assert (status, checks["VISTA-3D"]["level"]) == (0, "warn")
    monkeypatch.setenv("IMAGING_NIM_ALLOW_MOCK_FALLBACK", "false")
    status, checks, printed = told(capsys)
    assert (status, checks["VISTA-3D"]["level"]) == (1, "fail")
    assert "IMAGING_NIM_VISTA3D_URL" in checks["VISTA-3D"]["cure"]
    assert str(here) not in printed


READY = CheckStep(step="ready", ok=True, detail="Ready.")


@pytest.mark.parametrize(
    ("services", "allow_mock", "level"),
    [
        (Said(State.AVAILABLE, READY, CheckStep(step="request", ok=True, detail="Answered.")), True, Level.OK),
        (Said(State.AVAILABLE, READY, CheckStep(step="request", ok=None, detail="Untold.")), True, Level.OK),
        (Said(State.AVAILABLE, READY, CheckStep(step="request", ok=False, detail="404.")), True, Level.FAIL),
        (Said(State.AVAILABLE, replace(READY, ok=False)), True, Level.WARN),
        (Said(State.AVAILABLE, replace(READY, ok=False)), False, Level.FAIL),
        (Said(State.STARTING, READY, published=State.MOCK), True, Level.WARN),
        (Said(State.UNAVAILABLE), True, Level.FAIL),
        (Said(State.MOCK), True, Level.WARN),
        (Said(State.CLOUD), False, Level.OK),
    ],
)
def test_a_state_or_a_check_becomes_its_level(services: Said, allow_mock: bool, level: Level, tmp_path: Path) -> None:
    line = found(subject(tmp_path, mode="local", allow_mock=allow_mock), lambda: services)["Llama-3"]
    assert line.level is level
    assert bool(line.cure) is (level is not Level.OK)


def test_on_arm_the_imaging_nims_are_sent_elsewhere(tmp_path: Path) -> None:
    spark = replace(SPARK, memory_free_gb=100.0)
    line = found(subject(tmp_path, mode="local"), lambda: Said(State.MOCK), machine=spark)["architecture"]
    assert line.level is Level.WARN
    assert "IMAGING_NIM_EXCHANGE_URL" in (line.cure or "")
    gpu = found(subject(tmp_path, mode="local"), lambda: Said(State.MOCK), machine=spark)["GPU"]
    assert gpu.detail == "GB10, memory shared with the CPU"


def test_memory_and_gpus_are_told_in_gb(tmp_path: Path) -> None:
    machine = replace(MACHINE, memory_free_gb=2.0, gpus=(Gpu(name="NVIDIA L40S", total_gb=48.3, free_gb=40.2),))
    lines = found(subject(tmp_path), machine=machine)
    assert (lines["memory"].level, lines["memory"].detail) == (Level.WARN, "2.0 of 64.0 GB free")
    assert lines["GPU"].detail == "NVIDIA L40S (40 of 48 GB free)"
    unknown = found(subject(tmp_path), machine=replace(MACHINE, memory_gb=None, memory_free_gb=None))
    assert unknown["memory"].level is Level.WARN


def test_docker_is_asked_for_engine_compose_and_nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    answers = {"version": "28.1", "compose": "2.35.0", "info": '{"runc": {}, "nvidia": {}}'}
    lines = found(subject(tmp_path, mode="local"), lambda: Said(State.MOCK), run=lambda command: answers[command[1]])
    assert [lines[name].level for name in ("Docker", "Docker Compose", "NVIDIA runtime")] == [Level.OK] * 3
    answers = {"version": "28.1", "compose": "", "info": '{"runc": {}}'}
    lines = found(subject(tmp_path, mode="local"), lambda: Said(State.MOCK), run=lambda command: answers[command[1]])
    assert "plugin" in (lines["Docker Compose"].cure or "")
    assert "nvidia-ctk" in (lines["NVIDIA runtime"].cure or "")
    lines = found(subject(tmp_path, mode="local"), lambda: Said(State.MOCK))
    assert (lines["Docker"].level, "Docker Compose" in lines) == (Level.WARN, False)


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free_gb, level in ((0.5, Level.FAIL), (5.0, Level.WARN), (500.0, Level.OK)):
        usage = type("Usage", (), {"free": free_gb * 1e9})
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path, usage=usage: usage)
        assert found(subject(tmp_path))["disk"].level is level


def test_a_data_folder_that_others_can_enter_or_nobody_can_write_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert found(subject(tmp_path))["data folder"].level is Level.WARN
    folder.chmod(0o700)
    assert found(subject(tmp_path))["data folder"].level is Level.OK
    file = tmp_path / "file"
    file.touch()
    assert found(subject(tmp_path, data_dir=file))["data folder"].level is Level.FAIL


def test_an_open_page_without_a_login_is_told(tmp_path: Path) -> None:
    anywhere = "0.0.0.0"  # noqa: S104 - the address to warn of
    assert found(subject(tmp_path, host=anywhere))["who can reach it"].level is Level.WARN
    assert found(subject(tmp_path, host=anywhere, has_login=True))["who can reach it"].level is Level.OK


def test_a_milvus_server_that_listens_is_ok(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert found(subject(tmp_path, milvus_uri=uri))["Milvus"].level is Level.OK
    line = found(subject(tmp_path, milvus_uri=uri))["Milvus"]
    assert (line.level, "cannot be reached" in line.detail) == (Level.FAIL, True)
    for wrong in ("nonsense", "http://host:port"):
        assert found(subject(tmp_path, milvus_uri=wrong))["Milvus"].level is Level.FAIL
