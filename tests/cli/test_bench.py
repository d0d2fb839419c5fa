"""`workbench bench`: what it counts, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.chat_nim import ChatNim
from tests.contract_server import Family, HealthNim, Vista3dNim
from tests.serving import PATIENCE_S, command, environment, wait_until
from workbench.cli import main
from workbench.domain.bench import Answered, BenchReport, spread, summarise
from workbench.domain.errors import NimRejected
from workbench.domain.progress import Progress
from workbench.usecases.bench import BenchShelf, run_bench


@pytest.fixture
def nim() -> Iterator[ChatNim]:
    server = ChatNim()
    yield server
    server.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to run in, whose data folder is `data`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()
    monkeypatch.setenv("IMAGING_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IMAGING_WORKERS", "1")
    return tmp_path


def bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the report, what was said on standard error."""
    status = main(["bench", *arguments, "--json"])
    told = capsys.readouterr()
    return status, json.loads(told.out or "{}"), told.err


def test_percentiles_are_interpolated_between_ranks() -> None:
    found = spread([float(each) for each in range(1, 101)])
    # Type 7: rank 1 + p (n - 1); 1 + 0.95 * 99 = 95.05.
    assert (found.p50, found.mean) == (50.5, 50.5)
    assert found.p95 == pytest.approx(95.05)
    assert found.p99 == pytest.approx(99.01)
    assert (found.lowest, found.highest) == (1.0, 100.0)
    assert spread([]).p50 is None


def test_failures_enter_no_average_and_are_counted_by_kind() -> None:
    answers = [
        Answered(elapsed_s=1.0, first_token_s=0.2, tokens=10),
        Answered(elapsed_s=3.0, first_token_s=0.4, tokens=30),
        Answered(elapsed_s=99.0, error="NimUnavailable: gone"),
        Answered(elapsed_s=99.0, error="NimUnavailable: gone"),
    ]
    report = summarise(
        answers,
        service="llm",
        started_at="t",
        mode="local",
        requests=9,
        concurrency=2,
        wall_s=4.0,
        ended_because="time",
    )
    assert (report.answered, report.failed, report.errors) == (2, 2, {"NimUnavailable: gone": 2})
    assert report.requests_per_s == 0.5
    assert (report.latency_s.mean, report.tokens, report.tokens_per_s) == (2.0, 40, 10.0)
    assert report.first_token_s is not None
    assert report.first_token_s.mean == pytest.approx(0.3)
    assert BenchReport.from_json(json.loads(json.dumps(report.as_json()))) == report


def test_exactly_the_requests_asked_for_are_made_and_never_more_at_once() -> None:
    lock = threading.Lock()
    most, now, made = 0, 0, 0

    def ask(progress: Progress) -> Answered:
        nonlocal most, now, made
        with lock:
            now += 1
            made += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        if made % 5 == 0:
            raise NimRejected("no")
        return Answered(elapsed_s=0.01)

    ran = run_bench(ask, requests=23, concurrency=4, limit_s=60)
    assert (len(ran.answers), made, ran.ended_because) == (23, 23, "done")
    assert 1 <= most <= 4
    assert any(each.error == "NimRejected: no" for each in ran.answers)


def test_the_time_limit_ends_it_and_hangs_up_what_is_under_way() -> None:
    hung_up = threading.Event()

    def ask(progress: Progress) -> Answered:
        try:
            while True:
                progress.stage("waiting")
                time.sleep(0.01)
        finally:
            hung_up.set()

    ran = run_bench(ask, requests=1000, concurrency=2, limit_s=0.2)
    assert (ran.ended_because, ran.answers) == ("time", ())
    assert hung_up.is_set()


