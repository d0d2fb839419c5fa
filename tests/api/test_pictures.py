"""`/pictures`: what a question can be put about. What is shown is what is kept, byte for byte, for one's own eyes."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.test_ownership import told, visit
from tests.data import real
from tests.dicom_made import make_image
from tests.serving import Server, assert_problem, in_thread, segment_file, write_ct

REACHES = (("GET", "/pictures/{id}"), ("GET", "/pictures/{id}/image"), ("DELETE", "/pictures/{id}"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """REST alone, in this process."""
    with in_thread(tmp_path_factory.mktemp("pictures") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def shared_case(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A case with the mock's mask of everything; no test changes it."""
    with server.client() as client:
        answer = segment_file(client, write_ct(tmp_path_factory.mktemp("ct") / "body.nii.gz"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["case_id"])


def png(size: tuple[int, int] = (120, 80), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    coarse = np.random.default_rng(2).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(out, "PNG")
    return out.getvalue()


def send(client: httpx.Client, content: bytes, name: str = "a.png", **fields: str) -> httpx.Response:
    return client.post("/pictures", files={"file": (name, content)}, data=fields)


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def image(client: httpx.Client, picture: dict[str, Any]) -> httpx.Response:
    answer = client.get("/" + picture["url"])
    assert answer.status_code == 200, answer.text
    return answer


# What comes back


def test_an_uploaded_picture_is_told_with_its_facts_and_given_back_byte_for_byte(client):
    answer = send(client, png(), "Wintermute^Anna 1970.png")
    picture = made(answer)
    assert answer.headers["location"] == f"/pictures/{picture['id']}"
    assert "Wintermute" not in answer.text
    got = image(client, picture)
    assert hashlib.sha256(got.content).hexdigest() == picture["sha256"]
    assert len(got.content) == picture["size_bytes"]
    assert got.headers["content-type"] == picture["media_type"] == "image/jpeg"
    assert Image.open(io.BytesIO(got.content)).size == (picture["width_px"], picture["height_px"]) == (120, 80)
    assert picture["kind"] == "upload"
    assert picture["sent_as"] == "inline"
    for absent in ("case_id", "plane", "slice", "slices", "window", "structures", "mark", "modality", "mm_per_px"):
        assert picture[absent] is None
    assert not picture["is_mock"]
    assert picture["provenance"]["origin"] == "upload"
    assert told(client.get(f"/pictures/{picture['id']}")) == picture


def test_a_browser_keeps_the_bytes_for_itself_and_need_not_fetch_them_twice(client):
    got = image(client, made(send(client, png())))
    assert "private" in got.headers["cache-control"]
    assert "immutable" in got.headers["cache-control"]
    again = client.get(str(got.request.url), headers={"If-None-Match": got.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    other = client.get(str(got.request.url), headers={"If-None-Match": '"something else"'})
    assert other.content == got.content


def test_a_view_of_a_case_is_told_with_what_it_shows(client, shared_case):
    body = {"case_id": shared_case, "plane": "coronal", "slice": 20, "window": {"center": -600, "width": 1500}}
    picture = made(client.post("/pictures", json=body))
    assert picture["kind"] == "view"
    assert picture["case_id"] == shared_case
    assert (picture["plane"], picture["slice"], picture["slices"]) == ("coronal", 20, {"coronal": 20})
    assert picture["window"] == {"name": "lung", "center": -600, "width": 1500}
    assert picture["modality"] == "CT"
    assert picture["mm_per_px"] == 5
    assert (picture["overlay"], picture["mark"], picture["is_mock"]) == (False, None, False)
    names = [each["name"] for each in picture["structures"]]
    assert any("lung" in name for name in names)
    areas = [each["area_mm2"] for each in picture["structures"]]
    assert areas == sorted(areas, reverse=True)
    assert all(0 < each["share"] < 1 for each in picture["structures"])
    assert picture["provenance"]["inputs"][0]["origin"] == "upload"


def test_a_mocks_mask_over_the_slice_marks_the_picture_in_words_bytes_and_name(client, shared_case):
    plain = made(client.post("/pictures", json={"case_id": shared_case, "slice": 30}))
    marked = made(client.post("/pictures", json={"case_id": shared_case, "slice": 30, "overlay": True}))
    assert marked["mark"] == "MOCK"
    assert marked["is_mock"]
    assert marked["width_px"] > plain["width_px"]
    got = image(client, marked)
    assert "-MOCK.jpg" in got.headers["content-disposition"]
    corner = np.asarray(Image.open(io.BytesIO(got.content)))[:4].astype(int)
    assert (np.abs(corner - (240, 180, 41)).sum(axis=2) < 60).any()


def test_a_mosaic_shows_a_slice_of_every_plane(client, shared_case):
    body = {"case_id": shared_case, "mosaic": True, "plane": "axial", "slices": {"axial": 9, "sagittal": 33}}
    picture = made(client.post("/pictures", json=body))
    assert picture["kind"] == "mosaic"
    assert (picture["slices"]["axial"], picture["slices"]["sagittal"]) == (9, 33)
    assert set(picture["slices"]) == {"axial", "coronal", "sagittal"}
    assert picture["structures"] is None
    assert picture["width_px"] > picture["height_px"]


@pytest.mark.parametrize("labels", [["left_lung_upper_lobe"], ["left lung upper lobe"], [28], ["28"], ["lung"]])
def test_the_overlay_shows_the_structures_that_are_named(client, shared_case, labels):
    some = made(client.post("/pictures", json={"case_id": shared_case, "slice": 40, "overlay": True, "labels": labels}))
    assert (28 in some["provenance"]["parameters"]["visible"]) is True


def test_a_dicom_x_ray_tells_its_kind_and_nothing_of_the_patient(client, tmp_path):
    stored = np.tile(np.arange(0, 4000, 40, dtype=np.uint16), (80, 1))
    make_image(
        tmp_path / "cxr.dcm",
        stored,
        sop_class="1.2.840.10008.5.1.4.1.1.1.1",
        modality="DX",
        intercept=0,
        PatientName="Wintermute^Anna",
        PatientID="MRN-4711",
        BodyPartExamined="CHEST",
        ViewPosition="PA",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
    )
    answer = send(client, (tmp_path / "cxr.dcm").read_bytes(), "cxr.dcm")
    picture = made(answer)
    assert picture["modality"] == "CXR"
    content = image(client, picture).content
    for secret in ("Wintermute", "4711"):
        assert secret not in answer.text
        assert secret.encode() not in content


def test_a_window_in_a_form_holds_for_a_dicom_slice(client, tmp_path):
    make_image(tmp_path / "slice.dcm", np.full((40, 40), 1024 - 600, np.int16), spacing=(1.0, 1.0))
    content = (tmp_path / "slice.dcm").read_bytes()
    usual = image(client, made(send(client, content, "slice.dcm"))).content
    lung = image(client, made(send(client, content, "slice.dcm", window="lung"))).content
    assert np.asarray(Image.open(io.BytesIO(usual))).mean() < 3
    assert abs(np.asarray(Image.open(io.BytesIO(lung))).mean() - 127.5) < 4


def test_an_erased_picture_is_gone(client, server):
    picture = made(send(client, png()))
    assert client.delete(f"/pictures/{picture['id']}").json() == {"deleted": picture["id"]}
    assert_problem(client.get("/" + picture["url"]), 404)
    assert not (server.data / "pictures" / picture["id"]).exists()


def test_an_erased_case_takes_its_pictures_with_it_at_once(client, server, tmp_path):
    case = segment_file(client, write_ct(tmp_path / "body.nii.gz"), target_classes="lung").json()["case_id"]
    pictures = [made(client.post("/pictures", json={"case_id": case, "slice": number})) for number in (10, 20)]
    upload = made(send(client, png()))
    assert client.delete(f"/cases/{case}").status_code == 200
    for picture in pictures:
        assert_problem(client.get("/" + picture["url"]), 404)
        assert not (server.data / "pictures" / picture["id"]).exists()
    assert image(client, upload).status_code == 200


# Whose it is


@pytest.mark.parametrize(("method", "address"), REACHES)
def test_another_visit_is_told_the_same_as_about_no_picture(server, method, address):
    with visit(server, page=404) as anna, visit(server, page=404) as ben:
        hers = made(send(anna, png()))
        theirs = ben.request(method, address.format(id=hers["id"]))
        nowhere = ben.request(method, address.format(id="A" * 24))
        assert_problem(theirs, 404)
        assert told(theirs) == told(nowhere)
        assert image(anna, hers).status_code == 200


def test_another_visit_cannot_make_a_picture_of_a_case(server, shared_case):
    with visit(server, page=404) as ben:
        assert_problem(ben.post("/pictures", json={"case_id": shared_case}), 404)


def test_the_api_key_is_asked_for_where_one_is_set(tmp_path):
    with in_thread(tmp_path / "data", api_key="correct horse") as locked, locked.client() as stranger:
        assert_problem(send(stranger, png()), 401)
        with locked.client(Authorization="Bearer correct horse") as holder:
            picture = made(send(holder, png()))
        assert_problem(stranger.get("/" + picture["url"]), 401)
        assert locked.left_behind() == []


def test_a_restart_keeps_pictures_as_they_were(tmp_path):
    with in_thread(tmp_path / "data") as first, first.client() as client:
        picture = made(send(client, png()))
        content = image(client, picture).content
    with in_thread(tmp_path / "data") as second, second.client() as client:
        assert image(client, picture).content == content
        assert client.get(f"/pictures/{picture['id']}").json() == picture


# How it would travel


def test_a_picture_too_large_for_a_request_goes_to_the_hosted_catalogue_as_an_asset(client, tmp_path):
    out = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 256, (1100, 1100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "PNG")
    assert made(send(client, out.getvalue()))["sent_as"] == "inline"
    with in_thread(tmp_path / "data", nim_mode="cloud") as hosted, hosted.client() as asker:
        assert made(send(asker, png()))["sent_as"] == "inline"
        assert made(send(asker, out.getvalue()))["sent_as"] == "asset"


# What cannot be used


def bomb() -> bytes:
    """The beginning of a PNG of 20,000 x 20,000 pixels; nothing after it is needed to refuse it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def animated_gif() -> bytes:
    out = io.BytesIO()
    first, *others = (Image.new("P", (20, 20), colour) for colour in (0, 100, 200))
    first.save(out, "GIF", save_all=True, append_images=others)
    return out.getvalue()


def cmyk_jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("CMYK", (40, 40), (10, 20, 30, 40)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"", 400, "empty"),
        (b"only words\n" * 20, 415, "text"),
        (b"%PDF-1.7\n" + bytes(500), 415, "PDF"),
        (animated_gif(), 415, "GIF"),
        (bomb(), 413, "20"),
        (cmyk_jpeg(), 400, "CMYK"),
        (png()[:300], 400, "cut"),
        (b"PK\x03\x04" + bytes(100), 415, "zip"),
    ],
    ids=["empty", "text", "PDF", "animated GIF", "bomb", "CMYK", "cut short", "zip"],
)
def test_what_is_no_usable_picture_is_refused_with_its_cause_and_nothing_stays(client, server, content, status, word):
    before = {path.name for path in (server.data / "pictures").iterdir()}
    problem = assert_problem(send(client, content, "Wintermute^Anna.png"), status, word)
    assert problem["hint"]
    assert "Wintermute" not in str(problem)
    assert server.left_behind() == []
    assert {path.name for path in (server.data / "pictures").iterdir()} == before


def test_a_dicom_file_without_pixels_is_refused_with_its_cause(client, server, tmp_path):
    make_image(tmp_path / "none.dcm", np.zeros((10, 10), np.int16), PixelData=None)
    problem = assert_problem(send(client, (tmp_path / "none.dcm").read_bytes(), "none.dcm"), 400, "pixel")
    assert problem["hint"]
    assert server.left_behind() == []


def test_a_volume_is_refused_and_the_person_sent_to_segment(client, server, tmp_path):
    content = write_ct(tmp_path / "body.nii.gz").read_bytes()
    assert_problem(send(client, content, "body.nii.gz"), 422, "volume", "Segment")
    assert server.left_behind() == []


def test_two_files_no_file_and_no_form_are_refused(client, server):
    files = [("file", ("a.png", png())), ("file", ("b.png", png()))]
    assert_problem(client.post("/pictures", files=files), 422, "one picture")
    assert_problem(client.post("/pictures", files={"other": ("a.png", png())}), 422, "no file")
    assert_problem(client.post("/pictures", content=png(), headers={"Content-Type": "image/png"}), 422)
    assert_problem(client.post("/pictures", json={}), 422, "case_id")
    assert server.left_behind() == []


def test_a_window_that_is_none_is_refused_and_the_file_erased(client, server):
    assert_problem(send(client, png(), window="bright"), 422, "bright", "lung")
    assert server.left_behind() == []


def test_a_picture_over_the_limit_is_refused_while_it_arrives(tmp_path):
    with in_thread(tmp_path / "data", max_upload_mb=1) as small, small.client() as client:
        assert_problem(send(client, bytes(1_500_000)), 413, "MB")
        assert small.left_behind() == []


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"plane": "up"}, 422, "axial"),
        ({"slice": 0}, 422, "1 to 48"),
        ({"slice": 49}, 422, "1 to 48"),
        ({"slice": "many"}, 422, "slice"),
        ({"window": "bright"}, 422, "bright"),
        ({"window": {"center": 50}}, 422, "window"),
        ({"slices": {"axial": 3}}, 422, "mosaic"),
        ({"mosaic": True, "slices": {"oblique": 3}}, 422, "oblique"),
        ({"overlay": True, "labels": ["livr"]}, 422, "liver"),
        ({"case_id": "A" * 24}, 404, "no such case"),
        ({"case_id": "../../etc"}, 404, "no such case"),
    ],
)
def test_a_view_that_there_is_none_of_is_refused_with_what_there_is(client, shared_case, body, status, word):
    assert_problem(client.post("/pictures", json={"case_id": shared_case, **body}), status, word)


def test_an_overlay_without_a_mask_is_not_possible_now(client, tmp_path):
    with write_ct(tmp_path / "body.nii.gz").open("rb") as file:
        opened = client.post("/cases", files={"file": ("body.nii.gz", file)}).json()
    while client.get(f"/jobs/{opened['job_id']}").json()["state"] == "running":
        pass
    assert made(client.post("/pictures", json={"case_id": opened["case_id"]}))["structures"] is None
    body = {"case_id": opened["case_id"], "overlay": True}
    assert_problem(client.post("/pictures", json=body), 409, "segmentation")


# Described, and real


def test_both_bodies_and_the_answer_are_described(client):
    described = client.get("/openapi.json").json()
    route = described["paths"]["/pictures"]["post"]
    assert set(route["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    answer = route["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    sent = made(send(client, png()))
    assert set(described["components"]["schemas"][answer]["properties"]) == set(sent)


@pytest.mark.parametrize(
    ("name", "modality", "size"),
    [
        ("images/cxr/nih_00000001_000.png", None, (512, 512)),
        ("images/vqa-rad/images/synpic16810.jpg", None, None),
        ("dicom-tricky/nema-ct1_J2KR.dcm", "CT", (512, 512)),
    ],
)
def test_a_real_x_ray_and_a_real_ct_slice_go_through(client, name, modality, size):
    path: Path = real(name)
    picture = made(send(client, path.read_bytes(), path.name))
    assert picture["modality"] == modality
    assert size in (None, (picture["width_px"], picture["height_px"]))
    content = image(client, picture).content
    assert 20 < np.asarray(Image.open(io.BytesIO(content))).mean() < 200


def test_text_burned_into_a_real_ct_image_is_warned_of(client):
    path = real("dicom-tricky/phi_burned-in_ct.dcm")
    assert "text" in made(send(client, path.read_bytes(), path.name))["burned_in"].lower()
