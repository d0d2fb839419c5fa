"""DICOM series, made and real, become the volume that they are."""

from __future__ import annotations

import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import RLELossless

from tests.data import real
from tests.dicom_made import SECONDARY_CAPTURE, make_enhanced, make_image, make_series, read_upload, save, survey_upload
from workbench.domain.errors import InvalidRequest, UnsupportedVolume
from workbench.domain.provenance import Origin


@pytest.fixture
def stored():
    return np.random.default_rng(7).integers(0, 2500, (6, 5, 4)).astype(np.int16)


def test_slices_are_ordered_by_position_whatever_their_names(tmp_path, stored):
    ct = read_upload(make_series(tmp_path / "in", stored), tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, stored.transpose(2, 1, 0) - 1024)
    np.testing.assert_allclose(
        ct.volume.affine_ras_mm, [[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 2, 0], [0, 0, 0, 1]], atol=1e-9
    )
    assert ct.report.orientation == "LPS"
    assert ct.volume.voxels_hu.flags.f_contiguous
    assert ct.volume.provenance.origin is Origin.UPLOAD


def test_slice_thickness_is_not_slice_spacing(tmp_path, stored):
    ct = read_upload(make_series(tmp_path / "in", stored, step=2.0, SliceThickness=5), tmp_path)

    assert ct.report.spacing_mm[2] == pytest.approx(2.0)
    assert any("5 mm thick and 2.00 mm apart" in note for note in ct.report.notes)


def test_each_slice_is_rescaled_with_its_own_values_and_halves_go_to_even(tmp_path):
    stored = np.arange(12, dtype=np.int16).reshape(3, 2, 2)
    paths = []
    for k, (slope, intercept) in enumerate([(1, -1000), (0.5, 0), (2, 7)]):
        paths.append(tmp_path / f"{k}")
        make_image(paths[-1], stored[k], position=(0, 0, k), slope=slope, intercept=intercept)

    ct = read_upload(paths, tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu[:, :, 0].T, [[-1000, -999], [-998, -997]])
    np.testing.assert_array_equal(ct.volume.voxels_hu[:, :, 1].T, [[2, 2], [3, 4]])  # 2, 2.5, 3, 3.5
    np.testing.assert_array_equal(ct.volume.voxels_hu[:, :, 2].T, [[23, 25], [27, 29]])
    assert any("rescale" in warning for warning in ct.report.warnings)


def test_padding_and_values_below_the_floor_become_air(tmp_path):
    stored = np.full((3, 2, 2), 1024, dtype=np.int16)
    stored[0, 0, 0] = -2000  # padding
    stored[1, 0, 0] = -5  # -1029 HU
    stored[2, 0, 0] = 24

    ct = read_upload(make_series(tmp_path / "in", stored, PixelPaddingValue=-2000), tmp_path)

    assert ct.volume.voxels_hu[0, 0].tolist() == [-1024, -1024, -1000]
    assert int(ct.volume.voxels_hu.max()) == 0


def test_padding_above_all_tissue_is_air_and_does_not_count_as_a_value(tmp_path):
    stored = np.full((3, 2, 2), 1064, dtype=np.uint16)
    stored[:, 0, 0] = 63536

    ct = read_upload(make_series(tmp_path / "in", stored, PixelPaddingValue=63536), tmp_path)

    assert ct.report.hu_range == (-1024, 40)
    assert not any("cut there" in warning for warning in ct.report.warnings)


def test_values_beyond_int16_are_cut_and_counted(tmp_path):
    stored = np.full((3, 2, 2), 1024, dtype=np.uint16)
    stored[1, 1, 1] = 60000

    ct = read_upload(make_series(tmp_path / "in", stored), tmp_path)

    assert ct.volume.voxels_hu[1, 1, 1] == 32767
    assert any(warning.startswith("1 voxels lay above") for warning in ct.report.warnings)


def test_overlay_bits_above_the_stored_ones_are_dropped_with_a_warning(tmp_path):
    stored = np.full((3, 2, 2), 1024, dtype=np.uint16)
    stored[0, 0, 0] = 1024 | 0xF000

    ct = read_upload(make_series(tmp_path / "in", stored, BitsStored=12, HighBit=11), tmp_path)

    assert (ct.volume.voxels_hu == 0).all()
    assert any("bits" in warning for warning in ct.report.warnings)


