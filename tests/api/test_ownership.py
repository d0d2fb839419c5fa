"""Nobody sees what somebody else made; the key sees everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from tests.serving import Server, assert_problem, in_thread, segment_file

SEGMENT = "/nim/vista3d/segment"
REACHES = (
    ("GET", "/cases/{case}"),
    ("GET", "/cases/{case}/view"),
    ("GET", "/cases/{case}/stack/raw16/axial"),
    ("GET", "/cases/{case}/stack/label/axial"),
    ("GET", "/cases/{case}/voxel?plane=axial&slice=1&x=1&y=1"),
    ("GET", "/cases/{case}/view.png"),
    ("GET", "/cases/{case}/figures/contact.png"),
    ("GET", "/cases/{case}/image.nii.gz"),
    ("GET", "/cases/{case}/mask.nii.gz"),
    ("GET", "/cases/{case}/volumes.csv"),
    ("GET", "/cases/{case}/volumes.json"),
    ("DELETE", "/cases/{case}"),
    ("GET", "/jobs/{job}"),
    ("DELETE", "/jobs/{job}"),
)


@contextlib.contextmanager
def visit(server: Server, page: int = 200) -> Iterator[httpx.Client]:
    """A browser that has opened the page; where the server has none, its visit begins all the same."""
    with server.client() as client:
        assert client.get("/").status_code == page
        assert "workbench_visit" in client.cookies
        yield client


def segmented(client: httpx.Client, ct) -> dict[str, str]:
    """A case and the job that made it."""
    with ct.open("rb") as file:
        job = client.post(
            SEGMENT,
            files={"file": ("a.nii.gz", file)},
            data={"target_classes": "lung"},
            headers={"Prefer": "respond-async"},
        ).json()
    while client.get(f"/jobs/{job['job_id']}").json()["state"] == "running":
        pass
    return {"case": job["case_id"], "job": job["job_id"]}


@pytest.fixture(scope="module")
def anna(server):
    with visit(server) as client:
        yield client


@pytest.fixture(scope="module")
def hers(anna, small_ct):
    return segmented(anna, small_ct)


def told(answer):
    """The body without the id of this one request."""
    return {name: value for name, value in answer.json().items() if name != "trace_id"}


@pytest.mark.parametrize(("method", "address"), REACHES)
def test_another_visit_is_told_the_same_as_about_nothing(server, anna, hers, method, address):
    nothing = {"case": "A" * 24, "job": "A" * 24}
    with visit(server) as ben:
        theirs = ben.request(method, address.format(**hers))
        nowhere = ben.request(method, address.format(**nothing))
    assert_problem(theirs, 404)
    assert told(theirs) == told(nowhere)
    assert anna.get(f"/cases/{hers['case']}").status_code == 200


def test_another_visit_cannot_segment_it(server, hers):
    with visit(server) as ben:
        assert_problem(ben.post(SEGMENT, json={"case_id": hers["case"]}), 404)


def test_a_script_without_a_cookie_does_not_reach_a_visits_case(client, hers):
    assert_problem(client.get(f"/cases/{hers['case']}"), 404)


def test_a_visit_does_not_reach_what_a_script_made(server, client, case_id):
    assert client.get(f"/cases/{case_id}").status_code == 200
    with visit(server) as browser:
        assert_problem(browser.get(f"/cases/{case_id}"), 404)


def test_a_visit_stays_the_same_for_a_browser_that_comes_back(anna, hers):
    before = anna.cookies["workbench_visit"]
    answer = anna.get("/")
    assert "set-cookie" not in answer.headers
    assert anna.cookies["workbench_visit"] == before
    assert anna.get(f"/cases/{hers['case']}").status_code == 200


def test_the_visits_cookie_is_out_of_reach_of_scripts_and_other_sites(server):
    with server.client() as client:
        cookie = client.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


def test_a_made_up_cookie_is_nobodys_visit(server, hers):
    with server.client() as client:
        client.cookies.set("workbench_visit", "anna.0000000000")
        assert_problem(client.get(f"/cases/{hers['case']}"), 404)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A workbench with a key for scripts and no login for the page."""
    with in_thread(tmp_path_factory.mktemp("keyed") / "data", api_key="correct-horse") as running:
        yield running


def test_with_a_key_set_a_script_without_it_is_refused(keyed):
    with keyed.client() as client:
        for answer in (client.get("/health"), client.get("/cases/" + "A" * 24), client.post(SEGMENT)):
            assert_problem(answer, 401, "IMAGING_API_KEY")
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic Y29ycmVjdC1ob3JzZTo=", "correct-horse"])
def test_a_wrong_key_is_refused(keyed, header):
    with keyed.client(Authorization=header) as client:
        assert_problem(client.get("/health"), 401)


def test_the_key_reaches_everyones_cases(keyed, small_ct):
    with visit(keyed, page=404) as browser, keyed.client(Authorization="Bearer correct-horse") as script:
        made = segment_file(browser, small_ct, target_classes="lung")
        assert made.status_code == 200, made.text
        case = made.json()["case_id"]
        assert script.get(f"/cases/{case}").status_code == 200
        assert script.get(f"/cases/{case}/volumes.csv").status_code == 200
        own = segment_file(script, small_ct, target_classes="lung").json()["case_id"]
        assert_problem(browser.get(f"/cases/{own}"), 404)
        assert script.delete(f"/cases/{case}").status_code == 200
        assert_problem(browser.get(f"/cases/{case}"), 404)


def test_where_strangers_may_come_a_script_without_a_cookie_is_refused(tmp_path):
    with in_thread(tmp_path / "data", host="0.0.0.0") as server:  # noqa: S104 - the very case in question
        with server.client() as script:
            assert_problem(script.get("/health"), 401)
            assert_problem(script.post(SEGMENT), 401)
        with visit(server, page=404) as browser:
            assert browser.get("/health").status_code == 200


def test_a_shared_workbench_does_not_take_a_stranger_for_this_machine(tmp_path):
    with in_thread(tmp_path / "data", shared=True, auth="anna:pw") as server, server.client() as script:
        assert_problem(script.get("/health"), 401)
