from __future__ import annotations

import itertools

import nibabel
import numpy as np
import pytest

from tests.data import real
from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid
from workbench.imaging.slices import (
    PLANES,
    WINDOWS,
    Window,
    apply_window,
    canonical,
    pixel_mm,
    position_mm,
    position_text,
    read_voxel,
    slice_count,
    slice_of,
    view_geometry,
    voxel_index,
)

SIZE_LPS = (5, 6, 7)
SPACING_LPS = (0.5, 0.75, 2.0)


def made(order: tuple[int, int, int], flips: tuple[int, int, int]) -> tuple[np.ndarray, Grid]:
    """A volume whose voxel values say where they lie: 100 x + 10 y + z in the patient, stored in any axis order."""
    x, y, z = np.ogrid[:5, :6, :7]
    patient = (100 * x + 10 * y + z).astype(np.int16)
    affine = np.diag([-SPACING_LPS[0], -SPACING_LPS[1], SPACING_LPS[2], 1.0])
    affine[:3, 3] = (40, 30, -20)
    stored = patient.transpose(order)
    columns = affine[:3, list(order)].copy()
    origin = affine[:3, 3].copy()
    for axis, flip in enumerate(flips):
        if flip:
            origin += columns[:, axis] * (stored.shape[axis] - 1)
            columns[:, axis] *= -1
            stored = np.flip(stored, axis)
    stored_affine = np.eye(4)
    stored_affine[:3, :3], stored_affine[:3, 3] = columns, origin
    i, j, k = stored.shape
    return np.asfortranarray(stored), Grid(shape=(i, j, k), affine_ras_mm=stored_affine)


EVERY_STORAGE = [(o, f) for o in itertools.permutations((0, 1, 2)) for f in itertools.product((0, 1), repeat=3)]


@pytest.mark.parametrize(("order", "flips"), EVERY_STORAGE)
def test_every_storage_order_shows_the_same_pictures(order: tuple[int, int, int], flips: tuple[int, int, int]) -> None:
    stored, grid = made(order, flips)
    x, y, z = np.arange(5), np.arange(6), np.arange(7)
    axial = slice_of(stored, grid, "axial", 3)
    coronal = slice_of(stored, grid, "coronal", 2)
    sagittal = slice_of(stored, grid, "sagittal", 5)
    assert np.array_equal(axial, 100 * x[None, :] + 10 * y[:, None] + 2)
    assert np.array_equal(coronal, 100 * x[None, :] + 10 * 1 + z[::-1, None])
    assert np.array_equal(sagittal, 400 + 10 * y[None, :] + z[::-1, None])


@pytest.mark.parametrize(("order", "flips"), EVERY_STORAGE)
def test_a_pixel_leads_back_to_its_voxel_in_every_storage_order(
    order: tuple[int, int, int], flips: tuple[int, int, int]
) -> None:
    stored, grid = made(order, flips)
    for plane in PLANES:
        for number in (1, slice_count(grid, plane)):
            picture = slice_of(stored, grid, plane, number)
            for row, column in ((0, 0), (1, 3), (picture.shape[0] - 1, picture.shape[1] - 1)):
                index = voxel_index(grid, plane, number, column, row)
                assert stored[index] == picture[row, column]


