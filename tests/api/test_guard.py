"""The one guard: who may come in, under which name, from which site, and what the docs load."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.serving import assert_problem, in_a_loop, in_thread
from workbench.api.guard import Guard
from workbench.usecases.access import Access, AccessRules

LOGINS = "anna:correct-horse,jürgen:schlüssel"
EVERY_DOOR = ["/health", "/docs", "/openapi.json", "/config", "/gradio_api/info", "/gradio_api/queue/data"]


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8524", "0", ""])
@pytest.mark.parametrize("path", ["/", "/health", "/config"])
def test_a_foreign_name_that_leads_here_is_not_answered(client, name, path):
    answer = client.get(path, headers={"Host": name})
    assert answer.status_code in (400, 403)
    assert "set-cookie" not in answer.headers
    if answer.status_code == 403:
        assert_problem(answer, 403, "IMAGING_ALLOWED_HOSTS")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:80", "127.0.0.1:8524", "[::1]:8524"])
def test_this_machines_own_names_are_answered(client, name):
    assert client.get("/health", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/nim/vista3d/segment", "/gradio_api/upload", "/gradio_api/queue/join", "/cases"])
def test_another_site_cannot_send_anything_here(client, server, origin, path):
    before = server.case_ids()
    assert_problem(client.post(path, headers={"Origin": origin}, content=b"{}"), 403, "other sites")
    assert server.case_ids() == before


def test_another_site_cannot_erase(client, case_id):
    assert_problem(client.delete(f"/cases/{case_id}", headers={"Origin": "https://evil.example"}), 403)
    assert client.get(f"/cases/{case_id}").status_code == 200


def test_our_own_page_may_send(client, server, case_id):
    assert client.delete(f"/cases/{case_id}", headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/config", "/theme.css", "/docs", "/gradio_api/info", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_answer_opens_itself_to_another_site(client, path, method):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.request(method, path, headers=asked)
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_the_docs_and_the_description_load_nothing_from_elsewhere(client, server):
    for path in ("/docs", "/openapi.json"):
        text = client.get(path).text
        assert set(re.findall(r"https?://[^\s\"'<>)]+", text)) == set(), path
    page = client.get("/docs").text
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(parts) >= 2
    assert {client.get(each).status_code for each in parts} == {200}


def test_the_description_tells_every_route_promised(client):
    told = client.get("/openapi.json").json()
    assert {"/health", "/nim/status", "/nim/vista3d/segment", "/cases/{case_id}", "/jobs/{job_id}"} <= set(
        told["paths"]
    )
    forms = told["paths"]["/nim/vista3d/segment"]["post"]["requestBody"]["content"]
    assert {"application/json", "multipart/form-data"} <= set(forms)
    assert set(forms["multipart/form-data"]["schema"]["properties"]) >= set(
        forms["application/json"]["schema"]["properties"]
    )


def test_the_pages_own_events_are_not_published(client):
    assert client.get("/gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd", "/assets/web/../../pyproject.toml"]
)
def test_no_file_of_this_machine_is_served(client, server, path):
    answer = client.get(path)
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text
    secret = client.get(f"/gradio_api/file={server.data / 'secret'}")
    assert secret.status_code in (403, 404)


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_and_not_by_its_text():
    async def fails(scope, receive, send):
        raise KeyError("Wintermute^Anna in /home/anna")

    async def ask() -> httpx.Response:
        open_to_all = AccessRules(secret=b"s" * 32, process_token="t", api_key="", logins={}, trusts_this_machine=True)
        guarded = Guard(fails, access=Access(open_to_all), hosts=lambda: None, max_body_bytes=10)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://here") as client:
            return await client.get("/health")

    answer = in_a_loop(ask())
    assert_problem(answer, 500, "KeyError")
    assert "anna" not in answer.text.lower()


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with in_thread(tmp_path_factory.mktemp("locked") / "data", auth=LOGINS) as running:
        yield running


@pytest.mark.parametrize("path", EVERY_DOOR)
def test_without_a_login_no_door_is_open(locked, path):
    with locked.client() as client:
        assert_problem(client.get(path), 401)
        assert_problem(client.post(path), 401)


@pytest.mark.parametrize("path", ["/", "/?tab=chat", "/docs"])
def test_a_browser_is_led_to_the_login(locked, path):
    with locked.client(Accept="text/html") as client:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "login")
        assert "set-cookie" not in answer.headers
        page = client.get("/login")
        assert page.status_code == 200
        assert 'action="login"' in page.text
        assert client.get("/assets/web/login.css").status_code == 200


@pytest.mark.parametrize(("user", "password"), [("anna", "correct-horse"), ("jürgen", "schlüssel")])
def test_a_login_opens_the_doors(locked, user, password):
    with locked.client(Accept="text/html") as client:
        answer = client.post("/login", data={"user": user, "password": password})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert client.get("/health").status_code == 200


def test_name_and_password_in_the_request_open_rest_too(locked):
    with locked.client() as client:
        assert client.get("/health", auth=("anna", "correct-horse")).status_code == 200


def test_a_wrong_password_is_told_and_guessing_is_slowed_down(tmp_path):
    with in_thread(tmp_path / "data", auth=LOGINS) as server, server.client() as client:
        wrong = {"user": "anna", "password": "<b>guess</b>"}
        first = client.post("/login", data=wrong)
        assert first.status_code == 401
        assert "name or the password is wrong" in first.text
        assert "guess" not in first.text
        nobody = client.post("/login", data={"user": "nobody", "password": "guess"})
        assert nobody.text == first.text
        for _ in range(3):
            client.post("/login", data=wrong)
        slowed = client.post("/login", data={"user": "anna", "password": "correct-horse"})
        assert slowed.status_code == 429
        assert int(slowed.headers["retry-after"]) > 0
        assert "set-cookie" not in slowed.headers
        assert client.get("/health", auth=("anna", "correct-horse")).status_code == 429


def test_a_login_from_another_site_is_refused(locked):
    with locked.client(Origin="https://evil.example") as client:
        assert_problem(client.post("/login", data={"user": "anna", "password": "correct-horse"}), 403)


def test_a_key_works_beside_logins(tmp_path):
    with in_thread(tmp_path / "data", auth=LOGINS, api_key="key") as server:
        with server.client(Authorization="Bearer key") as script:
            assert script.get("/health").status_code == 200
        with server.client(Authorization="Bearer wrong") as script:
            assert_problem(script.get("/health"), 401)


def test_without_logins_the_login_page_leads_on(client):
    assert client.get("/login").status_code == 303
