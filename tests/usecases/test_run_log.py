"""A line for every run, however it ends, with nothing in it that identifies."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.made import MOCK, UPLOAD
from workbench.cases.run_log import RunLog
from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Cancelled, NimRejected
from workbench.domain.records import RUN_COLUMNS
from workbench.domain.trace import LocalTracer, tracing
from workbench.telemetry.metrics import Metrics
from workbench.usecases.run_log import Runs

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")
OPERATOR = Visitor(owner="api", reaches_all=True)


@pytest.fixture
def made(tmp_path):
    log = RunLog(tmp_path, max_bytes=1_000_000, files=2)
    metrics = Metrics("1")
    return Runs(log=log, metrics=metrics, secret=b"s" * 32, mode="local", clock=Clock()), log, metrics


def test_a_run_that_ends_well_is_logged_with_who_answered(made):
    runs, log, _ = made
    with tracing(LocalTracer(), "request") as trace, runs.recording("vista3d", ANNA, mode="mock") as run:
        run.input_sha256 = "ab" * 32
        run.made(MOCK)
    (line,) = log.lines()
    assert tuple(line) == RUN_COLUMNS
    assert (line["service"], line["mode"], line["outcome"], line["origin"]) == ("vista3d", "mock", "done", "mock")
    assert (line["input_sha256"], line["trace_id"], line["cause"]) == ("ab" * 32, trace.id, None)
    assert line["duration_s"] >= 0


@pytest.mark.parametrize(
    ("error", "outcome", "cause"),
    [
        (NimRejected("DOE^JANE was refused."), "failed", "NimRejected"),
        (KeyError("DOE^JANE"), "failed", "Unexpected"),
        (type("DoeJane", (RuntimeError,), {})("DOE^JANE"), "failed", "Unexpected"),
        (Cancelled("Stopped."), "cancelled", None),
    ],
)
def test_a_run_that_fails_is_logged_by_the_kind_of_error_only(made, error, outcome, cause):
    runs, log, metrics = made
    with pytest.raises(type(error)), runs.recording("vista3d", ANNA):
        raise error
    (line,) = log.lines()
    assert (line["outcome"], line["cause"], line["mode"]) == (outcome, cause, "local")
    told = json.dumps(line) + metrics.text().decode()
    assert "DOE" not in told
    assert "DoeJane" not in told


def test_why_a_mock_stood_in_is_told_without_the_nims_own_words(made):
    from dataclasses import replace

    runs, log, metrics = made
    reason = "VISTA-3D is still loading (status 503): “volume of DOE^JANE” and “cut off"
    with runs.recording("vista3d", ANNA) as run:
        run.made(replace(MOCK, stands_in_because=reason))
    (line,) = log.lines()
    assert line["fallback_reason"] == "VISTA-3D is still loading (status 503): (its words) and (its words)"
    assert b'workbench_fallbacks_total{service="vista3d"} 1.0' in metrics.text()


def test_a_visit_is_told_apart_and_not_named(made, tmp_path):
    runs, log, _ = made
    for who in (ANNA, BEN, ANNA):
        with runs.recording("read", who):
            pass
    first, second, third = (each["visit"] for each in log.lines())
    assert first == third != second
    assert "anna" not in json.dumps(list(log.lines()))
    other = Runs(log=log, metrics=Metrics("1"), secret=b"t" * 32, mode="local", clock=Clock())
    assert other.visit(ANNA) != first


def test_a_visit_sees_its_own_runs_and_the_api_key_all(made):
    runs, _, _ = made
    for who in (ANNA, BEN):
        with runs.recording("read", who) as run:
            run.made(UPLOAD)
    assert len(list(runs.lines(ANNA))) == len(list(runs.lines(BEN))) == 1
    assert len(list(runs.lines(OPERATOR))) == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r"])
def test_no_cell_of_the_csv_is_a_formula(made, start):
    from dataclasses import replace

    runs, _, _ = made
    with runs.recording("vista3d", ANNA) as run:
        run.made(replace(MOCK, stands_in_because=f"{start}cmd|' /C calc'!A0", parameters={"review_record": "@SUM(1)"}))
    (row,) = csv.DictReader(io.StringIO(runs.csv(ANNA)))
    assert tuple(row) == RUN_COLUMNS
    for cell in row.values():
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


def test_an_old_line_with_fewer_fields_is_still_in_the_table(made):
    runs, log, _ = made
    log.append({"visit": runs.visit(ANNA), "service": "vista3d"})
    (row,) = csv.DictReader(io.StringIO(runs.csv(ANNA)))
    assert (row["service"], row["outcome"]) == ("vista3d", "")
