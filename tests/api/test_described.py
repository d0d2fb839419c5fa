"""What `/openapi.json` says of the routes, for who writes a client from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def described(server) -> dict[str, Any]:
    with server.client() as client:
        told: dict[str, Any] = client.get("/openapi.json").json()
    return told


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_reference_leads_somewhere(described):
    found = set(references(described))
    assert found
    for each in found:
        at: Any = described
        for part in each.removeprefix("#/").split("/"):
            assert part in at, each
            at = at[part]


@pytest.mark.parametrize(
    ("method", "path", "status", "keys"),
    [
        ("post", "/query", "200", {"answer", "evidence", "citations", "uncited", "model", "is_mock", "provenance"}),
        ("get", "/search", "200", {"passages"}),
        ("post", "/documents", "202", {"job_id"}),
        ("get", "/documents", "200", {"documents"}),
        ("delete", "/documents/{document_id}", "200", {"deleted_passages"}),
        ("get", "/health", "200", {"status", "collections", "total_vectors", "nim_services", "version"}),
    ],
)
def test_what_is_promised_of_the_library_is_described(described, method, path, status, keys):
    answer = described["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    made = described["components"]["schemas"][answer["$ref"].rpartition("/")[2]]
    assert keys <= set(made["properties"])


def test_the_body_of_a_question_is_described_with_its_parts(described):
    body = described["paths"]["/query"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"question", "collections", "filters", "top_k", "case_id", "history", "stream"} <= set(body["properties"])
    assert {"year_from", "year_to", "sources"} <= set(described["components"]["schemas"]["Filters"]["properties"])


def test_every_route_tells_its_errors_in_the_one_form(described):
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            told = operation["responses"]["default"]["content"]
            assert list(told) == ["application/problem+json"], (method, path)
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_requests_on_one_connection_have_traces_of_their_own(client):
    # A body long enough to pause the connection: what comes after it was once counted to its trace.
    long = client.post("/documents", files={"file": ("a.pdf", b"x" * 3_000_000)}, data={"collection": "no name"})
    ids = [long.json()["trace_id"], *(client.get("/passages/none").json()["trace_id"] for _ in range(4))]
    assert len(set(ids)) == len(ids)
