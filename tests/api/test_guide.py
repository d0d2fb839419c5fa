"""The request bodies that the published integration guide prints, and the answers its clients read."""

from __future__ import annotations

import hashlib

import httpx
import pytest

SERVICES = ["vista3d", "maisi", "vila_m3", "llm"]
SEGMENT_KEYS = {
    *("classes_detected", "volumes", "num_classes", "inference_time_ms", "model", "is_mock"),  # the guide's
    *("case_id", "fallback_reason", "organs", "not_found", "warnings", "mask_url", "provenance", "is_synthetic"),
}
ORGAN_KEYS = {
    *("label", "name", "volume_ml", "voxel_count", "mean_hu", "std_hu", "min_hu", "max_hu"),
    *("centroid_ras_mm", "extent_mm", "touches_edge", "side", "flags"),
}
PROVENANCE_KEYS = {
    *("origin", "model", "version", "created_at", "elapsed_s", "stands_in_because"),
    *("sha256", "parameters", "is_mock", "synthetic", "is_synthetic", "inputs"),
}


@pytest.fixture(scope="module")
def guide_answer(server) -> httpx.Response:
    """The guide's own request, word for word."""
    with server.client() as client:
        return client.post(
            "/nim/vista3d/segment",
            content='{"input_path": "", "target_classes": ["liver", "spleen", "kidney"]}',
            headers={"Content-Type": "application/json"},
        )


def test_health_has_the_guides_keys_and_the_version(client):
    answer = client.get("/health")
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"status", "collections", "total_vectors", "nim_services", "version"}
    assert told["status"] == "healthy"
    assert next(iter(told["collections"])) == "imaging_literature"
    assert told["total_vectors"] == sum(told["collections"].values())
    assert list(told["nim_services"]) == SERVICES
    assert set(told["nim_services"].values()) == {"mock"}


def test_nim_status_lists_the_four_services_under_the_guides_names(client):
    told = client.get("/nim/status").json()
    assert set(told) == {
        *("services", "available_count", "mock_count", "unavailable_count", "cloud_count"),
        *("mode", "process_mode", "may_switch", "helpers", "check"),
    }
    assert [each["name"] for each in told["services"]] == SERVICES
    for each in told["services"]:
        assert {"name", "status", "url", "detail"} <= set(each)
    assert (told["available_count"], told["mock_count"], told["unavailable_count"], told["cloud_count"]) == (0, 4, 0, 0)


def test_the_guides_segment_request_gets_every_key_promised(guide_answer):
    assert guide_answer.status_code == 200
    told = guide_answer.json()
    assert set(told) == SEGMENT_KEYS
    assert all(set(row) == ORGAN_KEYS for row in told["organs"])
    assert set(told["provenance"]) == PROVENANCE_KEYS
    assert (told["model"], told["is_mock"], told["fallback_reason"]) == ("vista3d", True, None)
    assert told["inference_time_ms"] > 0


def test_a_kidney_asked_for_is_answered_as_left_and_right_in_the_guides_spelling(guide_answer):
    told = guide_answer.json()
    assert set(told["classes_detected"]) == {"liver", "spleen", "left_kidney", "right_kidney"}
    assert told["num_classes"] == 4
    assert told["not_found"] == []


def test_volumes_classes_and_rows_say_the_same(guide_answer):
    told = guide_answer.json()
    assert told["volumes"] == {row["name"]: row["volume_ml"] for row in told["organs"]}
    assert told["classes_detected"] == [row["name"] for row in told["organs"]]
    assert told["mask_url"] == f"/cases/{told['case_id']}/mask.nii.gz"
    by_size = [row["volume_ml"] for row in told["organs"]]
    assert by_size == sorted(by_size, reverse=True)


def test_the_phantoms_volumes_are_its_known_ones(guide_answer):
    """At 1.5 mm: 3.375 mm3 a voxel, and the truth's own voxels counted."""
    for row in guide_answer.json()["organs"]:
        assert row["volume_ml"] == pytest.approx(row["voxel_count"] * 1.5**3 / 1000, abs=1e-6)
        assert not row["touches_edge"]


def test_either_spelling_and_the_number_name_one_structure(client, guide_answer):
    case = guide_answer.json()["case_id"]
    answers = [
        client.post("/nim/vista3d/segment", json={"case_id": case, "target_classes": [asked]}).json()["volumes"]
        for asked in ("left_kidney", "Left Kidney", 14)
    ]
    assert [list(each) for each in answers] == [["left_kidney"]] * 3
    assert len({tuple(each.values()) for each in answers}) == 1


def test_an_empty_body_means_the_phantom_and_everything(client):
    answer = client.post("/nim/vista3d/segment")
    assert answer.status_code == 200
    told = answer.json()
    assert told["num_classes"] >= 30
    assert told["provenance"]["is_mock"]
    assert client.get(f"/cases/{told['case_id']}").json()["source"] == "demo"


def test_the_guides_generate_request_gets_every_key_promised(client):
    answer = client.post(
        "/nim/maisi/generate", json={"body_region": "chest", "resolution": "512x512x512", "num_classes": 104}
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {
        *("resolution", "body_region", "num_classes_annotated", "generation_time_ms", "model", "is_mock"),
        *("fallback_reason", "cases", "warnings", "provenance"),
    } <= set(told)
    assert (told["resolution"], told["body_region"], told["model"]) == ("512x512x512", "chest", "maisi")
    assert (told["is_mock"], told["fallback_reason"]) == (True, None)
    (sample,) = told["cases"]
    assert {"case_id", "image_url", "mask_url", "organs"} <= set(sample)
    assert all(set(row) == ORGAN_KEYS for row in sample["organs"])
    assert set(told["provenance"]) == PROVENANCE_KEYS
    assert client.get(sample["mask_url"]).status_code == 200
    assert any("num_classes 104" in text for text in told["warnings"])


def test_the_guides_analyze_request_gets_every_key_promised_and_no_confidence(client):
    answer = client.post(
        "/nim/vilam3/analyze", json={"question": "Describe the findings in this chest X-ray", "input_path": ""}
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert set(told) >= {
        *("answer", "model", "is_mock", "fallback_reason", "confidence", "image", "inference_time_ms", "provenance")
    }
    assert (told["is_mock"], told["fallback_reason"], told["confidence"]) == (True, None, None)
    assert told["answer"]
    assert told["inference_time_ms"] > 0
    assert {"sha256", "plane", "slice", "window"} <= set(told["image"])
    window = told["image"]["window"]
    assert (told["image"]["plane"], window["center"], window["width"]) == ("axial", 50, 400)
    assert set(told["provenance"]) == PROVENANCE_KEYS
    assert client.get(f"/cases/{told['case_id']}").json()["source"] == "demo"
    got = client.get(f"/{told['image']['url']}")
    assert hashlib.sha256(got.content).hexdigest() == told["image"]["sha256"]
