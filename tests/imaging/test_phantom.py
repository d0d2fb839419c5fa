from __future__ import annotations

import hashlib

import numpy as np
import pytest

from workbench.domain.organs import EVERYTHING, LABEL_BY_NAME, ORGANS
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import Grid
from workbench.imaging.measure import measure
from workbench.imaging.phantom import HIGH_MM, LOW_MM, Phantom, analytic_ml, build_phantom, phantom_volume, structures


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return build_phantom()


@pytest.fixture(scope="module")
def coarse() -> Phantom:
    return build_phantom(spacing_mm=(3.0, 3.0, 3.0))


def measured_ml(phantom: Phantom) -> dict[int, float]:
    counts = np.bincount(phantom.labels.ravel(order="K"), minlength=256)
    voxel_ml = abs(np.linalg.det(phantom.affine_ras_mm[:3, :3])) / 1000.0
    return {label: float(count * voxel_ml) for label, count in enumerate(counts) if label and count}


def test_measured_volumes_lie_within_one_percent_of_the_exact_ones_above_ten_millilitres(phantom: Phantom) -> None:
    measured = measured_ml(phantom)
    off = {
        ORGANS[label].name: measured.get(label, 0.0) / exact - 1
        for label, exact in phantom.analytic_ml.items()
        if exact > 10
    }
    assert {name: share for name, share in off.items() if abs(share) > 0.01} == {}
    assert len(off) > 60


def test_small_structures_lie_within_six_percent_of_their_exact_volumes(phantom: Phantom) -> None:
    measured = measured_ml(phantom)
    off = {
        ORGANS[label].name: measured.get(label, 0.0) / exact - 1
        for label, exact in phantom.analytic_ml.items()
        if exact <= 10
    }
    assert {name: share for name, share in off.items() if abs(share) > 0.06} == {}


def test_every_labelled_structure_has_an_exact_volume_and_most_of_the_dictionary_is_there(phantom: Phantom) -> None:
    present = set(np.unique(phantom.labels).tolist()) - {0}
    assert present == set(phantom.analytic_ml)
    assert len(present & set(EVERYTHING)) >= 90


def test_no_two_structures_share_more_than_a_trace() -> None:
    """Each is drawn alone on a 2 mm grid; what is shared would be counted twice in the exact volumes."""
    centres = [np.arange(low + 1.0, high, 2.0, dtype=np.float32) for low, high in zip(LOW_MM, HIGH_MM, strict=True)]
    owner = np.zeros([len(each) for each in centres], dtype=np.uint8)
    held = {inner: outer.label for outer in structures() for inner in outer.holds}
    shared_ml: dict[tuple[str, str], float] = {}
    for structure in structures():
        for solid in structure.solids:
            spans = [
                slice(*np.searchsorted(each, [low, high])) for each, low, high in zip(centres, *solid.box, strict=True)
            ]
            x, y, z = (each[span] for each, span in zip(centres, spans, strict=True))
            inside = np.broadcast_to(
                solid.level(x[:, None, None], y[None, :, None], z[None, None, :]) <= 1, (len(x), len(y), len(z))
            )
            window = owner[tuple(spans)]
            others, counts = np.unique(window[inside], return_counts=True)
            for other, count in zip(others.tolist(), counts.tolist(), strict=True):
                if other not in (0, held.get(structure.label)):
                    key = (ORGANS[other].name, ORGANS[structure.label].name)
                    shared_ml[key] = shared_ml.get(key, 0.0) + count * 0.008
            window[inside] = structure.label
    exact = analytic_ml()
    too_much = {
        pair: ml
        for pair, ml in shared_ml.items()
        if ml > 0.01 * min(exact[LABEL_BY_NAME[name.lower()]] for name in pair)
    }
    assert too_much == {}
    assert sum(shared_ml.values()) < 6.0


def test_a_held_structure_lies_wholly_inside_its_holder(coarse: Phantom) -> None:
    full = {each.label: each for each in structures()}
    for holder in full.values():
        for inner in holder.holds:
            for solid in full[inner].solids:
                low, high = solid.box
                x, y, z = (np.arange(a, b, 1.0, dtype=np.float32) for a, b in zip(low, high, strict=True))
                at = (x[:, None, None], y[None, :, None], z[None, None, :])
                inside = solid.level(*at) <= 1
                around = np.min([each.level(*at) for each in holder.solids], axis=0) <= 1
                assert (inside & ~around).sum() <= 0.005 * inside.sum()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_noise() -> None:
    first, again, other = (build_phantom(spacing_mm=(6.0, 5.0, 4.0), seed=seed) for seed in (8524, 8524, 1))
    digest = [hashlib.sha256(each.voxels_hu.tobytes()).hexdigest() for each in (first, again, other)]
    assert digest[0] == digest[1] != digest[2]
    assert (first.labels == other.labels).all()


