"""`/nim/maisi/…` against a MAISI that holds to its contract: what the server drew is what the researcher gets."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest

from tests.contract_server import MaisiNim, Vista3dNim
from tests.nim.maisi_made import SMALL, truth
from tests.serving import Server, assert_problem, in_thread, wait_until
from workbench.domain.organs import ORGANS

GENERATE, PREFLIGHT = "/nim/maisi/generate", "/nim/maisi/preflight"
LATER = {"Prefer": "respond-async"}
BODY = SMALL.to_json()


@pytest.fixture(scope="module")
def nim():
    with MaisiNim() as running:
        yield running


@pytest.fixture(scope="module")
def vista():
    with Vista3dNim() as running:
        yield running


@pytest.fixture(scope="module")
def own(tmp_path_factory, nim, vista):
    """A workbench with a MAISI and a VISTA-3D of its own, where no mock may stand in."""
    with in_thread(
        tmp_path_factory.mktemp("synthesise") / "data",
        nim_mode="local",
        nim_allow_mock_fallback=False,
        nim_maisi_url=nim.url,
        nim_vista3d_url=vista.url,
    ) as running:
        yield running


@pytest.fixture
def client(own):
    with own.client() as made:
        yield made


@pytest.fixture(autouse=True)
def no_faults(nim):
    nim.switch()
    nim.released.set()
    yield
    nim.released.set()
    nim.switch()


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    with in_thread(tmp_path_factory.mktemp("synthesise-mock") / "data") as running:
        yield running


def drawn_ml(sample: int, turn: str) -> dict[str, float]:
    """Volumes in mL of what the contract server drew, by published name."""
    _, ids, _ = truth(SMALL, sample, turn)
    voxel_ml = float(np.prod(SMALL.spacing_mm)) / 1000
    return {ORGANS[label].snake: count * voxel_ml for label, count in Counter(ids[ids > 0].tolist()).items()}


def image(client: httpx.Client, url: str) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(client.get(url).content))


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    wait_until(lambda: client.get(f"/jobs/{job_id}").json()["state"] != "running")
    return dict(client.get(f"/jobs/{job_id}").json())


def nothing_is_left(server: Server, before: set[str]) -> bool:
    return server.case_ids() == before and server.left_behind() == []


@pytest.mark.parametrize(
    ("numbering", "turn", "samples"), [("order", "RAS", 2), ("ids", "LPS", 1), ("order", "SLP", 1), ("ids", "SLP", 1)]
)
def test_the_volumes_are_those_that_the_server_drew(client, nim, own, numbering, turn, samples):
    nim.switch(numbering=numbering, orientation=turn, response_member=True)
    answer = client.post(GENERATE, json={**BODY, "num_output_samples": samples})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert len(told["cases"]) == samples
    for number, sample in enumerate(told["cases"]):
        assert {row["name"]: row["volume_ml"] for row in sample["organs"]} == pytest.approx(drawn_ml(number, turn))
        hu, ids, affine = truth(SMALL, number, turn)
        ct, mask = image(client, sample["image_url"]), image(client, sample["mask_url"])
        assert np.array_equal(np.asarray(ct.dataobj), hu)
        assert np.array_equal(np.asarray(mask.dataobj), ids)
        assert np.allclose(ct.affine, affine)
        assert b"SYNTHETIC" in bytes(ct.header["descrip"])
        case = client.get(f"/cases/{sample['case_id']}").json()
        assert (case["source"], case["is_synthetic"], case["is_mock"]) == ("synthetic", True, False)
        assert case["synthesis"]["request"] == {**BODY, "num_output_samples": samples}
        assert case["synthesis"]["sample"] == number + 1
    assert told["num_classes_annotated"] == 4
    assert told["numbering"] == {"order": "order of the request", "ids": "global ids"}[numbering]
    assert (told["is_mock"], told["fallback_reason"], told["model"]) == (False, None, "maisi")
    assert own.left_behind() == []


def test_the_guides_shape_is_taken_and_its_keys_are_answered(client, nim):
    answer = client.post(
        GENERATE, json={"body_region": "abdomen", "resolution": "256x256x128", "spacing": "1.5x1.5x2", "num_classes": 4}
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {
        "resolution",
        "body_region",
        "num_classes_annotated",
        "generation_time_ms",
        "model",
        "is_mock",
        "fallback_reason",
        "cases",
        "warnings",
        "provenance",
    } <= set(told)
    assert (told["resolution"], told["body_region"]) == ("256x256x128", "abdomen")
    assert told["num_classes_annotated"] == 4
    assert any("num_classes 4" in text for text in told["warnings"])
    assert any("resolution" in text for text in told["warnings"])
    sent = nim.posts()[-1].json()
    assert set(sent) == {
        "num_output_samples",
        "body_region",
        "anatomy_list",
        "output_size",
        "spacing",
        "image_output_ext",
        "label_output_ext",
    }
    assert (sent["output_size"], sent["spacing"]) == ([256, 256, 128], [1.5, 1.5, 2.0])


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"output_size": [256, 384, 128]}, "output_size", "square"),
        ({"output_size": [300, 300, 128]}, "output_size", "256, 384 or 512"),
        ({"output_size": [256, 256, 100]}, "output_size", "100 slices"),
        ({"spacing": [1.5, 1.0, 2.0]}, "spacing", "square pixels"),
        ({"spacing": [4.0, 4.0, 2.0]}, "spacing", "0.5 to 3 mm"),
        ({"spacing": [1.5, 1.5, 6.0]}, "spacing", "0.5 to 5 mm"),
        ({"spacing": [0.9, 0.9, 2.0]}, "spacing", "256 mm"),
        ({"anatomy_list": ["liver", "brain"]}, "anatomy_list", "outside abdomen"),
        ({"anatomy_list": ["liver", "livr"]}, "anatomy_list", "livr"),
        ({"anatomy_list": ["liver", "Liver"]}, "anatomy_list", "more than once"),
        ({"body_region": ["head", "pelvis"], "anatomy_list": ["brain"]}, "body_region", "long"),
        ({"body_region": ["torso"]}, "body_region", "torso"),
        ({"body_region": []}, "body_region", "region"),
        ({"num_output_samples": 1000}, "num_output_samples", "1,000 samples"),
        ({"num_output_samples": 0}, "num_output_samples", "0 samples"),
        ({"controllable_anatomy_size": [["liver", 1.5]]}, "controllable_anatomy_size", "0 to 1"),
        ({"controllable_anatomy_size": [["brain", 0.5]]}, "controllable_anatomy_size", "brain"),
        (
            {"controllable_anatomy_size": [["lung tumor", 0.5], ["hepatic tumor", 0.5]]},
            "controllable_anatomy_size",
            "one kind of tumour",
        ),
    ],
)
def test_a_broken_rule_is_told_with_the_nearest_request_and_nothing_is_sent(client, own, nim, change, field, words):
    sent, before = len(nim.posts()), own.case_ids()
    told = assert_problem(client.post(GENERATE, json={**BODY, **change}), 422, words)
    assert field in {rule["field"] for rule in told["rules"]}
    assert client.post(PREFLIGHT, json=told["nearest"]).json()["allowed"]
    assert len(nim.posts()) == sent
    assert nothing_is_left(own, before)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**BODY, "seed": 7}, "seed"),
        ({**BODY, "resolution": "256x256"}, "three whole numbers"),
        ({**BODY, "output_size": "a x b x c"}, "three whole numbers"),
        ({**BODY, "spacing": ["NaN", 1, 1]}, "three numbers"),
        ({**BODY, "num_output_samples": "many"}, "whole number"),
        ({**BODY, "anatomy_list": {"liver": 1}}, "list of names"),
        ({**BODY, "controllable_anatomy_size": ["liver"]}, "pairs"),
        ([1, 2], "object"),
    ],
)
def test_what_cannot_be_read_is_told_by_field(client, nim, body, words):
    sent = len(nim.posts())
    assert_problem(client.post(GENERATE, json=body), 422, words)
    assert_problem(client.post(GENERATE, content=b"{half"), 422)
    assert len(nim.posts()) == sent


def test_several_broken_rules_are_told_together_and_an_unknown_name_with_its_nearest(client):
    told = assert_problem(
        client.post(GENERATE, json={**BODY, "num_output_samples": 1000, "anatomy_list": ["left kidny"]}), 422
    )
    by_rule = {rule["rule"]: rule for rule in told["rules"]}
    assert {"samples", "anatomy known"} <= set(by_rule)
    assert by_rule["anatomy known"]["suggestions"][0] == "left kidney"
    assert told["nearest"]["anatomy_list"] == ["left kidney"]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ({"json": True}, 502, ("message",)),
        ({"json_odd": True}, 502, ()),
        ({"html": True}, 502, ()),
        ({"out_of_memory": True}, 502, ("memory",)),
        ({"no_candidates": True}, 502, ("region",)),
        ({"truncated": True}, 502, ()),
        ({"reset": True}, 502, ()),
        ({"only_image": True}, 502, ("label",)),
        ({"only_label": True}, 502, ("image",)),
        ({"no_pairs": True}, 502, ()),
        ({"other_grid": True}, 502, ("grid",)),
        ({"beyond": 140}, 502, ("140",)),
        ({"fewer": True}, 502, ()),
        ({"zip_escape": "only"}, 502, ()),
        ({"fractions": True}, 502, ()),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_fault_of_the_nim_is_an_error_with_a_cure_and_leaves_nothing_but_the_request(
    client, own, nim, fault, status, words
):
    before = own.case_ids()
    nim.switch(**fault)
    answer = client.post(GENERATE, json=BODY)
    assert answer.status_code in (status, 503), answer.text
    told = assert_problem(answer, answer.status_code, *words)
    assert told["hint"]
    assert nothing_is_left(own, before)
    kept = client.get("/nim/maisi/generations").json()["generations"][0]
    assert (kept["state"], kept["request"], kept["cases"]) == ("failed", BODY, [])
    assert kept["error"] == told["detail"]


def test_the_request_that_failed_can_be_changed_and_sent_again(client, nim):
    nim.switch(out_of_memory=True)
    client.post(GENERATE, json=BODY)
    kept = client.get("/nim/maisi/generations").json()["generations"][0]["request"]
    nim.switch()
    again = client.post(GENERATE, json={**kept, "anatomy_list": ["liver"]})
    assert again.status_code == 200
    assert [row["name"] for row in again.json()["cases"][0]["organs"]] == ["liver"]


def test_a_generation_runs_on_without_its_client_and_is_found_again(client, own, nim):
    nim.switch(hang=120)
    nim.released.clear()
    answer = client.post(GENERATE, json=BODY, headers=LATER)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], answer.headers["location"]) == ("synthesise", f"/jobs/{job['job_id']}")
    wait_until(nim.posts)
    with own.client() as another_door:
        running = another_door.get("/nim/maisi/generations").json()["generations"][0]
        assert (running["generation_id"], running["state"]) == (job["case_id"], "running")
        followed = another_door.get(f"/nim/maisi/generations/{job['case_id']}").json()
        assert (followed["job"]["job_id"], followed["answer"]) == (job["job_id"], None)
    nim.released.set()
    assert ended(client, job["job_id"])["state"] == "done"
    done = client.get(f"/nim/maisi/generations/{job['case_id']}").json()
    assert done["answer"]["cases"][0]["case_id"] == job["case_id"]
    assert client.get(f"/cases/{job['case_id']}").json()["synthesis"]["generation_id"] == job["case_id"]


def test_a_generation_that_is_stopped_leaves_its_request_alone(client, own, nim):
    before = own.case_ids()
    nim.switch(hang=120)
    nim.released.clear()
    job = client.post(GENERATE, json=BODY, headers=LATER).json()
    client.delete(f"/jobs/{job['job_id']}")
    assert ended(client, job["job_id"])["state"] == "cancelled"
    assert client.get(f"/nim/maisi/generations/{job['case_id']}").json()["state"] == "cancelled"
    assert nothing_is_left(own, before)


def test_erasing_a_generation_erases_its_cases(client, own):
    told = client.post(GENERATE, json=BODY).json()
    case_id = told["cases"][0]["case_id"]
    assert client.delete(f"/nim/maisi/generations/{told['generation_id']}").json() == {"deleted": case_id}
    assert case_id not in own.case_ids()
    assert_problem(client.get(f"/nim/maisi/generations/{case_id}"), 404)
    assert_problem(client.delete(f"/nim/maisi/generations/{case_id}"), 404)


def test_an_address_that_no_one_listens_on_is_503_where_no_mock_may_stand_in(tmp_path):
    with (
        in_thread(
            tmp_path / "data",
            nim_mode="local",
            nim_allow_mock_fallback=False,
            nim_maisi_url="http://127.0.0.1:9",
        ) as running,
        running.client() as client,
    ):
        told = assert_problem(client.post(GENERATE, json=BODY), 503)
        assert told["hint"]
        assert nothing_is_left(running, set())


def test_where_a_mock_stands_in_the_reason_is_told_and_everything_is_marked(tmp_path):
    with (
        in_thread(tmp_path / "data", nim_mode="local", nim_maisi_url="http://127.0.0.1:9") as running,
        running.client() as client,
    ):
        told = client.post(GENERATE, json=BODY).json()
        assert told["is_mock"]
        assert told["fallback_reason"]
        case_id = told["cases"][0]["case_id"]
        manifest = client.get(f"/cases/{case_id}/view").json()
        assert (manifest["badge"]["mock"], manifest["badge"]["synthetic"]) == (True, True)
        ct = client.get(f"/cases/{case_id}/image.nii.gz")
        assert "MOCK-SYNTHETIC" in ct.headers["content-disposition"]
        assert b"MOCK SYNTHETIC" in gzip.decompress(ct.content)[:400]
        rows = list(csv.DictReader(io.StringIO(client.get(f"/cases/{case_id}/volumes.csv").text)))
        assert rows
        assert {(row["is_mock"], row["is_synthetic"]) for row in rows} == {("TRUE", "TRUE")}


def test_the_mock_caps_its_grid_keeps_the_field_of_view_and_says_so(mock):
    with mock.client() as client:
        asked = {"body_region": "head", "output_size": [512, 512, 128], "spacing": [0.5, 0.5, 1.5]}
        told = client.post(GENERATE, json=asked).json()
        (sample,) = told["cases"]
        assert sample["size"] == [256, 256, 128]
        assert sample["spacing_mm"] == pytest.approx([1.0, 1.0, 1.5])
        assert told["resolution"] == "512x512x128"
        assert any("256 x 256 x 128" in text for text in told["warnings"])


def test_a_preflight_says_everything_before_anything_is_sent(client, nim):
    sent = len(nim.posts())
    told = client.post(PREFLIGHT, json=BODY).json()
    assert told["allowed"]
    assert (told["rules"], told["nearest"], told["request"]) == ([], None, BODY)
    assert (told["forecast"]["memory_low_gb"], told["forecast"]["memory_is_exact"]) == (14.0, True)
    assert told["forecast"]["memory_source_url"].startswith("https://")
    assert told["fit"]["machine"] == "This machine"
    other = client.get("/nim/maisi/choices").json()["machines"][-1]
    fit = client.post(f"{PREFLIGHT}?machine={other}", json=BODY).json()["fit"]
    assert (fit["machine"], fit["fit"]) == (other, "fits")
    broken = client.post(PREFLIGHT, json={**BODY, "spacing": [0.5, 0.5, 2.0]}).json()
    assert not broken["allowed"]
    (rule,) = (each for each in broken["rules"] if each["blocks"])
    assert (rule["field"], rule["repaired"]["spacing"]) == ("spacing", [1.0, 1.0, 2.0])
    assert broken["nearest"]["spacing"] == [1.0, 1.0, 2.0]
    unread = client.post(PREFLIGHT, json={**BODY, "spacing": "wide"}).json()
    assert (unread["allowed"], unread["request"], unread["forecast"]) == (False, None, None)
    assert unread["rules"][0]["field"] == "spacing"
    assert len(nim.posts()) == sent


def test_the_choices_are_those_that_the_rules_take(client):
    told = client.get("/nim/maisi/choices").json()
    assert [each["name"] for each in told["regions"]] == ["head", "chest", "abdomen", "pelvis"]
    assert told["sizes"] == {"x_y": [256, 384, 512], "z": [128, 256, 384, 512, 640, 768]}
    for preset in told["presets"]:
        body = {name: preset[name] for name in ("body_region", "output_size", "spacing")}
        assert client.post(PREFLIGHT, json=body).json()["allowed"], preset["label"]
    for region in told["regions"]:
        body = {**BODY, "body_region": [region["name"]], "anatomy_list": region["common"]}
        assert client.post(PREFLIGHT, json=body).json()["allowed"], region["name"]


def test_a_check_compares_maisis_labels_with_vistas_and_shows_both(client, own):
    made = client.post(GENERATE, json=BODY).json()
    case_id = made["cases"][0]["case_id"]
    assert_problem(client.get(f"/cases/{case_id}/check/view"), 409, "Check it")
    answer = client.post(f"/cases/{case_id}/check")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert not told["is_mock"]
    assert {row["name"] for row in told["agreement"]} == {"spleen", "left_kidney", "liver", "vertebrae_L2"}
    by_name = drawn_ml(0, "RAS")
    for row in told["agreement"]:
        assert row["first_ml"] == pytest.approx(by_name[row["name"]])
        assert 0 <= row["dice"] <= 1
        assert row["difference_ml"] == pytest.approx(row["second_ml"] - row["first_ml"])
    assert {row["name"] for row in told["hu"]} >= {"liver", "spleen"}
    assert client.get(f"/cases/{case_id}").json()["check"] == told
    view = client.get(told["overlay_url"]).json()
    assert [each["name"] for each in view["segmentation"]["structures"]][:3] == [
        "both",
        "only MAISI",
        "only VISTA-3D",
    ]
    assert client.get(f"/cases/{case_id}/check/stack/label/axial?start=64&n=2&label=1").status_code == 200
    assert_problem(client.get(f"/cases/{case_id}/check/view?label=77"), 404)
    assert_problem(client.get(f"/cases/{case_id}/check/stack/label/axial?revision=9"), 404)


def test_a_check_of_what_maisi_did_not_make_is_refused(client, small_ct):
    with small_ct.open("rb") as file:
        job = client.post("/cases", files={"file": ("ct.nii.gz", file)}).json()
    ended(client, job["job_id"])
    assert_problem(client.post(f"/cases/{job['case_id']}/check"), 409, "not synthetic")


def test_with_mocks_the_check_says_that_it_is_no_verdict(mock):
    with mock.client() as client:
        body = {"body_region": "head", "resolution": "256x256x128", "spacing": "1x1x1.5"}
        case_id = client.post(GENERATE, json=body).json()["cases"][0]["case_id"]
        job = client.post(f"/cases/{case_id}/check", headers=LATER)
        assert job.status_code == 202
        assert ended(client, job.json()["job_id"])["state"] == "done"
        told = client.get(f"/cases/{case_id}").json()["check"]
        assert told["is_mock"]
        assert told["verdict"].startswith("No verdict")
        assert told["mocks"] == ["the CT and its labels", "the second segmentation"]


def test_somebody_elses_generation_is_not_there(tmp_path):
    with in_thread(tmp_path / "data", api_key="k" * 24, auth="ada:countess,bob:builder") as running:
        visits = []
        for name, word in (("ada", "countess"), ("bob", "builder")):
            client = running.client()
            client.post("/login", data={"user": name, "password": word})
            visits.append(client)
        ada, bob = visits
        body = {"body_region": "head", "resolution": "256x256x128", "spacing": "1x1x1.5", "anatomy_list": ["brain"]}
        made = ada.post(GENERATE, json=body)
        assert made.status_code == 200, made.text
        number = made.json()["generation_id"]
        assert bob.get("/nim/maisi/generations").json() == {"generations": []}
        assert_problem(bob.get(f"/nim/maisi/generations/{number}"), 404)
        assert_problem(bob.delete(f"/nim/maisi/generations/{number}"), 404)
        assert_problem(bob.post(f"/cases/{number}/check"), 404)
        assert ada.get(f"/nim/maisi/generations/{number}").status_code == 200
        for client in visits:
            client.close()