@pytest.mark.parametrize(("order", "flips"), EVERY_STORAGE)
def test_geometry_does_not_depend_on_storage(order: tuple[int, int, int], flips: tuple[int, int, int]) -> None:
    _, grid = made(order, flips)
    facts = view_geometry(grid)
    axial, coronal, sagittal = (facts["planes"][plane] for plane in PLANES)
    assert (axial["columns"], axial["rows"], axial["slices"]) == (5, 6, 7)
    assert (coronal["columns"], coronal["rows"], coronal["slices"]) == (5, 7, 6)
    assert (sagittal["columns"], sagittal["rows"], sagittal["slices"]) == (6, 7, 5)
    assert axial["pixel_mm"] == pytest.approx([0.5, 0.75])
    assert coronal["pixel_mm"] == pytest.approx([0.5, 2.0])
    assert sagittal["pixel_mm"] == pytest.approx([0.75, 2.0])
    # RAS origin (40, 30, -20) is DICOM (-40, -30, -20); x, y, z grow to left, back, head.
    assert (axial["first_mm"], axial["step_mm"]) == pytest.approx((-20, 2.0))
    assert (coronal["first_mm"], coronal["step_mm"]) == pytest.approx((-30, 0.75))
    assert (sagittal["first_mm"], sagittal["step_mm"]) == pytest.approx((-40, 0.5))
    assert axial["letters"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert coronal["letters"] == {"left": "R", "right": "L", "top": "S", "bottom": "I"}
    assert sagittal["letters"] == {"left": "A", "right": "P", "top": "S", "bottom": "I"}
    assert facts["raw_bytes"] == 2 * 5 * 6 * 7
    assert facts["oblique_deg"] == pytest.approx(0, abs=1e-5)


def test_slices_are_views_and_cost_no_copy_of_the_volume() -> None:
    stored, grid = made((2, 0, 1), (1, 0, 1))
    assert all(np.shares_memory(stored, slice_of(stored, grid, plane, 1)) for plane in PLANES)
    assert np.shares_memory(stored, canonical(stored, grid))


def test_an_oblique_grid_keeps_the_dominant_letters_and_tells_its_angle() -> None:
    turn = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = [[-1, 0, 0], [0, -np.cos(turn), np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    grid = Grid(shape=(5, 6, 7), affine_ras_mm=affine)
    facts = view_geometry(grid)
    assert facts["oblique_deg"] == pytest.approx(20, abs=0.01)
    assert facts["planes"]["axial"]["letters"]["top"] == "A"
    assert facts["planes"]["axial"]["step_mm"] == pytest.approx(np.cos(turn))


def test_position_text_is_a_dicom_coordinate_with_a_true_minus() -> None:
    _, grid = made((0, 1, 2), (0, 0, 0))
    assert position_text(grid, "axial", 1) == "z −20.0 mm"
    assert position_text(grid, "axial", 7) == "z −8.0 mm"


@pytest.mark.parametrize("number", [0, 8, -1])
def test_a_slice_outside_the_volume_is_refused_with_the_range(number: int) -> None:
    stored, grid = made((0, 1, 2), (0, 0, 0))
    with pytest.raises(InvalidRequest, match="7 axial slices") as caught:
        slice_of(stored, grid, "axial", number)
    assert caught.value.hint == "Choose 1 to 7."


def test_an_unknown_plane_is_refused() -> None:
    stored, grid = made((0, 1, 2), (0, 0, 0))
    with pytest.raises(InvalidRequest, match="no plane"):
        slice_of(stored, grid, "lateral", 1)


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (5, 0), (0, 6), (0, -1)])
def test_a_pixel_outside_the_picture_is_refused(x: int, y: int) -> None:
    stored, grid = made((0, 1, 2), (0, 0, 0))
    with pytest.raises(InvalidRequest, match="outside"):
        read_voxel(stored, None, grid, plane="axial", number=1, x=x, y=y)


def test_read_voxel_gives_value_structure_and_place() -> None:
    stored, grid = made((1, 2, 0), (0, 1, 1))
    labels = np.where(stored == 213, 5, 0).astype(np.uint8)
    found = read_voxel(stored, labels, grid, plane="axial", number=4, x=2, y=1)
    assert found == {"hu": 213, "label": 5, "ras_mm": [39.0, 29.25, -14.0]}
    assert read_voxel(stored, None, grid, plane="axial", number=4, x=2, y=1)["label"] == 0


def test_window_follows_the_dicom_formula_at_its_ends() -> None:
    # PS3.3 C.11.2.1.2.1, note 2: c 2048, w 4096 maps 0 to black and 4095 to white, one step of grey for each 16.06.
    hu = np.array([0, 1, 2047, 2048, 4094, 4095], dtype=np.int16)
    assert apply_window(hu, Window(center=2048, width=4096)).tolist() == [0, 0, 127, 128, 255, 255]


def test_a_window_of_one_hu_is_a_threshold() -> None:
    hu = np.array([98, 99, 100, 101], dtype=np.int16)
    assert apply_window(hu, Window(center=100, width=1)).tolist() == [0, 0, 255, 255]


def test_windows_hold_negative_hu() -> None:
    hu = np.array([-32768, -1350, -600, 149, 32767], dtype=np.int16)
    assert apply_window(hu, WINDOWS["lung"]).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("width", [0, 0.5, -3, float("nan"), float("inf")])
def test_a_window_without_width_is_refused(width: float) -> None:
    with pytest.raises(InvalidRequest):
        Window(center=0, width=width)


def test_position_is_linear_in_the_slice_number() -> None:
    _, grid = made((2, 1, 0), (0, 1, 0))
    places = [position_mm(grid, "coronal", n) for n in range(1, 7)]
    assert np.allclose(np.diff(places), 0.75)
    assert pixel_mm(grid, "coronal") == pytest.approx((0.5, 2.0))


def test_the_liver_of_a_real_abdomen_is_on_the_left_of_the_picture_and_the_spine_at_the_bottom() -> None:
    image = nibabel.load(real("ct/crlm-ct-1004.nii.gz"))
    voxels = np.asarray(image.dataobj).astype(np.int16)
    i, j, k = voxels.shape
    grid = Grid(shape=(i, j, k), affine_ras_mm=image.affine)
    axial = slice_of(voxels, grid, "axial", 23).astype(float)
    body = np.argwhere(axial > -200)
    soft = np.argwhere((axial > 90) & (axial < 160))
    bone = np.argwhere(axial > 400)
    assert soft[:, 1].mean() < body[:, 1].mean()  # liver: patient's right, on the picture's left
    assert np.median(bone[:, 0]) > np.median(soft[:, 0])  # vertebra: at the back, below
    sagittal = slice_of(voxels, grid, "sagittal", 180)
    lung = np.argwhere((sagittal > -930) & (sagittal < -780))
    assert np.median(lung[:, 0]) < sagittal.shape[0] / 2  # lung bases: towards the head, on top
