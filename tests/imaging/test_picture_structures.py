from __future__ import annotations

import numpy as np
import pytest

from tests.made import STAMP, UPLOAD
from workbench.domain.errors import InvalidRequest
from workbench.domain.organs import NOT_EVALUATED
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import Grid, Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.measure import measure
from workbench.imaging.picture import default_slice, structures_on
from workbench.imaging.slices import PLANES

GRID = Grid(shape=(20, 10, 6), affine_ras_mm=np.diag([-1.0, -2.0, 3.0, 1.0]))


def mask() -> np.ndarray:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2:8, 1:9, 1:] = 1  # liver, 6 x 8 pixels on an axial slice
    labels[12:18, 4:6, 1:3] = 5  # right kidney, 6 x 2 pixels, on axial slices 2 and 3
    labels[0, 0, :] = NOT_EVALUATED
    return labels


def test_areas_shares_and_places_are_those_worked_out_by_hand() -> None:
    liver, kidney = structures_on(mask(), GRID, "axial", 2)
    assert (liver.label, liver.name, kidney.label, kidney.name) == (1, "liver", 5, "right kidney")
    assert liver.area_mm2 == pytest.approx(6 * 8 * 1 * 2)
    assert kidney.area_mm2 == pytest.approx(6 * 2 * 1 * 2)
    assert liver.share == pytest.approx(48 / 200)
    assert liver.center_xy == pytest.approx((5 / 20, 5 / 10))
    assert kidney.center_xy == pytest.approx((15 / 20, 5 / 10))
    assert liver.colour == colour_of(1)
    assert liver.volume_ml is None


def test_a_coronal_slice_counts_the_head_upwards() -> None:
    liver, kidney = structures_on(mask(), GRID, "coronal", 5)
    assert liver.area_mm2 == pytest.approx(6 * 5 * 1 * 3)
    assert kidney.area_mm2 == pytest.approx(6 * 2 * 1 * 3)
    assert kidney.center_xy == pytest.approx((15 / 20, 4 / 6))  # slices 2 and 3 of 6, counted from below
    assert liver.center_xy[1] == pytest.approx(2.5 / 6)


def test_measurements_lend_the_volume_of_the_whole_structure() -> None:
    labels = mask()
    volume = Volume(voxels_hu=np.zeros(GRID.shape, np.int16), affine_ras_mm=GRID.affine_ras_mm, provenance=UPLOAD)
    segmentation = Segmentation(labels=labels, grid=GRID, asked=None, provenance=UPLOAD)
    measured = measure(volume, segmentation, created_at=STAMP)
    liver, kidney = structures_on(labels, GRID, "axial", 2, measured)
    assert liver.volume_ml == pytest.approx(6 * 8 * 5 * 6 / 1000)
    assert liver.touches_edge  # it reaches the last slice
    assert not kidney.touches_edge


def test_other_colours_may_stand_in_for_the_usual() -> None:
    liver, kidney = structures_on(mask(), GRID, "axial", 2, colours={1: "#ff0000"}, safe_colours=True)
    assert (liver.colour, kidney.colour) == ("#ff0000", colour_of(5, safe=True))


def test_an_unknown_label_is_called_by_its_number_and_what_was_not_evaluated_is_no_structure() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[0, 0, 0], labels[1, 0, 0] = 200, NOT_EVALUATED
    assert [each.name for each in structures_on(labels, GRID, "axial", 1)] == ["label 200"]
    assert structures_on(labels, GRID, "axial", 2) == ()


def test_structures_of_one_size_come_in_the_order_of_their_labels() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[0, 0, 0], labels[1, 0, 0] = 14, 3
    assert [each.label for each in structures_on(labels, GRID, "axial", 1)] == [3, 14]


def test_a_slice_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="6 axial slices"):
        structures_on(mask(), GRID, "axial", 7)


def test_the_slice_with_most_structures_is_shown_first() -> None:
    assert default_slice(mask(), GRID, "axial") == 2
    assert default_slice(mask(), GRID, "coronal") == 5


def test_of_slices_with_as_many_structures_the_fullest_is_shown() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:2, :2, 1] = 1
    labels[:4, :4, 4] = 1
    assert default_slice(labels, GRID, "axial") == 5


@pytest.mark.parametrize("labels", [None, np.zeros(GRID.shape, np.uint8), np.full(GRID.shape, 255, np.uint8)])
def test_without_any_structure_the_middle_is_shown(labels: np.ndarray | None) -> None:
    assert [default_slice(labels, GRID, plane) for plane in PLANES] == [3, 5, 10]


def test_a_large_volume_is_looked_through_in_steps() -> None:
    grid = Grid(shape=(300, 300, 4), affine_ras_mm=np.diag([-1.0, -1.0, 1.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8)
    labels[100:200, 100:200, 2] = 1
    labels[20:60, 20:60, 2] = 3
    assert default_slice(labels, grid, "axial") == 3