def test_an_oblique_series_keeps_its_directions(tmp_path, stored):
    angle = np.radians(20)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), np.sin(angle)])
    normal = np.cross(row, column)
    paths = []
    for k in range(len(stored)):
        paths.append(tmp_path / f"{k}")
        make_image(paths[-1], stored[k], position=3.0 * k * normal, orientation=[*row, *column])

    ct = read_upload(paths, tmp_path)

    expected = np.stack([0.7 * row, 0.8 * column, 3.0 * normal], axis=1) * [[-1], [-1], [1]]
    np.testing.assert_allclose(ct.volume.affine_ras_mm[:3, :3], expected, atol=1e-5)
    np.testing.assert_array_equal(ct.volume.voxels_hu, stored.transpose(2, 1, 0) - 1024)


def test_the_same_file_twice_is_used_once(tmp_path, stored):
    paths = make_series(tmp_path / "in", stored)

    ct = read_upload([*paths, paths[2]], tmp_path)

    assert ct.report.size == (4, 5, 6)
    assert any("more than once" in note for note in ct.report.notes)


def test_two_acquisitions_in_one_series_are_two_volumes(tmp_path, stored):
    first = make_series(tmp_path / "a", stored, AcquisitionNumber=1)
    second = make_series(tmp_path / "b", stored + 100, AcquisitionNumber=2)

    ct = read_upload([*first, *second], tmp_path, series=2)

    assert [each.slices for each in ct.series] == [6, 6]
    np.testing.assert_array_equal(ct.volume.voxels_hu, stored.transpose(2, 1, 0) - 924)


def test_images_at_shared_positions_that_nothing_tells_apart_are_refused(tmp_path, stored):
    paths = make_series(tmp_path / "in", stored, depths=[0, 0, 2, 2, 4, 4])

    with pytest.raises(UnsupportedVolume, match="several of its 6 images lie at one position"):
        read_upload(paths, tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_slices_are_refused(tmp_path, stored, count):
    with pytest.raises(UnsupportedVolume, match="at least 3"):
        read_upload(make_series(tmp_path / "in", stored[:count]), tmp_path)


def test_three_slices_are_a_volume(tmp_path, stored):
    assert read_upload(make_series(tmp_path / "in", stored[:3]), tmp_path).report.size == (4, 5, 3)


def test_enhanced_frames_have_their_own_position_and_rescale(tmp_path, stored):
    make_enhanced(
        tmp_path / "e.dcm",
        stored[:4],
        depths=[6, 0, 4, 2],
        rescale=[(1, -1024), (2, -1024), (0.5, 0), (1, 0)],
    )

    ct = read_upload(tmp_path / "e.dcm", tmp_path)

    expected = [stored[1] * 2 - 1024, stored[3], np.rint(stored[2] / 2), stored[0] - 1024]
    np.testing.assert_array_equal(ct.volume.voxels_hu, np.stack(expected).transpose(2, 1, 0))
    assert ct.report.file_format == "DICOM, multi-frame"
    assert ct.report.spacing_mm == pytest.approx((0.7, 0.8, 2.0))


def test_compressed_frames_of_an_enhanced_file_are_rescaled_one_by_one(tmp_path):
    stored = np.random.default_rng(7).integers(0, 2500, (3, 40, 32)).astype(np.int16)
    image = make_enhanced(tmp_path / "plain", stored, depths=[0, 2, 4], rescale=[(1, -1024), (2, -1024), (1, 0)])
    image.compress(RLELossless, generate_instance_uid=False)
    image.save_as(tmp_path / "rle")

    plain = read_upload(tmp_path / "plain", tmp_path).volume.voxels_hu.copy()
    packed = read_upload(tmp_path / "rle", tmp_path)

    np.testing.assert_array_equal(packed.volume.voxels_hu, plain)
    assert packed.report.file_format == "DICOM, multi-frame, RLE"


def test_a_dicom_series_in_big_endian_reads_the_same(tmp_path, stored):
    paths = [tmp_path / f"{k}" for k in range(len(stored))]
    for k, path in enumerate(paths):
        image = make_image(path, stored[k], position=(0, 0, 2 * k))
        image.PixelData = stored[k].astype(">i2").tobytes()
        save(image, path, "1.2.840.10008.1.2.2")

    np.testing.assert_array_equal(read_upload(paths, tmp_path).volume.voxels_hu, stored.transpose(2, 1, 0) - 1024)


def test_files_without_preamble_or_sop_class_are_read(tmp_path, stored):
    paths = make_series(tmp_path / "in", stored, SOPClassUID=None)
    for path in paths:
        whole = path.read_bytes()
        path.write_bytes(whole[132:])

    np.testing.assert_array_equal(read_upload(paths, tmp_path).volume.voxels_hu, stored.transpose(2, 1, 0) - 1024)


def test_a_ct_marked_derived_secondary_is_a_ct(tmp_path, stored):
    paths = make_series(tmp_path / "in", stored, ImageType=["DERIVED", "SECONDARY", "AXIAL"])

    assert read_upload(paths, tmp_path).report.size == (4, 5, 6)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"sop_class": SECONDARY_CAPTURE}, "secondary capture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.4", "modality": "MR"}, "MR image"),
        ({"modality": "PT"}, "PET"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.66.4", "modality": "SEG"}, "segmentation"),
        ({"ImagePositionPatient": None}, "where its pictures lie"),
        ({"PixelSpacing": None}, "how far its pixels are apart"),
        ({"PixelSpacing": [0, 0]}, "says zero"),
        ({"orientation": (1, 0, 0, 1, 0, 0)}, "perpendicular"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"slope": 0}, "slope is zero"),
        ({"NumberOfFrames": 2}, "without the position of each"),
    ],
)
def test_what_is_no_ct_volume_is_listed_with_the_reason_and_refused(tmp_path, stored, tags, reason):
    paths = make_series(tmp_path / "in", stored, **tags)

    (series,) = survey_upload(paths, tmp_path)
    assert not series.usable
    assert reason in series.why_not
    with pytest.raises(UnsupportedVolume, match=reason):
        read_upload(paths, tmp_path)


