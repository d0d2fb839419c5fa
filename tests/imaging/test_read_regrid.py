"""Crooked stacks come out straight, even, and with every structure where it lies in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data import real
from tests.dicom_made import make_image, make_series, read_upload
from workbench.domain.errors import UnsupportedVolume

SLOPE_LPS = np.array([3.0, -2.0, 5.0])
"""HU per mm along L, P, S: linear interpolation has to give this field back."""


def field_hu(points_lps):
    return points_lps @ SLOPE_LPS + 200


def expected_on(grid):
    ijk = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float)
    return field_hu(grid.ras_mm(ijk) * [-1, -1, 1])


def make_field_slices(folder, positions, column=(0.0, 1.0, 0.0), size=(24, 20)):
    folder.mkdir()
    row, column = np.array([1.0, 0, 0]), np.array(column)
    paths = []
    for n, position in enumerate(positions):
        rows, columns = np.mgrid[: size[1], : size[0]]
        points = position + 0.7 * columns[..., None] * row + 0.8 * rows[..., None] * column
        stored = np.rint(field_hu(points) + 1024).astype(np.int16)
        paths.append(folder / f"{n}")
        make_image(paths[-1], stored, position=position, orientation=[*row, *column])
    return paths


def test_a_tilted_gantry_is_straightened_to_where_things_lie(tmp_path):
    tilt = np.radians(18)
    column = (0.0, np.cos(tilt), np.sin(tilt))
    paths = make_field_slices(tmp_path / "in", [np.array([0, 0, 4.0 * k]) for k in range(8)], column)

    ct = read_upload(paths, tmp_path)

    grid = ct.volume.grid
    assert any("tilted by 18.0°" in note for note in ct.report.notes)
    np.testing.assert_allclose(np.linalg.det(grid.affine_ras_mm[:3, :3]), np.prod(grid.spacing_mm), rtol=1e-9)
    assert grid.spacing_mm[2] == pytest.approx(4 * np.cos(tilt), abs=1e-5)
    # Stored values and the result are each rounded to whole HU; the middle is covered by every slice.
    middle = ct.volume.voxels_hu[:, 12:16, 3].astype(float)
    np.testing.assert_allclose(middle, expected_on(grid)[:, 12:16, 3], atol=1.01)


def test_the_whole_of_every_tilted_slice_is_kept(tmp_path):
    tilt = np.radians(18)
    paths = make_field_slices(
        tmp_path / "in",
        [np.array([0, 0, 4.0 * k]) for k in range(8)],
        (0.0, np.cos(tilt), np.sin(tilt)),
    )

    ct = read_upload(paths, tmp_path)

    moved = 7 * 4 * np.sin(tilt) / 0.8
    assert ct.report.size == (24, 20 + int(np.ceil(moved)), 8)


def test_a_missing_slice_is_interpolated_and_named(tmp_path):
    positions = [np.array([0, 0, z]) for z in (-10.0, -5.0, 5.0, 10.0)]

    ct = read_upload(make_field_slices(tmp_path / "in", positions), tmp_path)

    assert ct.report.size == (24, 20, 5)
    np.testing.assert_allclose(ct.volume.voxels_hu, expected_on(ct.volume.grid), atol=1.01)
    (note,) = ct.report.notes
    assert note == (
        "1 slice was missing (steps: 5.00 mm (2×), 10.00 mm (1×)) "
        "and interpolated linearly, at 0.00 mm along the stack."
    )


def test_slices_that_are_there_are_not_touched_by_filling_a_gap(tmp_path):
    stored = np.random.default_rng(3).integers(0, 2000, (4, 6, 5)).astype(np.int16)

    ct = read_upload(make_series(tmp_path / "in", stored, depths=[0, 2, 6, 8]), tmp_path)

    for k, n in {0: 0, 1: 1, 3: 2, 4: 3}.items():
        np.testing.assert_array_equal(ct.volume.voxels_hu[:, :, k], stored[n].T - 1024)


def test_uneven_steps_are_brought_to_the_most_frequent_one(tmp_path):
    depths = [0.0, 2.0, 4.0, 6.0, 9.0, 12.0]
    ct = read_upload(make_field_slices(tmp_path / "in", [np.array([0, 0, z]) for z in depths]), tmp_path)

    assert ct.report.spacing_mm[2] == pytest.approx(2.0)
    assert ct.report.size[2] == 7
    np.testing.assert_allclose(ct.volume.voxels_hu, expected_on(ct.volume.grid), atol=1.01)
    assert "2.00 mm (3×), 3.00 mm (2×)" in ct.report.notes[0]


def test_positions_rounded_in_the_header_are_left_alone(tmp_path):
    stored = np.random.default_rng(3).integers(0, 2000, (9, 6, 5)).astype(np.int16)
    depths = [round(0.625 * k, 2) for k in range(9)]

    ct = read_upload(make_series(tmp_path / "in", stored, depths=depths), tmp_path)

    assert ct.report.notes == ()
    assert ct.report.spacing_mm[2] == pytest.approx(0.625, abs=1e-3)
    np.testing.assert_array_equal(ct.volume.voxels_hu, stored.transpose(2, 1, 0) - 1024)


def test_slices_shifted_aside_are_moved_to_where_they_lie(tmp_path):
    positions = [np.array([1.4 * (k % 2), 0.0, 3.0 * k]) for k in range(6)]

    ct = read_upload(make_field_slices(tmp_path / "in", positions), tmp_path)

    assert "shifted against each other by up to 1.4 mm" in ct.report.notes[0]
    assert ct.report.size == (26, 20, 6)
    np.testing.assert_allclose(ct.volume.voxels_hu[2:24], expected_on(ct.volume.grid)[2:24], atol=1.01)


def test_a_gap_too_wide_to_fill_is_refused_with_its_width(tmp_path):
    stored = np.zeros((6, 4, 4), dtype=np.int16)

    with pytest.raises(UnsupportedVolume, match=r"2\.00 mm apart, with a gap of 40\.0 mm"):
        read_upload(make_series(tmp_path / "in", stored, depths=[0, 2, 4, 44, 46, 48]), tmp_path)


# Real scans.


def test_a_real_head_with_tilt_and_three_kinds_of_steps(tmp_path):
    ct = read_upload(real("dicom-tricky/ge-head_tilt_variable-spacing.zip"), tmp_path)

    assert ct.report.spacing_mm == pytest.approx((0.488, 0.488, 4.0), abs=3e-3)
    assert ct.report.size[2] == 37
    assert any("tilted by 18.5°" in note for note in ct.report.notes)
    assert any("4.00 mm (13×), 7.00 mm (13×), 1.08 mm (1×)" in note for note in ct.report.notes)


def test_a_real_tilt_of_14_degrees(tmp_path):
    ct = read_upload(real("dicom-tricky/d2n-tilt4.zip"), tmp_path)

    assert ct.report.size == (512, 521, 4)
    assert any("tilted by 14.0°" in note for note in ct.report.notes)


def test_a_real_missing_slice(tmp_path):
    ct = read_upload(real("dicom-tricky/d2n-missing-slice4.zip"), tmp_path)

    assert ct.report.size == (512, 512, 5)
    assert ct.report.notes[0].startswith("1 slice was missing (steps: 5.00 mm (2×), 10.00 mm (1×))")


def test_a_real_tilt_with_a_missing_slice(tmp_path):
    ct = read_upload(real("dicom-tricky/d2n-tilt_missing-slice4.zip"), tmp_path)

    assert ct.report.size[2] == 5
    assert "tilted by 15.5°" in ct.report.notes[0]
    assert ct.report.notes[1].startswith("1 slice was missing (steps: 0.75 mm (2×), 1.50 mm (1×))")
