"""The record, the run log and the metrics as clients fetch them, with names planted wherever a name can come in."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.contract_server import Vista3dNim
from tests.serving import assert_problem, in_thread, segment_file, wait_until, write_ct

SENTINEL = "SENTINELNAME"
SEGMENT = "/nim/vista3d/segment"


@pytest.fixture(scope="module")
def nim():
    with Vista3dNim() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, nim):
    home = tmp_path_factory.mktemp("records")
    operator = home / "operator.yaml"
    operator.write_text("services: {vista3d: {image: 'nvcr.io/nim/nvidia/vista3d:1.0.0'}, llm: {purposes: []}}")
    with in_thread(
        home / "data",
        nim_mode="local",
        nim_vista3d_url=nim.url,
        nim_llm_url="",
        nim_maisi_url="",
        nim_vilam3_url="",
        operator_file=str(operator),
    ) as running:
        yield running


def runs(client):
    return list(csv.DictReader(io.StringIO(client.get("/runs.csv").text)))


def metrics(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def test_a_result_carries_the_id_of_the_record_it_was_made_under(client, small_ct):
    answer = segment_file(client, small_ct, target_classes="liver").json()
    (made, *_) = answer["provenance"]["inputs"]
    record = client.get("/nim/review-record").json()
    assert made["parameters"]["review_record"] == record["id"]
    (vista,) = [each for each in record["services"] if each["name"] == "vista3d"]
    assert vista["fields"]["model_version"]["value"] == made["version"]
    assert vista["fields"]["image"] == {
        "value": "nvcr.io/nim/nvidia/vista3d:1.0.0",
        "known": "declared",
        "by": "the operator's file",
        "at": None,
        "declared": None,
    }
    again = client.get("/nim/review-record", params={"id": record["id"]}).json()
    assert again["services"] == record["services"]


def test_the_record_comes_as_markdown_too(client):
    answer = client.get("/nim/review-record?format=md")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert "| Container image | nvcr.io/nim/nvidia/vista3d:1.0.0 | declared |" in answer.text
    assert_problem(client.get("/nim/review-record?format=pdf"), 422)
    assert_problem(client.get("/nim/review-record?id=" + "0" * 32), 404)


def test_runs_are_logged_counted_and_told_apart_by_visit(client, server, small_ct):
    before = len(runs(client))
    segment_file(client, small_ct, target_classes="liver")
    read, segmented = runs(client)[before:]
    assert (read["service"], read["outcome"], read["origin"]) == ("read", "done", "upload")
    assert (segmented["service"], segmented["mode"], segmented["origin"]) == ("vista3d", "local", "local")
    assert segmented["input_sha256"] == read["input_sha256"]
    assert len(segmented["input_sha256"]) == 64
    assert segmented["review_record"] == client.get("/nim/review-record").json()["id"]
    text = metrics(client)
    assert 'workbench_runs_total{origin="local",outcome="done",service="vista3d"}' in text
    assert f'method="POST",route="{SEGMENT}",status="200"' in text


def test_a_mock_that_stood_in_is_counted_and_the_reason_logged(client, nim, small_ct):
    nim.switch(status=502, body=f"gateway lost {SENTINEL}")
    try:
        answer = segment_file(client, small_ct, target_classes="liver").json()
    finally:
        nim.switch()
    assert answer["is_mock"]
    assert "502" in runs(client)[-1]["fallback_reason"]
    assert 'workbench_fallbacks_total{service="vista3d"}' in metrics(client)


def test_a_refused_request_is_counted_by_its_cause_and_can_be_found_by_its_trace(client, nim, small_ct):
    nim.switch(status=500, body=json.dumps({"detail": f"Failed to Run Inference. Error: {SENTINEL}"}))
    try:
        answer = segment_file(client, small_ct, target_classes="liver")
    finally:
        nim.switch()
    told = assert_problem(answer, 502)
    line = runs(client)[-1]
    assert (line["outcome"], line["cause"], line["trace_id"]) == ("failed", "NimRejected", told["trace_id"])
    assert 'workbench_errors_total{cause="NimRejected",service="vista3d"}' in metrics(client)


def test_a_failed_job_tells_its_trace(client):
    asked = client.post(SEGMENT, files={"file": ("x.nii.gz", b"no CT " * 99)}, headers={"Prefer": "respond-async"})
    job = asked.json()["job_id"]
    wait_until(lambda: client.get(f"/jobs/{job}").json()["state"] == "failed")
    assert client.get(f"/jobs/{job}").json()["trace_id"] == runs(client)[-1]["trace_id"]


def test_every_error_has_a_trace_of_its_own(client):
    traces = [client.get("/cases/unknown-case").json()["trace_id"] for _ in range(3)]
    assert len(set(traces)) == 3
    assert all(len(each) == 32 for each in traces)


def test_nothing_that_names_anybody_is_in_the_log_the_metrics_or_the_record(client, server, nim, tmp_path):
    path = write_ct(tmp_path / f"{SENTINEL}^ANNA 1970.nii.gz")
    nim.switch(status=503, body=f"busy with {SENTINEL}", headers={"Retry-After": "0"})
    try:
        case = segment_file(client, path, target_classes="liver").json()["case_id"]
    finally:
        nim.switch()
    client.get(f"/cases/{SENTINEL}")
    client.get(f"/{SENTINEL}?name={SENTINEL}")
    client.request(SENTINEL[:8], "/health")
    client.post(SEGMENT, json={"target_classes": [SENTINEL], "input_path": f"/{SENTINEL}"})
    kept = [metrics(client), client.get("/runs.csv").text, client.get("/nim/review-record").text]
    kept += [file.read_text("utf-8") for file in (server.data / "records").rglob("*") if file.is_file()]
    assert len(kept) > 5
    for text in kept:
        assert SENTINEL not in text
        assert SENTINEL[:8] not in text
        assert case not in text
        assert str(tmp_path) not in text
        assert "1970" not in text


def test_what_was_refused_at_the_door_is_counted(tmp_path):
    with in_thread(tmp_path / "data", api_key="k" * 20) as locked, locked.client() as stranger:
        for path in ("/metrics", "/runs.csv", "/nim/review-record"):
            told = assert_problem(stranger.get(path), 401)
            assert told["trace_id"]
        with locked.client(Authorization="Bearer " + "k" * 20) as operator:
            assert 'workbench_refusals_total{reason="not signed in"} 3.0' in metrics(operator)
            assert 'route="refused",status="401"' in metrics(operator)


def test_a_visit_sees_its_own_runs_and_the_key_everybodys(tmp_path):
    key = "k" * 20
    with in_thread(tmp_path / "data", api_key=key) as running:
        visits = [running.workbench.access.new_visit() for _ in range(2)]
        for visit in visits:
            with running.client(Cookie=f"workbench_visit={visit}") as visitor:
                assert visitor.post(SEGMENT, json={"target_classes": ["liver"]}).status_code == 200
                assert len(runs(visitor)) == 2
        with running.client(Authorization=f"Bearer {key}") as operator:
            seen = runs(operator)
            assert len(seen) == 4
            assert len({each["visit"] for each in seen}) == 2
            assert not any(visit.split(".")[0] in operator.get("/runs.csv").text for visit in visits)


def test_a_purpose_that_the_operator_did_not_allow_is_refused_before_anything_is_read(tmp_path, small_ct):
    operator = tmp_path / "operator.yaml"
    operator.write_text("services: {vista3d: {purposes: [retrieval]}}")
    with in_thread(tmp_path / "data", operator_file=str(operator)) as running, running.client() as visitor:
        told = assert_problem(
            segment_file(visitor, small_ct), 403, "segmentation", "retrieval", "IMAGING_OPERATOR_FILE"
        )
        assert told["title"] == "Not what this service is for"
        assert running.case_ids() == set()
        assert 'workbench_purpose_refusals_total{purpose="segmentation",service="vista3d"} 1.0' in metrics(visitor)


def test_looking_at_the_record_in_mock_mode_opens_no_socket(tmp_path, nim):
    heard = len(nim.received)
    with in_thread(tmp_path / "data", nim_mode="mock", nim_vista3d_url=nim.url) as running, running.client() as visitor:
        record = visitor.get("/nim/review-record").json()
    assert len(nim.received) == heard
    assert {each["fields"]["endpoint"]["value"] for each in record["services"]} == {"none: nobody is asked"}
