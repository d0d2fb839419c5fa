"""NIfTI, NRRD and MetaImage: geometry as nibabel and SimpleITK read it, and never a guess."""

from __future__ import annotations

import gzip
import zipfile

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from tests.data import real
from tests.dicom_made import LIMITS, make_series, read_upload, survey_upload
from workbench.domain.errors import TooLarge, UnreadableImage, UnsupportedVolume
from workbench.imaging.read import ReadLimits

VOXELS = np.random.default_rng(5).integers(-1000, 1500, (5, 6, 7)).astype(np.int16)
LPS = np.diag([-0.7, -0.8, 2.0, 1.0]) + np.array([[0, 0, 0, 10], [0, 0, 0, 20], [0, 0, 0, -30], [0, 0, 0, 0]])
RAS = np.abs(np.diag([0.7, 0.8, 2.0, 1.0]))
_TURN = nib.eulerangles.euler2mat(0.2, -0.3, 0.1)
OBLIQUE = nib.affines.from_matvec(_TURN @ np.diag([0.7, 0.8, 2.0]), [5, -6, 7])
PERMUTED = np.array([[0, 0, 2.0, 1], [-0.7, 0, 0, 2], [0, 0.8, 0, 3], [0, 0, 0, 1.0]])
SHEARED = np.array([[0.7, 0, 0, 0], [0, 0.8, 0.6, 0], [0, 0, 2.0, 0], [0, 0, 0, 1.0]])


def write_nifti(path, voxels=VOXELS, affine=LPS, kind=nib.Nifti1Image, qform=1, sform=1):
    image = kind(voxels, affine)
    image.set_qform(affine, code=qform)
    image.set_sform(affine, code=sform)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize(
    "affine", [LPS, RAS, OBLIQUE, PERMUTED, SHEARED], ids=["LPS", "RAS", "oblique", "permuted", "sheared"]
)
def test_every_nifti_affine_is_honoured(tmp_path, name, affine):
    path = write_nifti(tmp_path / name, affine=affine)

    ct = read_upload(path, tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, VOXELS)
    np.testing.assert_allclose(ct.volume.affine_ras_mm, nib.load(path).affine, atol=1e-6)
    assert ct.report.orientation == "".join(nib.aff2axcodes(affine))


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (2, 3)])
def test_qform_only_and_sform_only_files_are_read_as_nibabel_reads_them(tmp_path, codes):
    path = write_nifti(tmp_path / "ct.nii", affine=OBLIQUE, qform=codes[0], sform=codes[1])

    np.testing.assert_allclose(read_upload(path, tmp_path).volume.affine_ras_mm, nib.load(path).affine, atol=1e-6)


def test_a_real_qform_only_file_agrees_with_nibabel(tmp_path):
    path = real("ct/sts-001_ct.nii.gz")

    ct = read_upload(path, tmp_path)

    np.testing.assert_allclose(ct.volume.affine_ras_mm, nib.load(path).affine, atol=1e-6)
    np.testing.assert_array_equal(ct.volume.voxels_hu, np.rint(np.asarray(nib.load(path).dataobj)))


