"""A NIM's own words, in every shape that is published, cleaned."""

from __future__ import annotations

import json

import pytest

from workbench.nim.complaint import MOST_CHARACTERS, complaint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "one", "type": "x"}, "message": "two"}, "one"),
        ({"error": "Input too long"}, "Input too long"),
        ({"object": "error", "message": "The model does not exist.", "detail": {}}, "The model does not exist."),
        ({"detail": "Invalid Image URL"}, "Invalid Image URL"),
        ({"detail": [{"loc": ["body", "image"], "msg": "Field required", "type": "x"}]}, "body.image: Field required"),
        ({"title": "Gone", "detail": "It is over."}, "It is over."),
        ({"status": 429, "title": "Too Many Requests"}, "Too Many Requests"),
        ({"error_msg": [{"msg": "Triton server is down."}, {"msg": "Really."}]}, "Triton server is down.; Really."),
        ("404 page not found", "404 page not found"),
        ({}, ""),
        ([], ""),
        ({"detail": 5}, ""),
    ],
)
def test_the_reason_is_found_in_every_published_shape(body: object, said: str) -> None:
    assert complaint(json.dumps(body).encode()) == said


@pytest.mark.parametrize("body", [b"", b"   \n", b"{}", b"\xff\xfe"])
def test_nothing_said_is_nothing_made_up(body: bytes) -> None:
    assert complaint(body) in ("", "��")


def test_a_page_is_told_without_its_tags_and_scripts() -> None:
    page = b"<html><style>p {}</style><script>alert(1)</script><h1>502 Bad Gateway</h1><hr>nginx</html>"
    assert complaint(page) == "502 Bad Gateway nginx"


@pytest.mark.parametrize(
    "private",
    [
        "nvapi-AbC_123-xyz",
        "Bearer abc.def.ghi",
        "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
        "http://10.0.0.1:8526/secret.nii.gz",
        "/home/someone/volume.nii.gz",
        "my-own-secret",
        "0123456789abcdef" * 4,
    ],
)
def test_what_is_private_is_taken_out_and_the_rest_stays(private: str) -> None:
    said = complaint(json.dumps({"detail": f"before {private} after"}).encode(), secrets=["my-own-secret"])
    assert private not in said
    assert said.startswith("before ")
    assert said.endswith(" after")


def test_a_long_complaint_is_cut() -> None:
    said = complaint(json.dumps({"detail": "word " * 1000}).encode())
    assert len(said) <= MOST_CHARACTERS
    assert said.endswith("…")


def test_deep_nesting_does_no_harm() -> None:
    assert complaint(b"[" * 60_000) != ""