def test_a_series_is_chosen_by_its_number_and_a_wrong_number_is_refused(tmp_path, stored):
    few = make_series(tmp_path / "a", stored[:3], series="1.2.1", SeriesNumber=1)
    many = make_series(tmp_path / "b", stored, series="1.2.2", SeriesNumber=2)

    assert read_upload([*few, *many], tmp_path).series_number == 2
    assert read_upload([*few, *many], tmp_path, series=1).report.size == (4, 5, 3)
    with pytest.raises(InvalidRequest, match="no series 3"):
        read_upload([*few, *many], tmp_path, series=3)


# Real scans.


def test_the_dicom_zip_and_its_nifti_give_the_same_volume_and_geometry(tmp_path):
    from_dicom = read_upload(real("ct/crlm-ct-1004_dicom.zip"), tmp_path)
    voxels = from_dicom.volume.voxels_hu.copy()
    from_nifti = read_upload(real("ct/crlm-ct-1004.nii.gz"), tmp_path)

    np.testing.assert_array_equal(voxels, from_nifti.volume.voxels_hu)
    assert from_dicom.volume.grid.same_as(from_nifti.volume.grid)
    np.testing.assert_allclose(from_dicom.volume.affine_ras_mm, from_nifti.volume.affine_ras_mm, atol=1e-3)
    assert from_dicom.report.hu_range == (-1024, 1377)


