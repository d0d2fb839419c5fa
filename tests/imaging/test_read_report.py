"""The report says what a person should know, and nothing that is not so."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from tests.data import real
from tests.dicom_made import make_series, read_upload
from workbench.domain.volume import CtReport


def body(shape=(60, 60, 60), margin=10):
    """Air at -1000 HU around a block of tissue at 40 HU."""
    voxels = np.full(shape, -1000, dtype=np.int16)
    voxels[margin:-margin, margin:-margin] = 40
    return voxels


def report_of(tmp_path, voxels, spacing=(5.0, 5.0, 5.0), affine=None):
    affine = np.diag([*(-np.array(spacing[:2])), spacing[2], 1]) if affine is None else affine
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "ct.nii")
    return read_upload(tmp_path / "ct.nii", tmp_path).report


def test_a_plain_dicom_ct_has_no_warning(tmp_path):
    stored = (body() + 1024).astype(np.int16).transpose(2, 1, 0)

    ct = read_upload(make_series(tmp_path / "in", stored, spacing=(4, 4), step=3.0), tmp_path)

    assert ct.report == CtReport(
        file_format="DICOM",
        description="Made body",
        modality="CT",
        size=(60, 60, 60),
        spacing_mm=(4.0, 4.0, 3.0),
        orientation="LPS",
        hu_range=(-1000, 40),
        field_of_view_mm=(240.0, 240.0, 180.0),
    )


def test_a_format_without_modality_says_that_it_cannot_tell(tmp_path):
    (warning,) = report_of(tmp_path, body()).warnings

    assert warning.startswith("The file cannot say whether it is a CT")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda v: (v - v.min()).astype(np.int16), "without any air"),
        (lambda v: np.full_like(v, -1000), "same value"),
        (lambda v: np.where(v > 0, -900, v).astype(np.int16), "without any tissue"),
        (lambda v: np.where(v > 0, 32700, v).astype(np.int16), "beyond any CT scale"),
        (lambda v: v.astype(np.float32) * 1000, "were cut there"),
    ],
)
def test_values_that_do_not_look_like_hounsfield_units_are_remarked(tmp_path, change, match):
    assert any(match in warning for warning in report_of(tmp_path, change(body())).warnings)


@pytest.mark.parametrize(
    ("spacing", "match"),
    [
        ((5.0, 5.0, 5.5), "5.5 mm apart, more than 5 mm"),
        ((0.9, 0.9, 5.0), "5.6 times longer than wide"),
        ((4.0, 4.0, 1.0), "covers only 60 mm from head to foot"),
        ((60.0, 60.0, 60.0), "3.6 m long"),
    ],
)
def test_odd_spacing_is_remarked_with_its_numbers(tmp_path, spacing, match):
    assert any(match in warning for warning in report_of(tmp_path, body(), spacing).warnings)


def test_a_spacing_of_five_millimetres_is_not_very_thick(tmp_path):
    assert not any("apart" in warning for warning in report_of(tmp_path, body()).warnings)


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, 1, 1), (1, -1, -1)])
def test_a_crop_names_the_side_of_the_patient(tmp_path, signs):
    voxels = body()
    voxels[40:, 10:-10] = 40  # indexed along R, A, S: tissue up to the patient's right end
    stored = voxels[:: signs[0], :: signs[1], :: signs[2]]

    report = report_of(tmp_path, stored, affine=np.diag([*(5.0 * np.array(signs)), 1]))

    assert any("Tissue reaches the right edge of the picture" in each for each in report.warnings)


def test_a_sheared_grid_is_remarked(tmp_path):
    affine = np.array([[5.0, 0, 0, 0], [0, 5, 1, 0], [0, 0, 5, 0], [0, 0, 0, 1]])

    assert any("off a right angle" in each for each in report_of(tmp_path, body(), affine=affine).warnings)


def test_inverted_grey_and_unnamed_units_are_remarked(tmp_path):
    stored = (body((20, 20, 4), 4) + 1024).astype(np.int16).transpose(2, 1, 0)
    odd = {"PhotometricInterpretation": "MONOCHROME1", "RescaleType": "US"}

    warnings = read_upload(make_series(tmp_path / "in", stored, **odd), tmp_path).report.warnings

    assert any("MONOCHROME1" in each for each in warnings)
    assert any("does not say that the values are Hounsfield" in each for each in warnings)


def test_the_cropped_real_scan_says_so_and_the_whole_one_does_not(tmp_path):
    cropped = read_upload(real("ct/totalseg-aorta_ct.nii.gz"), tmp_path).report
    whole = read_upload(real("ct/crlm-ct-1004.nii.gz"), tmp_path).report

    assert any("left, right, posterior and anterior edges" in each for each in cropped.warnings)
    assert not any("edge" in each for each in whole.warnings)
    assert any("down to −3,024" in each for each in whole.notes)


def test_a_report_survives_being_stored(tmp_path):
    report = report_of(tmp_path, body())

    assert CtReport.from_json(report.to_json()) == report
