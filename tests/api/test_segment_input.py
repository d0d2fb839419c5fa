"""How a CT comes in: a path, a case, one file, many files, one of several series."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tests import dicom_made
from tests.data import real
from tests.serving import assert_problem, segment_file

LUNGS = {
    *("left_lung_upper_lobe", "left_lung_lower_lobe"),
    *("right_lung_upper_lobe", "right_lung_middle_lobe", "right_lung_lower_lobe"),
}
SEGMENT = "/nim/vista3d/segment"


@pytest.mark.parametrize("path", ["body.nii.gz", "deeper", "deeper/../body.nii.gz", "inner-link.nii.gz"])
def test_a_file_or_folder_inside_the_input_folders_is_read(client, path):
    answer = client.post(SEGMENT, json={"input_path": path, "target_classes": ["lung"]})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["classes_detected"]) == LUNGS
    assert client.get(f"/cases/{answer.json()['case_id']}").json()["source"] == "folder"


def test_an_absolute_path_inside_is_read_and_is_in_no_answer(client, input_folder):
    answer = client.post(
        SEGMENT, json={"input_path": str(input_folder.allowed / "body.nii.gz"), "target_classes": ["lung"]}
    )
    assert answer.status_code == 200
    case = client.get(f"/cases/{answer.json()['case_id']}")
    for told in (answer, case, client.get(f"/cases/{answer.json()['case_id']}/volumes.json")):
        assert str(input_folder.allowed) not in told.text
        assert "body.nii" not in told.text


@pytest.mark.parametrize(
    "path",
    [
        "way-out.nii.gz",
        "way-out",
        "way-out/secret.nii.gz",
        "../allowed-not/secret.nii.gz",
        "deeper/../../allowed-not/secret.nii.gz",
        "..",
        "/etc/passwd",
        "/",
        "circle",
        "circle/body.nii.gz",
        "a" * 5000,
        "nul\0byte",
        "~/secret.nii.gz/..\\..",
    ],
)
def test_whatever_leads_out_of_the_input_folders_is_refused_before_it_is_looked_at(client, server, path):
    before = server.case_ids()
    answer = client.post(SEGMENT, json={"input_path": path})
    if path.startswith("~"):  # an ordinary name of nothing inside
        assert_problem(answer, 404)
    else:
        told = assert_problem(answer, 403, "IMAGING_INPUT_DIRS")
        assert "allowed" not in told["detail"]
    assert server.case_ids() == before


def test_outside_a_file_that_exists_and_one_that_does_not_are_told_alike(client, input_folder):
    there = client.post(SEGMENT, json={"input_path": str(input_folder.outside / "secret.nii.gz")})
    nowhere = client.post(SEGMENT, json={"input_path": str(input_folder.outside / "nothing.nii.gz")})
    assert there.json() == nowhere.json()


def test_a_missing_file_inside_is_not_found(client):
    assert_problem(client.post(SEGMENT, json={"input_path": "nothing.nii.gz"}), 404, "no such file")


def test_a_file_is_uploaded_and_its_name_is_forgotten(client, small_ct):
    answer = segment_file(client, small_ct, target_classes="lung")
    assert answer.status_code == 200
    assert set(answer.json()["classes_detected"]) == LUNGS
    whole = answer.text + client.get(f"/cases/{answer.json()['case_id']}").text
    assert "Müller" not in whole
    assert "Anna" not in whole


def test_structures_come_as_repeated_fields_or_between_commas(client, small_ct):
    repeated = segment_file(client, small_ct, target_classes=["left_lung_upper_lobe", "right lung lower lobe"])
    commas = segment_file(client, small_ct, target_classes="left_lung_upper_lobe, right lung lower lobe")
    assert set(repeated.json()["volumes"]) == {"left_lung_upper_lobe", "right_lung_lower_lobe"}
    assert repeated.json()["volumes"] == commas.json()["volumes"]


def test_many_dicom_files_are_one_volume(client, tmp_path):
    stored = np.full((6, 20, 24), 1064, np.int16)
    files = dicom_made.make_series(tmp_path / "series", stored)
    parts = [("file", (path.name, path.read_bytes())) for path in files]
    answer = client.post(SEGMENT, files=parts, data={"target_classes": "liver"})
    assert answer.status_code == 200, answer.text
    report = client.get(f"/cases/{answer.json()['case_id']}").json()["report"]
    assert sorted(report["size"]) == [6, 20, 24]
    assert report["hu_range"] == [40, 40]


def two_series(tmp_path) -> bytes:
    """A zip of a long and a short series of one study."""
    folder = tmp_path / "study"
    long = dicom_made.make_series(folder / "a", np.full((8, 20, 24), 1064, np.int16), SeriesDescription="Abdomen 2 mm")
    short = dicom_made.make_series(
        folder / "b",
        np.full((5, 16, 18), 1124, np.int16),
        series="1.2.3.5",
        SeriesDescription="Chest 5 mm",
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in [*long, *short]:
            archive.write(path, str(path.relative_to(folder)))
    return packed.getvalue()


def test_of_several_series_the_likeliest_is_taken_and_the_other_named(client, tmp_path):
    upload = two_series(tmp_path)
    answer = client.post(SEGMENT, files={"file": ("study.zip", upload)}, data={"target_classes": "liver"})
    assert answer.status_code == 200, answer.text
    case = client.get(f"/cases/{answer.json()['case_id']}").json()
    assert sorted(case["report"]["size"]) == [8, 20, 24]
    assert any("Chest 5 mm" in text for text in answer.json()["warnings"])
    assert [each["usable"] for each in case["series"]] == [True, True]


def test_the_number_of_a_series_chooses_it(client, tmp_path):
    upload = two_series(tmp_path)
    first = client.post(SEGMENT, files={"file": ("study.zip", upload)}, data={"target_classes": "liver"}).json()
    series = client.get(f"/cases/{first['case_id']}").json()["series"]
    other = next(each["number"] for each in series if not each["likeliest"])
    answer = client.post(
        SEGMENT, files={"file": ("study.zip", upload)}, data={"target_classes": "liver", "series": str(other)}
    )
    assert answer.status_code == 200, answer.text
    assert sorted(client.get(f"/cases/{answer.json()['case_id']}").json()["report"]["size"]) == [5, 16, 18]
    assert any("Abdomen 2 mm" in text for text in answer.json()["warnings"])


def test_a_series_that_is_not_there_is_refused(client, tmp_path, server):
    before = server.case_ids()
    answer = client.post(SEGMENT, files={"file": ("study.zip", two_series(tmp_path))}, data={"series": "17"})
    assert_problem(answer, answer.status_code, "17")
    assert answer.status_code in (404, 422)
    assert (server.case_ids(), server.left_behind()) == (before, [])


def test_a_real_mixed_upload_takes_the_axial_series_and_says_what_it_left(client):
    answer = segment_file(client, real("dicom-tricky/philips-phantom_mixed-series.zip"), target_classes="liver")
    assert answer.status_code == 200, answer.text
    case = client.get(f"/cases/{answer.json()['case_id']}").json()
    assert case["report"]["size"][2] == 28
    assert sum(each["usable"] for each in case["series"]) >= 1
    assert any(not each["usable"] and each["why_not"] for each in case["series"])
    assert any("other series" in text for text in answer.json()["warnings"])


@pytest.mark.parametrize("way", ["json", "form"])
def test_an_unknown_structure_is_refused_with_the_nearest_names_before_anything_is_read(client, server, small_ct, way):
    before = server.case_ids()
    if way == "json":
        answer = client.post(SEGMENT, json={"input_path": "", "target_classes": ["livr"]})
    else:
        answer = segment_file(client, small_ct, target_classes="livr")
    told = assert_problem(answer, 422, "livr", "liver")
    assert told["nearest"][0] == "liver"
    assert (server.case_ids(), server.left_behind()) == (before, [])


def test_a_structure_that_vista3d_lists_and_refuses_is_refused_here(client):
    assert_problem(client.post(SEGMENT, json={"target_classes": [16]}), 422, "does not accept")


@pytest.mark.parametrize("way", ["json", "form"])
def test_a_path_and_a_case_together_are_refused(client, case_id, way):
    both = {"input_path": "body.nii.gz", "case_id": case_id}
    answer = client.post(SEGMENT, json=both) if way == "json" else client.post(SEGMENT, files={"x": b""}, data=both)
    assert_problem(answer, 422, "one of them")


def test_a_file_and_a_case_together_are_refused(client, case_id, small_ct, server):
    before = server.case_ids()
    assert_problem(segment_file(client, small_ct, case_id=case_id), 422, "one of them")
    assert server.case_ids() == before


def test_a_case_is_segmented_again_without_sending_it_again(client, case_id):
    answer = client.post(SEGMENT, json={"case_id": case_id, "target_classes": ["left_lung_upper_lobe"]})
    assert answer.status_code == 200
    assert answer.json()["case_id"] == case_id
    assert answer.json()["classes_detected"] == ["left_lung_upper_lobe"]
    form = client.post(SEGMENT, files={"x": b""}, data={"case_id": case_id, "target_classes": "left_lung_upper_lobe"})
    assert form.json()["volumes"] == answer.json()["volumes"]


def test_what_was_asked_for_and_not_found_is_named_everywhere(client, small_ct):
    answer = segment_file(client, small_ct, target_classes=["left_lung_upper_lobe", "brain"])
    told = answer.json()
    assert told["not_found"] == ["brain"]
    table = client.get(f"/cases/{told['case_id']}/volumes.csv").text
    assert "brain" in table
    assert "not found" in table
    assert client.get(f"/cases/{told['case_id']}/volumes.json").json()["not_found"] == ["brain"]


def test_points_are_taken_by_structure_and_checked(client, case_id):
    good = client.post(SEGMENT, json={"case_id": case_id, "points": {"left_lung_upper_lobe": [[20, 28, 36]]}})
    assert good.status_code == 200, good.text
    assert_problem(client.post(SEGMENT, json={"case_id": case_id, "points": {"livr": [[1, 2, 3]]}}), 422, "liver")
    assert_problem(client.post(SEGMENT, json={"case_id": case_id, "points": {"liver": [[1, 2]]}}), 422, "points")