def test_a_real_series_agrees_with_simpleitk(tmp_path):
    with zipfile.ZipFile(real("ct/sts-001_dicom.zip")) as archive:
        archive.extractall(tmp_path / "in")
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "in/STS_001/CT"))
    expected = SimpleITK.ReadImage(names)

    ct = read_upload(real("ct/sts-001_dicom.zip"), tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu.T, np.rint(SimpleITK.GetArrayFromImage(expected)))
    np.testing.assert_allclose(ct.volume.grid.spacing_mm, expected.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(ct.volume.affine_ras_mm[:3, 3], np.array(expected.GetOrigin()) * [-1, -1, 1], atol=1e-4)
    assert [each.why_not for each in ct.series] == ["a set of contours (RTSTRUCT), not an image", None]


def test_the_jpeg_2000_series_without_sop_class_lies_under_its_reference_mask(tmp_path):
    ct = read_upload(real("ct/totalseg-abdomen20_dicom_j2k.zip"), tmp_path)

    assert ct.report.size == (512, 512, 20)
    assert ct.report.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert ct.report.file_format == "DICOM, JPEG 2000"


@pytest.mark.parametrize("name", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_lossless_compression_decodes_to_the_uncompressed_values(tmp_path, name):
    expected = _as_series(tmp_path / "plain", "UNC")
    packed = _as_series(tmp_path / name, name)

    plain = read_upload(expected, tmp_path).volume.voxels_hu.copy()
    ct = read_upload(packed, tmp_path)

    np.testing.assert_array_equal(ct.volume.voxels_hu, plain)
    assert not any("loss" in warning for warning in ct.report.warnings)


@pytest.mark.parametrize(("name", "most_hu"), [("J2KI", 40), ("JLSN", 10)])
def test_lossy_compression_decodes_near_the_original_and_says_so(tmp_path, name, most_hu):
    plain = read_upload(_as_series(tmp_path / "plain", "UNC"), tmp_path).volume.voxels_hu.astype(int)
    ct = read_upload(_as_series(tmp_path / name, name), tmp_path)

    apart = np.abs(ct.volume.voxels_hu - plain)
    assert 0 < apart.mean() <= most_hu
    assert any("with loss" in warning for warning in ct.report.warnings)


def _as_series(folder, name):
    """The one NEMA slice, three times, 5 mm apart."""
    folder.mkdir()
    paths = []
    for k in range(3):
        image = pydicom.dcmread(real(f"dicom-tricky/nema-ct1_{name}.dcm"))
        image.SOPInstanceUID = f"1.2.3.{k + 1}"
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, float(z) + 5 * k]
        if image.file_meta.TransferSyntaxUID.is_encapsulated:
            image["PixelData"].is_undefined_length = True
        paths.append(folder / str(k))
        image.save_as(paths[-1])
    return paths


def test_a_mixed_folder_offers_the_axial_series_and_says_why_not_the_rest(tmp_path):
    ct = read_upload(real("dicom-tricky/philips-phantom_mixed-series.zip"), tmp_path)

    assert [(each.slices, each.likeliest) for each in ct.series] == [(1, False), (28, True), (6, False)]
    assert "localizer" in ct.series[0].why_not
    assert "secondary capture" in ct.series[2].why_not
    assert ct.report.spacing_mm == pytest.approx((0.451171875, 0.451171875, 5.0))


def test_a_dicomdir_tree_is_listed_by_its_images(tmp_path):
    series = survey_upload(real("dicom-tricky/pydicom-dicomdir.zip"), tmp_path)

    assert {each.modality for each in series} == {"CT", "MR", "CR"}
    assert [each.description for each in series if each.usable] == ["SmartScore - Gated 0.5 sec"]
    assert any("202.5 mm" in (each.why_not or "") for each in series)


def test_a_monitoring_series_at_one_position_is_refused(tmp_path):
    with pytest.raises(UnsupportedVolume, match="all 4 images lie at one table position"):
        read_upload(real("dicom-tricky/d2n-same-position4.zip"), tmp_path)


def test_an_enhanced_file_of_two_frames_is_refused(tmp_path):
    with pytest.raises(UnsupportedVolume, match="2 slices"):
        read_upload(real("dicom-tricky/enhanced-ct_2frames.dcm"), tmp_path)


def test_legacy_enhanced_and_single_frame_files_of_one_scan_are_the_same_volume(tmp_path):
    upload = real("dicom-tricky/dcmqi-legacy-enhanced-ct.zip")
    single, multi = 3, 5
    one = read_upload(upload, tmp_path, series=single)
    voxels = one.volume.voxels_hu.copy()
    other = read_upload(upload, tmp_path, series=multi)

    assert (one.report.file_format, other.report.file_format) == ("DICOM", "DICOM, multi-frame")
    assert one.report.size == other.report.size == (23, 38, 3)
    np.testing.assert_array_equal(voxels, other.volume.voxels_hu)
    np.testing.assert_allclose(one.volume.affine_ras_mm, other.volume.affine_ras_mm)


def test_segmentations_beside_three_slices_are_listed_as_masks(tmp_path):
    ct = read_upload(real("dicom-tricky/dcmqi-ct-3slice_seg.zip"), tmp_path)

    assert ct.report.size == (512, 512, 3)
    assert sum("segmentation" in (each.why_not or "") for each in ct.series) == 3