def test_the_grid_runs_left_back_head_and_does_not_begin_at_zero(coarse: Phantom) -> None:
    i, j, k = coarse.voxels_hu.shape
    grid = Grid(shape=(i, j, k), affine_ras_mm=coarse.affine_ras_mm)
    assert grid.orientation == "LPS"
    assert grid.spacing_mm == pytest.approx((3.0, 3.0, 3.0))
    assert np.abs(coarse.affine_ras_mm[:3, 3]).min() > 100
    assert coarse.voxels_hu.flags.f_contiguous
    assert coarse.labels.flags.f_contiguous


def test_organs_lie_on_their_side_and_in_their_order(coarse: Phantom) -> None:
    def centre(name: str) -> np.ndarray:
        ijk = np.argwhere(coarse.labels == LABEL_BY_NAME[name]).mean(axis=0)
        return coarse.affine_ras_mm[:3, :3] @ ijk + coarse.affine_ras_mm[:3, 3]

    for organ in ORGANS.values():
        if organ.label in coarse.analytic_ml and organ.side is not None:
            assert (centre(organ.name.lower())[0] < 0) == (organ.side == "left"), organ.name
    assert centre("liver")[0] > 20 > -20 > centre("spleen")[0]
    heights = [centre(f"vertebrae {name}")[2] for name in ("c3", "t1", "t12", "l1", "l5")]
    assert heights == sorted(heights, reverse=True)
    assert centre("sternum")[1] > centre("heart")[1] > centre("vertebrae t7")[1]


def test_sizes_are_those_of_an_adult_and_nothing_lies_out_of_place(coarse: Phantom) -> None:
    """The checks that every measurement goes through find nothing to remark on, and large organs have adult sizes."""
    i, j, k = coarse.voxels_hu.shape
    volume = phantom_volume(coarse, "2026-01-01T00:00:00+00:00")
    truth = Segmentation(
        labels=coarse.labels,
        grid=Grid(shape=(i, j, k), affine_ras_mm=coarse.affine_ras_mm),
        asked=None,
        provenance=volume.provenance,
    )
    checked = measure(volume, truth, created_at="2026-01-01T00:00:00+00:00")
    assert {organ.name: organ.flags for organ in checked.organs if organ.flags} == {}
    assert not checked.warnings
    exact = {ORGANS[label].name: ml for label, ml in analytic_ml().items()}
    assert 1300 < exact["liver"] < 1700
    assert 150 < exact["spleen"] < 250
    assert 500 < exact["heart"] < 750
    assert 3800 < sum(ml for name, ml in exact.items() if "lung" in name) < 5500


def test_left_and_right_differ_in_size() -> None:
    exact = analytic_ml()
    for name in ("kidney", "humerus", "gluteus maximus", "rib 7"):
        left, right = exact[LABEL_BY_NAME[f"left {name}"]], exact[LABEL_BY_NAME[f"right {name}"]]
        assert abs(left / right - 1) > 0.005


def test_tissues_have_the_values_a_radiologist_expects(coarse: Phantom) -> None:
    expected = {
        "liver": (95, 125),
        "spleen": (105, 135),
        "aorta": (150, 190),
        "trachea": (-1010, -960),
        "bladder": (0, 25),
        "right lung lower lobe": (-880, -780),
        "left gluteus maximus": (45, 70),
        "vertebrae l3": (180, 420),
    }
    for name, (low, high) in expected.items():
        assert low < coarse.voxels_hu[coarse.labels == LABEL_BY_NAME[name]].mean() < high, name


def test_the_phantom_as_a_volume_is_mock_and_carries_a_digest(coarse: Phantom) -> None:
    volume = phantom_volume(coarse, "2026-01-01T00:00:00+00:00")
    assert volume.is_mock
    assert volume.provenance.model == "phantom"
    assert volume.provenance.sha256 == hashlib.sha256(coarse.voxels_hu.tobytes(order="F")).hexdigest()