def test_a_chat_is_timed_and_its_tokens_counted(
    nim: ChatNim, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_NIM_LLM_URL", f"{nim.url}/v1")
    status, report, _ = bench(capsys, "llm", "--requests", "5", "--concurrency", "2", "--max-tokens", "16")
    assert status == 0
    assert (report["answered"], report["failed"], report["is_mock"]) == (5, 0, False)
    assert report["tokens"] == 35, "the server's own count goes before the number of pieces"
    assert 0 < report["first_token_s"]["p50"] <= report["latency_s"]["p99"]
    assert report["tokens_per_s"] > 0
    bodies = [each.json() for each in nim.posts()]
    assert len(bodies) == 5
    assert {each["max_tokens"] for each in bodies} == {16}


def test_without_a_count_of_the_server_the_pieces_are_counted(
    nim: ChatNim, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_NIM_LLM_URL", nim.url)
    nim.switch(no_usage=True)
    assert bench(capsys, "llm", "--requests", "2")[1]["tokens"] == 8


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"cut": True}, "NimUnavailable", "cut before its end"),
        ({"broken_event": True}, "NimReplyInvalid", "no chat event"),
        ({"in_stream_error": True}, "NimRejected", "CUDA out of memory"),
        ({"no_token": True}, "NimReplyInvalid", "without a token"),
        ({"wrong_model": True}, "NimRejected", "does not exist"),
        ({"status": 503, "body": {"detail": "loading"}}, "NimReplyInvalid", "status 503"),
        ({"no_models": True}, "NimReplyInvalid", "lists no model"),
    ],
)
def test_a_stream_that_fails_is_a_failure_with_its_reason(
    fault: dict[str, Any],
    kind: str,
    words: str,
    nim: ChatNim,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMAGING_NIM_LLM_URL", nim.url)
    nim.switch(**fault)
    status, report, said = bench(capsys, "llm", "--requests", "2")
    assert status == 1
    if report:
        ((error, count),) = report["errors"].items()
        assert error.startswith(f"{kind}: ")
        assert (words in error, count, report["answered"]) == (True, 2, 0)
    else:
        assert words in said
        assert len(said.strip().splitlines()) == 1


def test_vista3d_is_measured_through_the_real_client(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vista3dNim() as nim:
        monkeypatch.setenv("IMAGING_NIM_VISTA3D_URL", nim.url)
        status, report, _ = bench(capsys, "vista3d", "--requests", "2", "--classes", "liver", "--spacing", "8")
        asked = [each.json()["prompts"] for each in nim.posts()]
    assert (status, report["answered"], report["is_mock"]) == (0, 2, False)
    assert asked == [{"classes": ["liver"]}] * 2
    assert report["tokens"] is None


def test_a_nim_that_cannot_be_used_is_no_answer_although_a_mock_may_stand_in(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_NIM_VISTA3D_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("IMAGING_NIM_ALLOW_MOCK_FALLBACK", "true")
    status, report, _ = bench(capsys, "vista3d", "--requests", "1", "--classes", "liver", "--spacing", "8")
    assert (status, report["answered"], report["failed"]) == (1, 0, 1)
    assert "refused the connection" in next(iter(report["errors"]))


@pytest.mark.parametrize(
    "arguments", [["vista3d", "--mode", "mock"], ["vista3d", "--mode", "cloud"], ["llm", "--mode", "mock"]]
)
def test_a_mock_is_refused_unless_told(arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report, said = bench(capsys, *arguments)
    assert (status, report) == (1, {})
    assert "mock" in said
    assert "--mode local" in said


def test_a_mock_that_was_asked_for_is_marked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report, _ = bench(
        capsys, "vista3d", "--mode", "mock", "--allow-mock", "--requests", "1", "--classes", "liver", "--spacing", "8"
    )
    assert (status, report["is_mock"], report["answered"]) == (0, True, 1)
    (kept,) = BenchShelf(here / "data/bench").latest()
    assert kept.is_mock


@pytest.mark.parametrize(
    ("service", "family", "variable"), [("maisi", Family.MAISI, "MAISI"), ("llm", Family.LLM, "LLM")]
)
def test_the_readiness_of_any_nim_can_be_timed(
    service: str,
    family: Family,
    variable: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HealthNim(family) as nim:
        monkeypatch.setenv(f"IMAGING_NIM_{variable}_URL", nim.url)
        status, report, _ = bench(capsys, service, "--health", "--requests", "7", "--concurrency", "3")
        assert [each.path for each in nim.received] == ["/v1/health/ready"] * 7
    assert (status, report["answered"], report["service"]) == (0, 7, f"{service} readiness")


def test_a_service_that_cannot_be_benched_says_what_can(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = bench(capsys, "maisi")
    assert (status, "--health" in said) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--requests", "0"],
        ["--requests", "10001"],
        ["--concurrency", "65"],
        ["--max-seconds", "0"],
        ["--requests", "many"],
    ],
)
def test_counts_and_times_are_bounded(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "llm", *wrong])
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_report_is_kept_privately_and_written_where_asked(
    nim: ChatNim, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_NIM_LLM_URL", nim.url)
    _, report, _ = bench(capsys, "llm", "--requests", "1", "-o", "report.json")
    assert json.loads((here / "report.json").read_text()) == report
    (kept,) = (here / "data/bench").glob("*.json")
    assert json.loads(kept.read_text()) == report
    assert (here / "data/bench").stat().st_mode & 0o077 == 0
    assert (here / "data").stat().st_mode & 0o077 == 0
    assert main(["bench", "llm", "--requests", "1", "-o", "none/report.json"]) == 1
    assert "report.json" in capsys.readouterr().err


def test_the_shelf_shows_the_newest_first_keeps_fifty_and_passes_over_what_is_no_report(tmp_path: Path) -> None:
    shelf = BenchShelf(tmp_path / "bench")
    assert shelf.latest() == ()
    for second in range(55):
        report = summarise(
            [],
            service="llm",
            started_at=f"2026-01-15T12:00:{second:02d}+00:00",
            mode="local",
            requests=1,
            concurrency=1,
            wall_s=1.0,
            ended_because="done",
        )
        shelf.save(report)
    (tmp_path / "bench/99999999999999-llm.json").write_text('{"service": "llm"}')
    assert len(list((tmp_path / "bench").glob("*.json"))) == 51
    assert [each.started_at[17:19] for each in shelf.latest(4)] == ["54", "53", "52"]


def test_ctrl_c_ends_it_with_what_was_measured(nim: ChatNim, tmp_path: Path) -> None:
    env = environment(tmp_path, {"IMAGING_NIM_LLM_URL": nim.url, "IMAGING_DATA_DIR": str(tmp_path / "data")})
    arguments = ("bench", "llm", "--requests", "10000", "--concurrency", "2", "--json")
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: len(nim.posts()) >= 3)
        # From here on nothing is answered: what hangs must be let go of too.
        nim.switch(hang=300)
        asked = len(nim.posts())
        wait_until(lambda: len(nim.posts()) >= asked + 2 or process.poll() is not None)
        os.kill(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
    report = json.loads(out)
    assert process.returncode == 1
    assert report["ended_because"] == "stopped"
    assert 1 <= report["answered"] < 10000
    assert said.splitlines() == [f"workbench: stopped after {report['answered'] + report['failed']} of 10000"]
    assert "Traceback" not in said
