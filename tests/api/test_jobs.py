"""Long work: asked for without waiting, followed, refused a second time, stopped."""

from __future__ import annotations

import pytest

from tests.contract_server import Vista3dNim
from tests.serving import assert_problem, in_thread, segment_file, wait_until, write_ct

SEGMENT = "/nim/vista3d/segment"
LATER = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def nim():
    with Vista3dNim() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, nim):
    """A workbench whose NIM can be made to hang: the way to look at a job while it runs."""
    with in_thread(tmp_path_factory.mktemp("jobs") / "data", nim_mode="local", nim_vista3d_url=nim.url) as running:
        yield running


@pytest.fixture
def hanging(nim):
    nim.switch(hang=120)
    nim.released.clear()
    yield nim
    nim.released.set()
    nim.switch()


def ended(client, job_id):
    wait_until(lambda: client.get(f"/jobs/{job_id}").json()["state"] != "running")
    return client.get(f"/jobs/{job_id}").json()


def test_who_prefers_not_to_wait_gets_a_job_and_where_to_look(client, small_ct):
    with small_ct.open("rb") as file:
        answer = client.post(
            SEGMENT, files={"file": ("ct.nii.gz", file)}, data={"target_classes": "liver"}, headers=LATER
        )
    assert answer.status_code == 202
    job = answer.json()
    assert set(job) == {"job_id", "kind", "case_id", "state", "stage", "fraction", "elapsed_s", "error", "hint"}
    assert answer.headers["location"] == f"/jobs/{job['job_id']}"
    done = ended(client, job["job_id"])
    assert (done["state"], done["error"]) == ("done", None)
    case = client.get(f"/cases/{job['case_id']}").json()
    assert case["segmentation"]["classes_detected"] == ["liver"]
    assert not case["segmentation"]["is_mock"]


def test_a_job_that_reads_a_bad_file_fails_with_the_readers_words(client, server):
    answer = client.post(SEGMENT, files={"file": ("notes.nii.gz", b"Liver unremarkable. " * 50)}, headers=LATER)
    assert answer.status_code == 202
    done = ended(client, answer.json()["job_id"])
    assert done["state"] == "failed"
    assert "not a CT" in done["error"]
    assert_problem(client.get(f"/cases/{answer.json()['case_id']}"), 404)
    assert server.left_behind() == []


def test_while_a_job_runs_a_second_one_is_refused_and_the_first_can_be_stopped(client, case_id, hanging):
    first = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["liver"]}, headers=LATER).json()
    wait_until(hanging.posts)
    assert_problem(client.post(SEGMENT, json={"case_id": case_id}), 409, "running", "cancel")
    at_work = client.get(f"/cases/{case_id}").json()["job"]
    assert (at_work["job_id"], at_work["state"]) == (first["job_id"], "running")
    assert client.delete(f"/jobs/{first['job_id']}").status_code == 200
    assert ended(client, first["job_id"])["state"] == "cancelled"
    assert client.get(f"/cases/{case_id}").json()["segmentation"]["num_classes"] == 5


def test_a_stopped_job_lets_the_next_one_run(client, case_id, hanging):
    first = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["liver"]}, headers=LATER).json()
    client.delete(f"/jobs/{first['job_id']}")
    assert ended(client, first["job_id"])["state"] == "cancelled"
    hanging.released.set()
    hanging.switch()
    again = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["spleen"]})
    assert again.status_code == 200, again.text
    assert again.json()["classes_detected"] == ["spleen"]


def test_slices_are_served_while_a_case_is_segmented(client, case_id, hanging):
    job = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["liver"]}, headers=LATER).json()
    for number in (1, 20, 48):
        assert client.get(f"/cases/{case_id}/stack/raw16/axial?start={number}").status_code == 200
    assert client.get(f"/jobs/{job['job_id']}").json()["state"] == "running"
    client.delete(f"/jobs/{job['job_id']}")
    ended(client, job["job_id"])


def test_a_case_erased_while_a_job_runs_takes_the_job_with_it(client, case_id, hanging, server):
    job = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["liver"]}, headers=LATER).json()
    assert client.delete(f"/cases/{case_id}").json() == {"deleted": case_id}
    assert ended(client, job["job_id"])["state"] == "cancelled"
    assert case_id not in server.case_ids()


def test_an_unknown_job_is_not_found(client):
    assert_problem(client.get("/jobs/nothing-here"), 404)
    assert_problem(client.delete("/jobs/nothing-here"), 404)


def test_a_new_mask_does_not_leave_the_old_one_to_be_downloaded(client, tmp_path):
    import io

    import nibabel
    import numpy as np

    case = segment_file(client, write_ct(tmp_path / "a.nii.gz"), target_classes="liver").json()["case_id"]

    def labels():
        content = client.get(f"/cases/{case}/mask.nii.gz").content
        image = nibabel.Nifti1Image.from_bytes(__import__("gzip").decompress(io.BytesIO(content).read()))
        return set(np.unique(np.asarray(image.dataobj)).tolist()) - {0}

    assert labels() == {1}
    client.post(SEGMENT, json={"case_id": case, "target_classes": ["spleen"]})
    assert labels() == {3}
