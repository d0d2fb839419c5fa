"""A real CT, a reference mask as the NIM's answer, and the same volumes through every door."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from tests import totalseg
from tests.contract_server import Vista3dNim
from tests.data import real
from tests.serving import Server, in_thread, segment_file, serving, workbench_command


@pytest.fixture(scope="module")
def nim():
    real(totalseg.SEGMENTED)
    with Vista3dNim(labeller=totalseg.labeller()) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, nim):
    with in_thread(
        tmp_path_factory.mktemp("reference") / "data",
        nim_mode="local",
        nim_vista3d_url=nim.url,
        nim_allow_mock_fallback=False,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def answer(server):
    with server.client() as client:
        told = segment_file(client, real(totalseg.UPLOAD))
    assert told.status_code == 200, told.text
    return told.json()


def test_most_of_totalsegmentators_structures_have_a_vista3d_number():
    """The names without one (scapula muscles, cysts a side) are few; a broken mapping would lose many."""
    assert len(totalseg.label_of_total()) > 100
    assert len(totalseg.reference_ml()) > 20


def rounded(volumes):
    return {name: round(volume, 3) for name, volume in volumes.items()}


def test_over_rest_every_volume_equals_the_reference(answer):
    assert not answer["is_mock"]
    assert rounded(answer["volumes"]) == totalseg.reference_ml()


def test_the_mask_comes_back_on_the_scanners_own_grid(server: Server, answer):
    """The reference lies the other way round along one axis than the DICOM series."""
    import gzip

    with server.client() as client:
        content = client.get(f"/cases/{answer['case_id']}/mask.nii.gz").content
        image = client.get(f"/cases/{answer['case_id']}/image.nii.gz").content
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    ct = nibabel.Nifti1Image.from_bytes(gzip.decompress(image))
    np.testing.assert_allclose(mask.affine, ct.affine, atol=1e-4)
    reference = totalseg.renumbered()
    assert nibabel.aff2axcodes(reference.affine) != nibabel.aff2axcodes(mask.affine)
    turned = reference.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.io_orientation(reference.affine), nibabel.io_orientation(mask.affine)
        )
    )
    np.testing.assert_allclose(turned.affine, mask.affine, atol=1e-2)
    assert np.array_equal(np.asarray(turned.dataobj), np.asarray(mask.dataobj))


def test_the_nim_fetched_the_image_itself_and_was_asked_for_everything(nim, answer):
    assert answer["num_classes"] == len(totalseg.reference_ml())
    assert nim.fetches
    assert nim.posts()[-1].json()["image"].endswith(".nii.gz")


def test_the_command_in_its_own_process_gives_the_same_volumes(tmp_path, nim):
    done = workbench_command(
        *("segment", str(real(totalseg.UPLOAD)), "--json", "--data-dir", str(tmp_path / "data")),
        cwd=tmp_path / "somewhere",
        IMAGING_NIM_VISTA3D_URL=nim.url,
        IMAGING_NIM_ALLOW_MOCK_FALLBACK="false",
    )
    assert done.returncode == 0, done.stderr
    assert rounded(json.loads(done.stdout)["volumes"]) == totalseg.reference_ml()


def test_the_command_through_a_running_workbench_gives_the_same_volumes(tmp_path, nim):
    settings = {
        "IMAGING_NIM_MODE": "local",
        "IMAGING_NIM_VISTA3D_URL": nim.url,
        "IMAGING_NIM_ALLOW_MOCK_FALLBACK": "false",
    }
    with serving(tmp_path / "data", **settings) as running:
        done = workbench_command(
            *("segment", str(real(totalseg.UPLOAD)), "--json", "--data-dir", str(running.data)),
            cwd=tmp_path / "somewhere",
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert rounded(told["volumes"]) == totalseg.reference_ml()
        assert told["case_id"] in running.case_ids()
