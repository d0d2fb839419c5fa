"""A NIM's mask is accepted exactly where it lies on the CT's grid, and never costs more than the grid."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from tests.data import real
from workbench.domain.errors import NimReplyInvalid
from workbench.domain.volume import Grid
from workbench.imaging.read import read_mask

LABELS = np.random.default_rng(5).integers(0, 133, (4, 5, 6)).astype(np.uint8)
AFFINE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.2, -0.1) @ np.diag([-0.7, -0.8, 2.0]), [5, -6, 7])
GRID = Grid(shape=(4, 5, 6), affine_ras_mm=AFFINE)


def as_nifti(labels=LABELS, affine=AFFINE, dtype=None):
    image = nib.Nifti1Image(labels if dtype is None else labels.astype(dtype), affine, dtype=dtype)
    return image.to_bytes()


def read(data, tmp_path, grid=GRID, max_voxels=10**6):
    labels = read_mask(data, grid, scratch=tmp_path, max_voxels=max_voxels)
    assert list(tmp_path.iterdir()) == []
    assert labels.dtype == np.uint8
    assert labels.flags.f_contiguous
    return labels


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64", "int64"])
def test_labels_come_back_whatever_their_number_type(tmp_path, dtype):
    np.testing.assert_array_equal(read(as_nifti(dtype=dtype), tmp_path), LABELS)


@pytest.mark.parametrize("packed", [True, False])
def test_nrrd_and_gzip_are_told_by_content(tmp_path, packed):
    image = SimpleITK.GetImageFromArray(LABELS.T)
    spacing = np.linalg.norm(AFFINE[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((np.diag([-1, -1, 1]) @ (AFFINE[:3, :3] / spacing)).ravel().tolist())
    image.SetOrigin((AFFINE[:3, 3] * [-1, -1, 1]).tolist())
    path = tmp_path / "mask.nrrd"
    SimpleITK.WriteImage(image, path, useCompression=packed)
    data = path.read_bytes()
    path.unlink()

    np.testing.assert_array_equal(read(data, tmp_path), LABELS)
    np.testing.assert_array_equal(read(gzip.compress(as_nifti()), tmp_path), LABELS)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([1, -1], repeat=3)))
def test_every_axis_order_and_flip_is_brought_back_exactly(tmp_path, axes, flips):
    stored = nib.Nifti1Image(LABELS, AFFINE).as_reoriented(np.array([axes, flips]).T)

    np.testing.assert_array_equal(read(stored.to_bytes(), tmp_path), LABELS)


def test_a_mask_on_another_grid_is_refused_and_both_are_named(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 0.1

    with pytest.raises(NimReplyInvalid) as caught:
        read(as_nifti(affine=moved), tmp_path)

    assert GRID.describe() in caught.value.message
    assert Grid(shape=GRID.shape, affine_ras_mm=moved).describe() in caught.value.message


def test_a_mask_of_another_size_is_refused(tmp_path):
    with pytest.raises(NimReplyInvalid, match="another grid"):
        read(as_nifti(LABELS[:3]), tmp_path)


def test_rounding_of_the_affine_to_floats_is_no_other_grid(tmp_path):
    rounded = AFFINE.astype(np.float32).astype(float)

    np.testing.assert_array_equal(read(as_nifti(affine=rounded), tmp_path), LABELS)


@pytest.mark.parametrize(
    ("value", "match"), [(0.5, "fractions"), (256, "outside 0 to 255"), (-1, "outside 0 to 255"), (np.nan, "outside")]
)
def test_values_that_are_no_labels_are_refused(tmp_path, value, match):
    labels = LABELS.astype(np.float32)
    labels[1, 1, 1] = value

    with pytest.raises(NimReplyInvalid, match=match):
        read(as_nifti(labels), tmp_path)


def test_not_evaluated_and_all_zero_are_ordinary_masks(tmp_path):
    assert (read(as_nifti(np.full_like(LABELS, 255)), tmp_path) == 255).all()
    assert not read(as_nifti(np.zeros_like(LABELS)), tmp_path).any()


def test_a_last_axis_of_one_is_dropped_and_channels_are_refused(tmp_path):
    np.testing.assert_array_equal(read(as_nifti(LABELS[..., np.newaxis]), tmp_path), LABELS)
    with pytest.raises(NimReplyInvalid, match="4 dimensions"):
        read(as_nifti(np.stack([LABELS, LABELS], axis=-1)), tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"PK\x03\x04" + bytes(50),
        as_nifti()[:-20],
        gzip.compress(as_nifti())[:-12],
        b"NRRD0004\ntype: uchar",
    ],
    ids=["nothing", "JSON", "zip", "cut", "cut gzip", "cut NRRD"],
)
def test_what_is_no_whole_mask_is_refused(tmp_path, data):
    with pytest.raises(NimReplyInvalid):
        read(data, tmp_path)


def test_more_voxels_than_allowed_are_refused_by_the_header(tmp_path):
    with pytest.raises(NimReplyInvalid, match="more than is read here"):
        read(as_nifti(), tmp_path, max_voxels=50)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(as_nifti() + bytes(200 << 20), 9)
    tracemalloc.start()

    np.testing.assert_array_equal(read(bomb, tmp_path), LABELS)

    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_a_real_mask_lies_on_its_real_dicom_series(tmp_path):
    from tests.dicom_made import read_upload

    folder = tmp_path / "case"
    folder.mkdir()
    ct = read_upload(real("ct/totalseg-abdomen20_dicom_j2k.zip"), folder)
    (tmp_path / "scratch").mkdir()
    data = real("ct/totalseg-abdomen20_seg.nii.gz").read_bytes()

    labels = read_mask(data, ct.volume.grid, scratch=tmp_path / "scratch", max_voxels=10**9)

    # Spleen and liver, voxel counts of the reference; the liver must lie in liver-like HU.
    assert [int((labels == label).sum()) for label in (1, 5)] == [130634, 366708]
    assert 40 < float(ct.volume.voxels_hu[labels == 5].mean()) < 160
