"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from workbench.telemetry.metrics import Metrics


def samples(metrics):
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (each.name, *sorted(each.labels.values())): each.value
        for family in families
        for each in family.samples
        if not each.name.endswith(("_created", "_bucket"))
    }


def test_a_run_is_counted_with_its_service_outcome_and_who_answered():
    metrics = Metrics("1.2.3")
    metrics.run(service="vista3d", outcome="done", origin="mock", seconds=2.0, cause=None, stood_in=True)
    metrics.run(service="vista3d", outcome="failed", origin="none", seconds=1.0, cause="NimRejected", stood_in=False)
    found = samples(metrics)
    assert found["workbench_runs_total", "done", "mock", "vista3d"] == 1
    assert found["workbench_runs_total", "failed", "none", "vista3d"] == 1
    assert found["workbench_run_duration_seconds_sum", "mock", "vista3d"] == 2.0
    assert found["workbench_fallbacks_total", "vista3d"] == 1
    assert found["workbench_errors_total", "NimRejected", "vista3d"] == 1


def test_a_stopped_run_is_no_error():
    metrics = Metrics("1")
    metrics.run(service="read", outcome="cancelled", origin="none", seconds=1.0, cause=None, stood_in=False)
    assert not [key for key in samples(metrics) if key[0] == "workbench_errors_total"]


def test_requests_are_counted_and_refusals_by_reason():
    metrics = Metrics("1")
    for status in (200, 401, 403, 413, 429):
        metrics.request(route="/health", method="GET", status=status, seconds=0.01)
    found = samples(metrics)
    assert found["workbench_http_requests_total", "/health", "200", "GET"] == 1
    refused = {key[1]: value for key, value in found.items() if key[0] == "workbench_refusals_total"}
    assert refused == {"not signed in": 1, "forbidden": 1, "too large": 1, "too busy": 1}


def test_gauges_are_read_when_asked_for():
    metrics, running = Metrics("1"), {"running": 0.0, "waiting": 2.0}
    metrics.watch("workbench_jobs", "Jobs.", lambda: running, "state")
    metrics.watch("workbench_cases", "Cases.", lambda: 4)
    running["running"] = 3.0
    found = samples(metrics)
    assert (found["workbench_jobs", "running"], found["workbench_jobs", "waiting"]) == (3, 2)
    assert found[("workbench_cases",)] == 4


def test_two_workbenches_in_one_process_count_for_themselves():
    one, other = Metrics("1"), Metrics("1")
    one.purpose_refused(service="llm", purpose="retrieval")
    assert ("workbench_purpose_refusals_total", "llm", "retrieval") in samples(one)
    assert ("workbench_purpose_refusals_total", "llm", "retrieval") not in samples(other)


def test_the_version_is_told():
    assert any(key[0] == "workbench_build_info" and "7.7" in key for key in samples(Metrics("7.7")))
