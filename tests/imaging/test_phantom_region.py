"""Parts of the phantom on any grid: what is asked for is there, where it belongs, as large as asked, and repeatable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.domain.maisi import REGIONS, regions_of
from workbench.domain.organs import LABEL_BY_NAME, ORGANS
from workbench.domain.progress import Silent
from workbench.domain.volume import Grid
from workbench.imaging.phantom import analytic_ml
from workbench.imaging.phantom.region import Region, build_region

LIVER, SPLEEN, BRAIN = LABEL_BY_NAME["liver"], LABEL_BY_NAME["spleen"], LABEL_BY_NAME["brain"]
STOMACH = LABEL_BY_NAME["stomach"]
TUMOURS = ("lung tumor", "pancreatic tumor", "hepatic tumor", "colon cancer primaries", "bone lesion")
LESIONS = (*TUMOURS, "left kidney cyst")


def build(*regions: str, labels: tuple[int, ...] = (LIVER, SPLEEN), **changes: Any) -> Region:
    asked: dict[str, Any] = {
        "shape": (128, 128, 96),
        "spacing_mm": (3.0, 3.0, 3.0),
        "sizes": {},
        "hu_range": (-1000, 1000),
        "seed": 7,
        "progress": Silent(),
    }
    return build_region(regions or ("abdomen",), labels, **{**asked, **changes})


def grid(region: Region) -> Grid:
    i, j, k = region.labels.shape
    return Grid(shape=(i, j, k), affine_ras_mm=region.affine_ras_mm)


def middle_ras(region: Region, label: int) -> NDArray[np.float64]:
    return grid(region).ras_mm(np.argwhere(region.labels == label).mean(axis=0))


def ml(region: Region, label: int) -> float:
    return float((region.labels == label).sum()) * grid(region).voxel_volume_mm3 / 1000


def test_the_same_seed_draws_the_same_and_another_another_body() -> None:
    one, same, other = build(), build(), build(seed=8)
    assert np.array_equal(one.voxels_hu, same.voxels_hu)
    assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(one.labels, other.labels)
    assert not np.array_equal(one.affine_ras_mm, other.affine_ras_mm)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_organ_has_its_exact_volume_within_the_stretch_of_the_body(seed: int) -> None:
    region = build(seed=seed)
    # Each axis is stretched by at most 5 %; 3 mm voxels add about a per cent.
    for label in (LIVER, SPLEEN):
        assert 0.95**3 * 0.98 < ml(region, label) / analytic_ml()[label] < 1.05**3 * 1.02


@pytest.mark.parametrize("region", REGIONS, ids=[each.name for each in REGIONS])
def test_a_region_shows_everything_that_any_ct_of_it_shows(region: Any) -> None:
    labels = tuple(LABEL_BY_NAME[name.lower()] for name in region.core)
    made = build(region.name, labels=labels)
    missing = set(labels) - set(np.unique(made.labels).tolist())
    assert {ORGANS[label].name for label in missing} == set()


def test_only_what_was_asked_for_carries_a_label() -> None:
    assert set(np.unique(build().labels).tolist()) == {0, LIVER, SPLEEN}


def test_right_left_head_and_feet_are_where_they_belong() -> None:
    bladder = LABEL_BY_NAME["bladder"]
    body = build("head", "pelvis", labels=(LIVER, SPLEEN, BRAIN, bladder), spacing_mm=(3.0, 3.0, 10.0))
    assert grid(body).orientation == "LPS"
    liver, spleen, brain, low = (middle_ras(body, label) for label in (LIVER, SPLEEN, BRAIN, bladder))
    assert liver[0] > 20 > -20 > spleen[0]
    assert brain[2] > liver[2] + 300 > low[2] + 500


def test_the_head_has_bone_around_brain_and_air_around_both() -> None:
    skull = LABEL_BY_NAME["skull"]
    head = build("head", labels=(BRAIN, skull), spacing_mm=(2.0, 2.0, 2.5))
    assert 20 < np.median(head.voxels_hu[head.labels == BRAIN]) < 45
    assert np.median(head.voxels_hu[head.labels == skull]) > 400
    assert np.median(head.voxels_hu[0]) < -900
    assert 1100 < ml(head, BRAIN) < 1900, "an adult's brain"


@pytest.mark.parametrize("name", LESIONS)
def test_a_lesion_lies_inside_its_organ_and_grows_with_its_size(name: str) -> None:
    label = LABEL_BY_NAME[name]
    regions = regions_of([name])
    where = ("abdomen",) if name == "bone lesion" else regions
    small, large = (
        build(*where, labels=(label,), sizes={label: size}, spacing_mm=(2.5, 2.5, 2.5)) for size in (0.0, 1.0)
    )
    assert 0 < ml(small, label) <= ml(large, label)
    assert ml(large, label) < 44.6 * 1.08, "a ball of 22 mm has 44.6 mL"


def test_a_large_lesion_of_the_liver_is_the_ball_that_was_asked_for() -> None:
    label = LABEL_BY_NAME["hepatic tumor"]
    made = build(labels=(label,), sizes={label: 0.5}, spacing_mm=(2.0, 2.0, 2.0), shape=(192, 192, 128))
    # 13 mm, half way between the radii of size 0 and size 1; edges of 2 mm voxels are a few per cent.
    assert ml(made, label) == pytest.approx(4 / 3 * np.pi * 1.3**3, rel=0.06)


def test_a_lesion_that_is_not_asked_for_is_not_drawn() -> None:
    label = LABEL_BY_NAME["hepatic tumor"]
    with_it, without = build(labels=(LIVER, label)), build(labels=(LIVER,))
    assert (with_it.labels == label).any()
    assert np.array_equal(with_it.labels > 0, without.labels > 0)


def test_an_organ_can_be_larger_smaller_or_left_out() -> None:
    small, large = build(sizes={LIVER: 0.0}), build(sizes={LIVER: 1.0})
    assert ml(small, LIVER) < 0.65 * ml(large, LIVER)
    none = build(labels=(LIVER, SPLEEN, STOMACH), sizes={STOMACH: -1.0})
    assert not (none.labels == STOMACH).any()
    assert (none.labels == SPLEEN).any()


def test_an_organ_that_grows_takes_no_voxel_of_another() -> None:
    plain, grown = build(), build(sizes={LIVER: 1.0})
    assert np.array_equal(plain.labels == SPLEEN, grown.labels == SPLEEN)


def test_the_first_sacral_vertebra_is_cut_from_the_sacrum() -> None:
    s1, sacrum = LABEL_BY_NAME["vertebrae s1"], LABEL_BY_NAME["sacrum"]
    both, alone = build("pelvis", labels=(s1, sacrum)), build("pelvis", labels=(sacrum,))
    assert middle_ras(both, s1)[2] > middle_ras(both, sacrum)[2]
    assert np.array_equal(both.labels > 0, alone.labels > 0)


def test_values_stay_within_the_range_asked_for_and_the_arrays_have_their_types() -> None:
    made = build(hu_range=(-500, 300))
    assert (made.voxels_hu.min(), made.voxels_hu.max()) == (-500, 300)
    assert (made.voxels_hu.dtype, made.labels.dtype) == (np.int16, np.uint8)
    assert made.voxels_hu.flags.f_contiguous
    assert made.labels.flags.f_contiguous


def test_a_volume_longer_than_the_body_ends_in_air() -> None:
    made = build("head", "chest", "abdomen", "pelvis", spacing_mm=(3.0, 3.0, 12.0))
    assert np.median(made.voxels_hu[:, :, -1]) < -900


def test_a_short_volume_is_laid_around_what_is_asked_for() -> None:
    kidney = LABEL_BY_NAME["left kidney"]
    made = build(labels=(kidney,), shape=(128, 128, 48), spacing_mm=(3.0, 3.0, 3.0))
    touched = (made.labels[:, :, 0] == kidney).any() or (made.labels[:, :, -1] == kidney).any()
    assert (made.labels == kidney).any()
    assert not touched
