"""Agreement of label maps against values worked out by hand, and medians against NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.made import affine
from workbench.domain.agreement import Agreement, HuCheck
from workbench.domain.organs import LABEL_BY_NAME, PARTS
from workbench.domain.volume import Grid
from workbench.imaging.compare import check_hu, compare_labels, hu_bands

LIVER, SPLEEN = LABEL_BY_NAME["liver"], LABEL_BY_NAME["spleen"]
LEFT, RIGHT = LABEL_BY_NAME["left kidney"], LABEL_BY_NAME["right kidney"]
SHAPE = (20, 16, 12)
GRID = Grid(shape=SHAPE, affine_ras_mm=affine((1.0, 2.0, 3.0)))


def boxes(at: int = 0) -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, dtype=np.uint8, order="F")
    labels[2 + at : 10 + at, 3:9, 2:8] = LIVER
    labels[14:18, 4:8, 1:6] = SPLEEN
    return labels


def test_a_label_map_agrees_wholly_with_itself() -> None:
    rows = compare_labels(boxes(), boxes(), GRID)
    assert [(row.label, row.dice, row.difference_ml, row.difference_percent) for row in rows] == [
        (LIVER, 1.0, 0.0, 0.0),
        (SPLEEN, 1.0, 0.0, 0.0),
    ]
    # 8 x 6 x 6 and 4 x 4 x 5 voxels of 6 mm^3.
    assert [row.first_ml for row in rows] == pytest.approx([1.728, 0.48])


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_a_box_shifted_by_n_of_its_eight_voxels_shares_eight_minus_n_eighths(shift: int) -> None:
    (liver, spleen) = compare_labels(boxes(), boxes(shift), GRID)
    assert liver.dice == pytest.approx((8 - shift) / 8, abs=1e-12)
    assert liver.difference_ml == 0.0
    assert spleen.dice == 1.0


def test_a_structure_that_one_map_lacks_has_no_overlap_and_no_per_cent() -> None:
    only_second = np.where(boxes() == LIVER, 0, boxes()).astype(np.uint8)
    liver = compare_labels(only_second, boxes(), GRID)[0]
    assert (liver.label, liver.dice, liver.first_ml, liver.difference_percent) == (LIVER, 0.0, 0.0, None)
    assert liver.difference_ml == pytest.approx(1.728)
    gone = compare_labels(boxes(), only_second, GRID)[0]
    assert gone.difference_percent == pytest.approx(-100.0)


def test_half_the_organ_has_a_dice_of_two_thirds() -> None:
    half = boxes()
    half[:, :, 5:][half[:, :, 5:] == LIVER] = 0
    liver = compare_labels(boxes(), half, GRID)[0]
    assert liver.dice == pytest.approx(2 * 0.5 / 1.5)
    assert liver.difference_percent == pytest.approx(-50.0)


def test_memory_order_and_choice_of_labels_change_no_number() -> None:
    both = compare_labels(np.ascontiguousarray(boxes()), boxes(2), GRID, labels=(LIVER, 77))
    assert both == compare_labels(boxes(), boxes(2), GRID)[:1]


def test_voxels_not_evaluated_are_no_structure() -> None:
    labels = boxes()
    labels[0, 0, 0] = 255
    assert {row.label for row in compare_labels(labels, labels, GRID)} == {LIVER, SPLEEN}


def test_maps_on_another_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="do not lie on the grid"):
        compare_labels(boxes(), boxes()[1:], GRID)


@pytest.mark.parametrize("even", [True, False])
def test_the_median_is_numpys(even: bool) -> None:
    random = np.random.default_rng(3)
    hu = random.integers(-200, 300, SHAPE).astype(np.int16)
    labels = boxes()
    if not even:
        labels[2, 3, 2] = 0
    by_name = {row.name: row for row in check_hu(hu, labels)}
    assert by_name["liver"].median_hu == np.median(hu[labels == LIVER])
    assert by_name["liver"].voxel_count == (labels == LIVER).sum()
    assert by_name["spleen"].median_hu == np.median(hu[labels == SPLEEN])


def test_both_kidneys_share_one_band_and_one_median() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:4], labels[8:12] = LEFT, RIGHT
    hu = np.where(labels == LEFT, 30, 190).astype(np.int16)
    (row,) = check_hu(hu, labels)
    assert (row.name, set(row.labels)) == ("kidneys", {LEFT, RIGHT})
    assert row.median_hu == np.median(hu[labels > 0])


@pytest.mark.parametrize(("hu", "within"), [(60, True), (10, True), (9, False), (156, True), (157, False)])
def test_a_liver_outside_its_band_is_told(hu: int, within: bool) -> None:
    (liver, _) = check_hu(np.full(SHAPE, hu, dtype=np.int16), boxes())
    assert (liver.median_hu, liver.is_within) == (hu, within)
    assert "MAISI" in liver.cite
    assert liver.source_url.startswith("https://")


def test_extreme_values_have_a_median_too() -> None:
    for hu in (-32768, 32767):
        assert check_hu(np.full(SHAPE, hu, dtype=np.int16), boxes())[0].median_hu == hu


def test_structures_without_a_band_are_not_judged() -> None:
    labels = np.full(SHAPE, LABEL_BY_NAME["colon"], dtype=np.uint8)
    assert check_hu(np.zeros(SHAPE, dtype=np.int16), labels) == ()


def test_no_structure_lies_in_two_bands_and_each_band_runs_upwards() -> None:
    labels = [label for band in hu_bands() for label in band.labels]
    assert len(labels) == len(set(labels))
    assert set(PARTS[21]) <= set(labels)
    assert all(band.low_hu < band.high_hu for band in hu_bands())


def test_results_survive_being_stored() -> None:
    agreement = compare_labels(boxes(), boxes(1), GRID)[0]
    check = check_hu(np.zeros(SHAPE, dtype=np.int16), boxes())[0]
    assert Agreement.from_json(agreement.to_json()) == agreement
    assert HuCheck.from_json(check.to_json()) == check


def test_voxels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        check_hu(np.zeros((2, 2, 2), dtype=np.int16), boxes())
