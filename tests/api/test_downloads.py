"""What a case gives away: files, tables, pictures, each saying where it comes from."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct

import nibabel
import numpy as np
import pytest
from PIL import Image

from tests.data import real
from tests.serving import assert_problem, segment_file

FIGURES = ("contact", "ranges", "histogram", "area")


def nifti(answer) -> nibabel.Nifti1Image:
    assert answer.status_code == 200, answer.text
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.content))


def test_the_mask_lies_on_the_ct_and_names_its_labels_and_origin(client, case_id, small_ct):
    mask = nifti(client.get(f"/cases/{case_id}/mask.nii.gz"))
    original = nibabel.load(small_ct)
    assert mask.shape == original.shape
    np.testing.assert_allclose(mask.affine, original.affine, atol=1e-4)
    assert mask.get_data_dtype() == np.uint8
    assert set(np.unique(np.asarray(mask.dataobj)).tolist()) == {0, 28, 29, 30, 31, 32}
    assert b"MOCK" in mask.header["descrip"].tobytes()
    told = "".join(each.get_content().decode("utf-8", "replace") for each in _texts(mask))
    assert "left lung upper lobe" in told
    assert '"is_mock": true' in told


def _texts(image):
    """Header extensions, whatever kind they are read as, as objects with bytes in them."""

    class Text:
        def __init__(self, content):
            self._content = content if isinstance(content, bytes) else str(content).encode()

        def get_content(self):
            return self._content

    return [Text(each.get_content()) for each in image.header.extensions]


def test_the_masks_voxels_are_the_volumes_answered(client, case_id):
    mask = np.asarray(nifti(client.get(f"/cases/{case_id}/mask.nii.gz")).dataobj)
    organs = client.get(f"/cases/{case_id}").json()["segmentation"]["organs"]
    assert {row["label"]: row["voxel_count"] for row in organs} == {
        label: int((mask == label).sum()) for label in np.unique(mask).tolist() if label
    }


def test_the_image_is_the_ct_and_holds_nothing_of_the_patient(client):
    answer = segment_file(client, real("ct/sts-001_dicom.zip"), target_classes="liver")
    assert answer.status_code == 200, answer.text
    image = client.get(f"/cases/{answer.json()['case_id']}/image.nii.gz")
    plain = gzip.decompress(image.content)
    assert b"STS" not in plain[:352]
    reference = nibabel.load(real("ct/sts-001_ct.nii.gz"))
    assert sorted(nifti(image).shape) == sorted(reference.shape)


def test_no_download_holds_a_word_of_a_made_up_patient(client, tmp_path):
    from tests import dicom_made

    stored = np.full((6, 20, 24), 1064, np.int16)
    tags = {
        "PatientName": "Wintermute^Anna",
        "PatientID": "PAT-4711",
        "PatientBirthDate": "19700102",
        "StudyDate": "20210304",
        "InstitutionName": "Klinikum Nord",
        "AccessionNumber": "ACC-0815",
        "SeriesDescription": "Abdomen Wintermute",
    }
    files = dicom_made.make_series(tmp_path / "PAT-4711", stored, **tags)
    parts = [("file", (f"Wintermute_{at}.dcm", path.read_bytes())) for at, path in enumerate(files)]
    answer = client.post("/nim/vista3d/segment", files=parts, data={"target_classes": "liver"})
    assert answer.status_code == 200, answer.text
    case = answer.json()["case_id"]
    contents = [answer.content, client.get(f"/cases/{case}").content, client.get(f"/cases/{case}/view").content]
    for name in ("image.nii.gz", "mask.nii.gz", "volumes.csv", "volumes.json", "view.png"):
        content = client.get(f"/cases/{case}/{name}").content
        contents.append(gzip.decompress(content) if name.endswith("gz") else content)
    for secret in (b"Wintermute", b"PAT-4711", b"19700102", b"20210304", b"Klinikum", b"ACC-0815", b"1.2.3.4"):
        assert not [each for each in contents if secret in each], secret


def test_no_file_of_the_data_folder_holds_a_word_of_the_patient(client, server, small_ct):
    segment_file(client, small_ct, target_classes="lung")
    for path in server.data.rglob("*"):
        assert "Anna" not in path.name
        if path.suffix == ".json":
            assert "Anna" not in path.read_text("utf-8")


@pytest.mark.parametrize("name", ["volumes.csv", "volumes.json"])
def test_the_tables_say_mock_and_agree_with_the_answer(client, case_id, name):
    told = client.get(f"/cases/{case_id}").json()["segmentation"]["volumes"]
    content = client.get(f"/cases/{case_id}/{name}")
    if name == "volumes.csv":
        assert content.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(content.text)))
        assert {row["is_mock"] for row in rows} == {"TRUE"}
        volumes = {row["structure"].replace(" ", "_"): float(row["volume_ml"]) for row in rows}
    else:
        table = json.loads(content.text)
        assert table["is_mock"]
        volumes = {row["name"]: row["volume_ml"] for row in table["organs"]}
    assert volumes == pytest.approx(told, abs=1e-4)


@pytest.mark.parametrize("name", ["mask.nii.gz", "image.nii.gz", "volumes.csv", "volumes.json", "view.png"])
def test_a_download_says_mock_in_its_name_and_is_nobody_elses_to_keep(client, case_id, name):
    answer = client.get(f"/cases/{case_id}/{name}")
    assert answer.status_code == 200
    assert "MOCK" in answer.headers["content-disposition"]
    assert case_id not in answer.headers["content-disposition"]
    assert "private" in answer.headers["cache-control"]
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_link_of_a_case_leads_somewhere(client, case_id):
    links = client.get(f"/cases/{case_id}").json()["links"]
    assert set(links) == {"image.nii.gz", "mask.nii.gz", "volumes.csv", "volumes.json", "view.png"}
    assert {client.get(address).status_code for address in links.values()} == {200}


def test_a_picture_of_each_plane_is_a_png_and_changes_with_what_is_asked(client, case_id):
    def shown(**query):
        answer = client.get(f"/cases/{case_id}/view.png", params=query)
        assert answer.status_code == 200, answer.text
        assert Image.open(io.BytesIO(answer.content)).size > (100, 100)
        return answer.content

    axial = shown(plane="axial", slice=42)
    assert axial == shown(plane="axial", slice=42)
    others = [
        shown(plane="coronal", slice=42),
        shown(plane="axial", slice=10),
        shown(plane="axial", slice=42, window="lung"),
        shown(plane="axial", slice=42, opacity=0),
        shown(plane="axial", slice=42, outline=True),
        shown(plane="axial", slice=42, labels="28"),
        shown(plane="axial", slice=42, safe=True),
    ]
    assert len({axial, *others}) == len(others) + 1


@pytest.mark.parametrize(
    "query",
    [
        {"plane": "oblique"},
        {"slice": 0},
        {"slice": -3},
        {"slice": 999},
        {"window": "teeth"},
        {"center": "nan", "width": "400"},
        {"center": "50", "width": "0"},
        {"opacity": "x"},
    ],
)
def test_a_picture_that_cannot_be_is_refused_in_words(client, case_id, query):
    assert_problem(client.get(f"/cases/{case_id}/view.png", params=query), 422)


@pytest.mark.parametrize(
    "address",
    [
        "raw16/axial?start=0",
        "raw16/axial?start=99",
        "raw16/axial?n=0",
        "raw16/oblique",
        "colour/axial",
        "raw16/axial?n=x",
    ],
)
def test_a_stack_that_cannot_be_is_refused_in_words(client, case_id, address):
    assert_problem(client.get(f"/cases/{case_id}/stack/{address}"), 422)


def test_a_stack_holds_the_voxels_of_the_ct(client, case_id, small_ct):
    answer = client.get(f"/cases/{case_id}/stack/raw16/axial?start=1&n=64")
    assert answer.status_code == 200
    assert "private" in answer.headers["cache-control"]
    (count,) = struct.unpack_from("<I", answer.content)
    assert count == 48
    voxels = np.frombuffer(answer.content[4 + 4 * count :], "<i2")
    original = np.asarray(nibabel.load(small_ct).dataobj)
    assert np.array_equal(np.sort(voxels), np.sort(np.maximum(original, -1024).ravel()))


def test_the_viewer_is_told_slices_structures_and_that_it_is_a_mock(client, case_id):
    view = client.get(f"/cases/{case_id}/view").json()
    assert view["badge"]["mock"]
    assert view["segmentation"]["mock"]
    assert {each["label"] for each in view["segmentation"]["structures"]} == {28, 29, 30, 31, 32}


def test_the_value_under_the_pointer_is_the_cts(client, case_id):
    middle = client.get(f"/cases/{case_id}/voxel?plane=axial&slice=36&x=43&y=28").json()
    assert middle["hu"] == -850
    assert_problem(client.get(f"/cases/{case_id}/voxel?plane=axial&slice=36&x=900&y=1"), 422)


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_a_png(client, case_id, kind):
    answer = client.get(f"/cases/{case_id}/figures/{kind}.png?label=28")
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).format == "PNG"
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_figure_of_what_is_not_there_is_not_found(client, case_id):
    assert_problem(client.get(f"/cases/{case_id}/figures/histogram.png?label=90"), 404)
    assert_problem(client.get(f"/cases/{case_id}/figures/pie.png"), 404)
    assert_problem(client.get(f"/cases/{case_id}/patient.dcm"), 404)


def test_before_a_mask_there_is_an_image_and_no_table(client, small_ct):
    from tests.serving import wait_until

    with small_ct.open("rb") as file:
        opened = client.post("/cases", files={"file": ("ct.nii.gz", file)}).json()
    wait_until(lambda: client.get(f"/cases/{opened['case_id']}").json()["state"] == "ready")
    assert set(client.get(f"/cases/{opened['case_id']}").json()["links"]) == {"image.nii.gz", "view.png"}
    assert client.get(f"/cases/{opened['case_id']}/view.png").status_code == 200
    for name in ("mask.nii.gz", "volumes.csv", "figures/contact.png"):
        assert_problem(client.get(f"/cases/{opened['case_id']}/{name}"), 409, "segmentation")
