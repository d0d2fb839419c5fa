"""What cannot be read is told in one paragraph, and nothing of it stays."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import httpx
import numpy as np
import pytest

from tests.data import real
from tests.serving import assert_problem, body_hu, in_thread, segment_file, wait_until, write_ct

SEGMENT = "/nim/vista3d/segment"


@pytest.fixture
def nothing_stays(server):
    """The data folder is as it was before."""
    before = server.case_ids()
    yield
    assert server.case_ids() == before
    assert server.left_behind() == []
    assert not [path for path in (server.data / "tmp").rglob("*") if path.is_file()]


def whole_nifti(tmp_path) -> bytes:
    return write_ct(tmp_path / "whole.nii.gz").read_bytes()


def truncated_gzip(tmp_path) -> bytes:
    whole = whole_nifti(tmp_path)
    return whole[: len(whole) // 2]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def changed_header(tmp_path, at: int, what: bytes) -> bytes:
    """A NIfTI with bytes of its header replaced (offsets of the NIfTI-1 header)."""
    raw = bytearray(gzip.decompress(whole_nifti(tmp_path)))
    raw[at : at + len(what)] = what
    return gzip.compress(bytes(raw), 1)


def four_dimensional(tmp_path) -> bytes:
    write_ct(tmp_path / "4d.nii.gz", np.stack([body_hu((12, 12, 12))] * 3, axis=-1), (5, 5, 5))
    return (tmp_path / "4d.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("name", "make", "statuses"),
    [
        ("notes.nii.gz", lambda _: b"Liver unremarkable. " * 100, {400, 415}),
        ("notes.txt", lambda _: b"Liver unremarkable. " * 100, {400, 415}),
        ("picture.png", lambda _: b"\x89PNG\r\n\x1a\n" + bytes(200), {400, 415}),
        ("report.pdf", lambda _: b"%PDF-1.7\n" + bytes(200), {400, 415}),
        ("empty.nii.gz", lambda _: b"", {400, 415}),
        ("cut.nii.gz", truncated_gzip, {400}),
        ("empty.zip", lambda _: zipped(), {400, 415, 422}),
        ("text.zip", lambda _: zipped(**{"readme.txt": b"hello"}), {400, 415, 422}),
        ("out.zip", lambda path: zipped(**{"../../escape.nii.gz": whole_nifti(path)}), {400, 422}),
        ("broken.zip", lambda path: zipped(**{"a.nii.gz": whole_nifti(path)})[:-40], {400, 415}),
        ("claims.nii.gz", lambda path: changed_header(path, 42, struct.pack("<3h", 9000, 9000, 5)), {400, 413, 422}),
        ("four.nii.gz", four_dimensional, {422}),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_explained_and_forgotten(
    client, small_ct, nothing_stays, tmp_path, name, make, statuses
):
    answer = client.post(SEGMENT, files={"file": (name, make(tmp_path))}, data={"target_classes": "liver"})
    assert answer.status_code in statuses, answer.text
    told = assert_problem(answer, answer.status_code)
    assert told["title"]
    assert "hint" in told or name == "out.zip"  # whoever made that archive knows the cure
    assert "\n" not in told["detail"]


def test_images_at_one_position_are_not_a_volume(client, nothing_stays):
    answer = segment_file(client, real("dicom-tricky/d2n-same-position4.zip"), target_classes="liver")
    assert_problem(answer, 422)


def test_a_form_without_a_file_is_refused(client, nothing_stays):
    assert_problem(client.post(SEGMENT, files={"other": b"x"}), 422, "no file")
    assert_problem(client.post(SEGMENT, files={"file": ("", b"")}, data={"target_classes": "liver"}), 422)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"target_classes": 7}', "application/json"),
        (b'{"series": "first"}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"not a form at all", "multipart/form-data; boundary=x"),
        (b"not a form at all", "multipart/form-data"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_in_the_one_form(client, nothing_stays, content, kind):
    answer = client.post(SEGMENT, content=content, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code)


@pytest.mark.parametrize(("field", "value"), [("series", "first"), ("series", "²"), ("points", "{"), ("points", "[1]")])
def test_a_field_of_a_form_that_does_not_fit_is_named(client, small_ct, nothing_stays, field, value):
    assert_problem(segment_file(client, small_ct, **{field: value}), 422, field)


def test_the_way_to_open_without_segmenting_refuses_alike(client, nothing_stays):
    assert_problem(client.post("/cases", files={"other": b"x"}), 422, "no file")
    assert_problem(client.post("/cases", files={"file": ("a", b"x")}, data={"series": "one"}), 422, "series")
    opened = client.post("/cases", files={"file": ("notes.nii.gz", b"Liver unremarkable. " * 50)})
    assert opened.status_code == 202
    job = opened.json()["job_id"]
    wait_until(lambda: client.get(f"/jobs/{job}").json()["state"] != "running")
    told = client.get(f"/jobs/{job}").json()
    assert told["state"] == "failed"
    assert told["error"]
    assert told["hint"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A workbench that takes 1 MB."""
    with in_thread(tmp_path_factory.mktemp("narrow") / "data", max_upload_mb=1) as running:
        yield running


def test_over_the_limit_is_refused_by_the_length_before_it_is_sent(narrow):
    with narrow.client() as client:
        answer = client.post(SEGMENT, files={"file": ("big.nii.gz", bytes(3_000_000))})
    assert_problem(answer, 413, "MB", "IMAGING_MAX_UPLOAD_MB")
    assert (narrow.left_behind(), narrow.case_ids()) == ([], set())


def test_over_the_limit_is_refused_while_it_arrives_where_no_length_is_given(narrow):
    def form():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.nii.gz"\r\n\r\n'
        for _ in range(40):
            yield bytes(100_000)
        yield b"\r\n--x--\r\n"

    with narrow.client() as client:
        answer = client.post(SEGMENT, content=form(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert_problem(answer, 413, "MB")
    assert (narrow.left_behind(), narrow.case_ids()) == ([], set())


def test_just_over_the_limit_with_the_forms_own_bytes_is_refused_too(narrow):
    with narrow.client() as client:
        answer = client.post(SEGMENT, files={"file": ("big.nii.gz", bytes(1_000_001))})
    assert_problem(answer, 413, "MB")
    assert (narrow.left_behind(), narrow.case_ids()) == ([], set())


def test_a_small_file_that_unpacks_over_the_limit_is_refused(narrow):
    with narrow.client() as client:
        answer = client.post(SEGMENT, files={"file": ("bomb.zip", zipped(**{"a.nii": bytes(60_000_000)}))})
    assert_problem(answer, 413)
    assert (narrow.left_behind(), narrow.case_ids()) == ([], set())


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(server, nothing_stays):
    import socket

    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(
            b"POST /nim/vista3d/segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.nii"\r\n\r\n' + bytes(2_000_000)
        )
    with server.client() as client:
        assert client.get("/health").status_code == httpx.codes.OK
    wait_until(lambda: server.left_behind() == [])


def test_a_form_that_breaks_off_before_its_end_is_refused(client, nothing_stays, small_ct):
    content = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.nii.gz"\r\n\r\n'
        + small_ct.read_bytes()
        + b"\r\n--x"
    )
    answer = client.post(SEGMENT, content=content, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert_problem(answer, 422, "form")


def test_texts_of_a_form_that_are_too_long_are_refused(client, nothing_stays, small_ct):
    assert_problem(segment_file(client, small_ct, points=" " * 2_000_000), 413)
