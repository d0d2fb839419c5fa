"""What is written is clean, exact, and the same every time."""

from __future__ import annotations

import gzip
import json
import stat

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from tests.dicom_made import read_upload
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Grid, Volume
from workbench.imaging.read import read_mask
from workbench.imaging.write import write_mask_nifti, write_volume_nifti

VOXELS = np.asfortranarray(np.random.default_rng(5).integers(-1024, 1500, (7, 6, 5)).astype(np.int16))
AFFINE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.2, -0.1) @ np.diag([-0.7, -0.8, 2.0]), [5, -6, 7])


@pytest.fixture
def volume():
    provenance = Provenance(origin=Origin.UPLOAD, model="upload", version="test", created_at="2030-01-01")
    return Volume(voxels_hu=VOXELS, affine_ras_mm=AFFINE, provenance=provenance)


def test_a_volume_comes_back_the_same_through_nibabel_simpleitk_and_our_reader(tmp_path, volume):
    path = tmp_path / "ct.nii.gz"
    write_volume_nifti(volume, path, description="MOCK phantom")

    by_nibabel, by_itk = nib.load(path), SimpleITK.ReadImage(path)
    np.testing.assert_array_equal(np.asarray(by_nibabel.dataobj), VOXELS)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(by_itk).T, VOXELS)
    np.testing.assert_allclose(by_nibabel.get_sform(), AFFINE, atol=1e-5)
    np.testing.assert_allclose(by_nibabel.get_qform(), AFFINE, atol=1e-5)
    np.testing.assert_allclose(np.array(by_itk.GetOrigin()) * [-1, -1, 1], AFFINE[:3, 3], atol=1e-5)
    assert by_nibabel.get_data_dtype() == np.int16
    assert bytes(by_nibabel.header["descrip"]).rstrip(b"\0") == b"MOCK phantom"
    ours = read_upload(path, tmp_path).volume
    np.testing.assert_array_equal(ours.voxels_hu, VOXELS)
    assert ours.grid.same_as(volume.grid)


def test_arrays_in_either_memory_order_give_the_same_bytes_every_time(tmp_path, volume):
    other = Volume(voxels_hu=np.ascontiguousarray(VOXELS), affine_ras_mm=AFFINE, provenance=volume.provenance)
    for name, each in {"a": volume, "b": volume, "c": other}.items():
        write_volume_nifti(each, tmp_path / name, description="x")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_file_is_private_and_appears_only_when_whole(tmp_path, volume):
    write_volume_nifti(volume, tmp_path / "ct.nii.gz", description="x")

    assert [each.name for each in tmp_path.iterdir()] == ["ct.nii.gz"]
    assert stat.S_IMODE((tmp_path / "ct.nii.gz").stat().st_mode) == 0o600


def test_a_description_that_would_be_cut_is_refused(tmp_path, volume):
    with pytest.raises(ValueError, match="79 bytes"):
        write_volume_nifti(volume, tmp_path / "ct.nii.gz", description="x" * 80)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_carries_its_label_table_and_where_it_comes_from(tmp_path):
    labels = np.zeros((7, 6, 5), np.uint8)
    labels[1:3], labels[4] = 1, 132
    path = tmp_path / "mask.nii.gz"
    write_mask_nifti(
        labels,
        Grid(shape=labels.shape, affine_ras_mm=AFFINE),
        path,
        description="MOCK segmentation",
        label_names={132: "airway", 1: "liver"},
        extension_json=json.dumps({"origin": "mock"}),
    )

    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj), labels)
    assert image.get_data_dtype() == np.uint8
    (extension,) = image.header.extensions
    assert extension.get_code() == 6
    assert json.loads(extension.get_content()) == {
        "labels": {"1": "liver", "132": "airway"},
        "provenance": {"origin": "mock"},
    }
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)).T, labels)


def test_our_masks_are_read_back_as_masks(tmp_path):
    labels = np.random.default_rng(1).integers(0, 133, (7, 6, 5)).astype(np.uint8)
    grid = Grid(shape=labels.shape, affine_ras_mm=AFFINE)
    write_mask_nifti(labels, grid, tmp_path / "m", description="x", label_names={}, extension_json="null")

    np.testing.assert_array_equal(
        read_mask((tmp_path / "m").read_bytes(), grid, scratch=tmp_path, max_voxels=10**6), labels
    )


def test_the_gzip_stream_holds_neither_name_nor_time(tmp_path, volume):
    write_volume_nifti(volume, tmp_path / "secret-name.nii.gz", description="x")

    raw = (tmp_path / "secret-name.nii.gz").read_bytes()
    assert raw[3] == 0  # no optional fields (RFC 1952, 2.3.1)
    assert raw[4:8] == bytes(4)
    assert b"secret" not in gzip.decompress(raw)


def test_a_mask_off_its_grid_is_refused(tmp_path):
    with pytest.raises(ValueError, match="do not lie on the grid"):
        write_mask_nifti(
            np.zeros((2, 2, 2), np.uint8),
            Grid(shape=(3, 3, 3), affine_ras_mm=AFFINE),
            tmp_path / "m",
            description="x",
            label_names={},
            extension_json="{}",
        )
