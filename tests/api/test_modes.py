"""The mode table's rows for VISTA-3D, as a request meets them."""

from __future__ import annotations

import socket

import pytest

from tests.contract_server import Vista3dNim
from tests.serving import Server, assert_problem, in_thread, segment_file


@pytest.fixture(scope="module")
def nowhere() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def asked(server: Server, ct):
    with server.client() as client:
        return segment_file(client, ct, target_classes="lung"), client.get("/nim/status").json()["services"][0]


def reasons(provenance) -> set[str]:
    """Every reason for standing in, in a result and in all it was made from."""
    own = provenance["stands_in_because"]
    return {each for each in [own] if each}.union(*map(reasons, provenance["inputs"]))


def test_mock_mode_answers_with_a_mock_and_needs_no_reason(tmp_path, small_ct):
    with in_thread(tmp_path / "data", nim_mode="mock", nim_allow_mock_fallback=False) as server:
        answer, status = asked(server, small_ct)
    assert answer.status_code == 200
    assert (answer.json()["is_mock"], answer.json()["fallback_reason"]) == (True, None)
    assert status["status"] == "mock"


def test_local_with_fallback_stands_in_and_says_why_everywhere(tmp_path, small_ct, nowhere):
    with in_thread(tmp_path / "data", nim_mode="local", nim_vista3d_url=nowhere) as server:
        answer, status = asked(server, small_ct)
        with server.client() as client:
            table = client.get(f"/cases/{answer.json()['case_id']}/volumes.json").json()
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["is_mock"]
    assert told["fallback_reason"]
    assert reasons(told["provenance"]) == {told["fallback_reason"]}
    assert table["segmentation_provenance"]["stands_in_because"] == told["fallback_reason"]
    assert status["status"] == "mock"


def test_local_without_fallback_is_an_error_that_names_the_cure(tmp_path, small_ct, nowhere):
    with in_thread(
        tmp_path / "data", nim_mode="local", nim_vista3d_url=nowhere, nim_allow_mock_fallback=False
    ) as server:
        answer, status = asked(server, small_ct)
    assert_problem(answer, 503, "VISTA3D")
    assert status["status"] == "unavailable"


@pytest.mark.parametrize(("fallback", "status_code"), [(True, 200), (False, 503)])
def test_an_empty_url_counts_as_not_deployed(tmp_path, small_ct, fallback, status_code):
    with in_thread(tmp_path / "data", nim_mode="local", nim_vista3d_url="", nim_allow_mock_fallback=fallback) as server:
        answer, _ = asked(server, small_ct)
    assert answer.status_code == status_code
    said = answer.json()["fallback_reason"] if fallback else answer.json()["detail"]
    assert "not deployed" in said


def test_in_the_cloud_a_mock_stands_in_because_there_is_no_endpoint(tmp_path, small_ct):
    with in_thread(tmp_path / "data", nim_mode="cloud", nim_cloud_url="", nim_maisi_url="") as server:
        answer, status = asked(server, small_ct)
    assert answer.status_code == 200, answer.text
    assert answer.json()["fallback_reason"] == "no hosted endpoint"
    assert status["status"] == "mock"


def test_in_the_cloud_without_fallback_the_same_words_are_the_error(tmp_path, small_ct):
    with in_thread(tmp_path / "data", nim_mode="cloud", nim_cloud_url="", nim_allow_mock_fallback=False) as server:
        answer, status = asked(server, small_ct)
    assert_problem(answer, 503, "no hosted endpoint")
    assert status["status"] == "unavailable"


@pytest.fixture(scope="module")
def nim():
    with Vista3dNim() as running:
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["fallback", "no fallback"])
def local(request, tmp_path_factory, nim):
    data = tmp_path_factory.mktemp("local") / "data"
    with in_thread(data, nim_mode="local", nim_vista3d_url=nim.url, nim_allow_mock_fallback=request.param) as running:
        yield running


def test_a_nim_that_answers_is_the_one_named(local, nim, small_ct):
    nim.switch()
    answer, status = asked(local, small_ct)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["is_mock"], told["fallback_reason"], told["model"]) == (False, None, "vista3d")
    origins = {each["origin"] for each in told["provenance"]["inputs"]} | {told["provenance"]["origin"]}
    assert "local" in origins
    assert nim.fetches
    assert status["status"] == "available"


@pytest.mark.parametrize(
    "fault",
    [{"refuse_label": True}, {"wrong_grid": True}, {"truncated": True}, {"html": True}, {"zip_escape": "only"}],
    ids=lambda fault: next(iter(fault)),
)
def test_a_nim_that_answers_wrongly_is_shown_and_never_papered_over(local, nim, small_ct, fault):
    nim.switch(**fault)
    answer, _ = asked(local, small_ct)
    nim.switch()
    assert_problem(answer, 502)


def test_a_nim_that_answers_an_empty_mask_found_nothing_and_says_so(local, nim, small_ct):
    nim.switch(empty_mask=True)
    answer, _ = asked(local, small_ct)
    nim.switch()
    assert answer.status_code == 200, answer.text
    assert answer.json()["volumes"] == {}
    assert set(answer.json()["not_found"]) >= {"left_lung_upper_lobe", "right_lung_lower_lobe"}
    assert answer.json()["warnings"]


def test_a_nim_that_hangs_past_the_limit_did_not_answer_in_time(tmp_path, nim, small_ct):
    nim.switch(hang=60)
    with in_thread(
        tmp_path / "data",
        nim_mode="local",
        nim_vista3d_url=nim.url,
        nim_allow_mock_fallback=False,
        nim_vista3d_timeout_s=1,
    ) as server:
        answer, _ = asked(server, small_ct)
    nim.switch()
    assert_problem(answer, 504)


def test_a_failed_segmentation_keeps_the_case_to_try_again(local, nim, small_ct):
    nim.switch(refuse_label=True)
    with local.client() as client:
        with small_ct.open("rb") as file:
            job = client.post(
                "/nim/vista3d/segment", files={"file": ("a.nii.gz", file)}, headers={"Prefer": "respond-async"}
            ).json()
        while client.get(f"/jobs/{job['job_id']}").json()["state"] == "running":
            pass
        nim.switch()
        assert client.get(f"/jobs/{job['job_id']}").json()["state"] == "failed"
        again = client.post("/nim/vista3d/segment", json={"case_id": job["case_id"], "target_classes": ["liver"]})
    assert again.status_code == 200, again.text