def test_a_nifti_with_neither_form_is_refused_because_left_and_right_are_unknown(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", qform=0, sform=0)

    with pytest.raises(UnsupportedVolume, match="left and right cannot be told apart"):
        read_upload(path, tmp_path)


def test_nifti_2_and_big_endian_files_are_read(tmp_path):
    second = write_nifti(tmp_path / "two.nii.gz", kind=nib.Nifti2Image)
    big = nib.Nifti1Image(VOXELS.astype(">i2"), LPS, nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii")

    assert read_upload(second, tmp_path).report.file_format == "NIfTI-2, gzip"
    np.testing.assert_array_equal(read_upload(tmp_path / "big.nii", tmp_path).volume.voxels_hu, VOXELS)


def test_scaled_values_are_computed_in_double_and_halves_go_to_even(tmp_path):
    image = nib.Nifti1Image(np.arange(27, dtype=np.int16).reshape(3, 3, 3), LPS)
    image.header.set_slope_inter(0.5, -3)
    nib.save(image, tmp_path / "ct.nii")

    ct = read_upload(tmp_path / "ct.nii", tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, np.rint(np.arange(27).reshape(3, 3, 3) * 0.5 - 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16, np.int64])
def test_every_number_type_gives_the_same_hounsfield_units(tmp_path, dtype):
    voxels = np.abs(VOXELS)
    path = (
        write_nifti(tmp_path / "ct.nii.gz", voxels.astype(dtype), kind=nib.Nifti1Image) if dtype != np.int64 else None
    )
    if path is None:
        path = tmp_path / "ct.nii.gz"
        nib.save(nib.Nifti1Image(voxels.astype(dtype), LPS, dtype="int64"), path)

    np.testing.assert_array_equal(read_upload(path, tmp_path).volume.voxels_hu, voxels)


def test_a_last_axis_of_one_is_no_fourth_dimension(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", VOXELS[..., np.newaxis])

    assert read_upload(path, tmp_path).report.size == (5, 6, 7)


def test_voxels_that_are_not_numbers_become_air_with_their_count(tmp_path):
    voxels = np.zeros((3, 3, 3), dtype=np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1], voxels[2, 2, 2] = np.nan, np.inf, -2000

    ct = read_upload(write_nifti(tmp_path / "ct.nii", voxels), tmp_path)

    assert ct.volume.voxels_hu[[0, 1, 2], [0, 1, 2], [0, 1, 2]].tolist() == [-1024] * 3
    assert any(warning.startswith("2 voxels held no number") for warning in ct.report.warnings)


def test_a_file_without_a_single_number_is_refused(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", np.full((3, 3, 3), np.nan, dtype=np.float32))

    with pytest.raises(UnsupportedVolume, match="No voxel"):
        read_upload(path, tmp_path)


def test_several_gzip_members_are_one_file(tmp_path):
    whole = write_nifti(tmp_path / "ct.nii").read_bytes()
    packed = tmp_path / "ct.nii.gz"
    packed.write_bytes(gzip.compress(whole[:500]) + gzip.compress(whole[500:]))

    np.testing.assert_array_equal(read_upload(packed, tmp_path).volume.voxels_hu, VOXELS)


def as_image(affine=OBLIQUE):
    image = SimpleITK.GetImageFromArray(VOXELS.T)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((np.diag([-1, -1, 1]) @ (affine[:3, :3] / spacing)).ravel().tolist())
    image.SetOrigin((affine[:3, 3] * [-1, -1, 1]).tolist())
    return image


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("affine", [LPS, RAS, OBLIQUE, PERMUTED], ids=["LPS", "RAS", "oblique", "permuted"])
def test_nrrd_and_metaimage_written_by_simpleitk_come_back(tmp_path, name, packed, affine):
    SimpleITK.WriteImage(as_image(affine), tmp_path / name, useCompression=packed)

    ct = read_upload(tmp_path / name, tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, VOXELS)
    np.testing.assert_allclose(ct.volume.affine_ras_mm, affine, atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_an_mhd_finds_its_voxels_by_the_name_in_its_header(tmp_path, packed):
    SimpleITK.WriteImage(as_image(), tmp_path / "scan 1.mhd", useCompression=packed)
    (data,) = tmp_path.glob("scan 1*raw")

    ct = read_upload([data, tmp_path / "scan 1.mhd"], tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, VOXELS)


def test_an_mhd_in_a_zip_finds_its_voxels_in_the_same_folder(tmp_path):
    SimpleITK.WriteImage(as_image(), tmp_path / "scan.mhd")
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("other/scan.raw", b"\0" * VOXELS.nbytes)
        for each in ("scan.mhd", "scan.raw"):
            archive.write(tmp_path / each, f"here/{each}")

    np.testing.assert_array_equal(read_upload(tmp_path / "both.zip", tmp_path).volume.voxels_hu, VOXELS)


@pytest.mark.parametrize("target", ["/etc/hostname", "../scan.raw", "gone.raw"])
def test_an_mhd_reads_no_file_that_was_not_uploaded(tmp_path, target):
    SimpleITK.WriteImage(as_image(), tmp_path / "scan.mhd")
    header = tmp_path / "scan.mhd"
    header.write_text(header.read_text().replace("scan.raw", target))

    with pytest.raises(UnreadableImage, match="not in the upload") as caught:
        read_upload(header, tmp_path)
    assert target not in caught.value.message


def test_a_detached_nrrd_header_finds_its_data(tmp_path):
    SimpleITK.WriteImage(as_image(), tmp_path / "scan.nhdr")
    data = [each for each in tmp_path.iterdir() if each.name.startswith("scan.") and each.suffix != ".nhdr"]

    ct = read_upload([tmp_path / "scan.nhdr", *data], tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, VOXELS)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("right-anterior-superior", (1, 1, 1)), ("LAS", (-1, 1, 1)), ("left-posterior-superior", (-1, -1, 1))],
)
def test_every_anatomical_nrrd_space_is_turned_to_ras(tmp_path, space, signs):
    path = tmp_path / "ct.nrrd"
    path.write_bytes(nrrd_header(space=space) + np.zeros((3, 4, 5), np.int16).tobytes())

    expected = np.diag([*signs, 1]) @ np.array([[0.7, 0, 0, 1], [0, 0.8, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]])
    np.testing.assert_allclose(read_upload(path, tmp_path).volume.affine_ras_mm, expected)


def test_an_nrrd_without_an_anatomical_space_is_refused(tmp_path):
    path = tmp_path / "ct.nrrd"
    path.write_bytes(nrrd_header(space="scanner-xyz") + bytes(120))

    with pytest.raises(UnsupportedVolume, match="left and right cannot be told apart"):
        read_upload(path, tmp_path)


def nrrd_header(*, space="LPS", sizes="5 4 3", directions="(0.7,0,0) (0,0.8,0) (0,0,2)", kind="short"):
    return (
        f"NRRD0004\n# made\ntype: {kind}\ndimension: {len(sizes.split())}\nspace: {space}\nsizes: {sizes}\n"
        f"space directions: {directions}\nendian: little\nencoding: raw\nspace origin: (1,2,3)\n\n"
    ).encode()


@pytest.mark.parametrize("name", ["ct/cip-ct-64.nrrd", "ct/elastix-3dct-lung.mha", "ct/elastix-3dct-lung_small.mha"])
def test_real_nrrd_and_metaimage_files_agree_with_simpleitk(tmp_path, name):
    expected = SimpleITK.ReadImage(real(name))

    ct = read_upload(real(name), tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu.T, np.maximum(SimpleITK.GetArrayFromImage(expected), -1024))
    np.testing.assert_allclose(ct.volume.grid.spacing_mm, expected.GetSpacing(), atol=1e-9)
    np.testing.assert_allclose(ct.volume.affine_ras_mm[:3, 3], np.array(expected.GetOrigin()) * [-1, -1, 1], atol=1e-9)


def test_names_and_extensions_are_not_believed(tmp_path):
    write_nifti(tmp_path / "ct.nii.gz").rename(tmp_path / "picture.dcm")

    assert read_upload(tmp_path / "picture.dcm", tmp_path).report.file_format == "NIfTI-1, gzip"


def test_masks_beside_a_ct_are_listed_and_the_ct_is_preselected(tmp_path):
    ct = write_nifti(tmp_path / "ct.nii.gz")
    mask = write_nifti(tmp_path / "mask.nii.gz", np.ones((9, 9, 9), np.uint8))

    series = survey_upload([mask, ct], tmp_path)

    assert [each.likeliest for each in series] == [False, True]
    assert "mask" in series[0].why_not


def test_a_dicom_ct_is_likelier_than_a_larger_file_that_cannot_say_what_it_is(tmp_path):
    dicom = make_series(tmp_path / "in", np.zeros((3, 4, 4), np.int16))
    other = write_nifti(tmp_path / "map.nii.gz", np.zeros((30, 30, 30), np.int16))

    assert [each.modality for each in survey_upload([other, *dicom], tmp_path) if each.likeliest] == ["CT"]


def test_a_folder_is_read_like_its_files(tmp_path):
    make_series(tmp_path / "in/deep", np.zeros((3, 4, 4), np.int16))

    assert read_upload(tmp_path / "in", tmp_path).report.size == (4, 4, 3)


def test_unpacked_bytes_are_limited_whatever_the_number_type(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", np.zeros((64, 64, 64), np.float64))

    with pytest.raises(TooLarge, match=r"unpacks to 2\.1 MB"):
        read_upload(path, tmp_path, limits=ReadLimits(max_bytes=1_000_000, max_voxels=LIMITS.max_voxels))
