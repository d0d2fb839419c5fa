"""What is counted is what is there, exactly, whatever the memory order and the geometry."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.data import real
from workbench.domain.errors import Cancelled
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Measurements, OrganVolume, Segmentation
from workbench.domain.volume import Volume
from workbench.imaging.measure import measure


def made_by(origin: Origin, *inputs: Provenance) -> Provenance:
    return Provenance(origin=origin, model="a test", version="1", created_at="2026-01-01T00:00:00+00:00", inputs=inputs)


def measured(
    labels: NDArray[np.uint8],
    hu: NDArray[np.int16] | None = None,
    affine: NDArray[np.float64] | None = None,
    origin: Origin = Origin.LOCAL,
    volume_origin: Origin = Origin.UPLOAD,
) -> Measurements:
    voxels = np.zeros(labels.shape, np.int16) if hu is None else hu
    volume = Volume(
        voxels_hu=voxels, affine_ras_mm=np.eye(4) if affine is None else affine, provenance=made_by(volume_origin)
    )
    mask = Segmentation(labels=labels, grid=volume.grid, asked=None, provenance=made_by(origin, volume.provenance))
    return measure(volume, mask, created_at="2026-01-02T00:00:00+00:00")


def only(measurements: Measurements) -> OrganVolume:
    (organ,) = measurements.organs
    return organ


def box(shape: tuple[int, int, int], *where: slice, label: int = 1) -> NDArray[np.uint8]:
    labels = np.zeros(shape, np.uint8, order="F")
    labels[where] = label
    return labels


def test_a_box_with_unequal_spacing_and_a_flipped_axis_measures_what_it_should() -> None:
    # i runs to the patient's left, j to the back, k to the head: 2 x 3 x 5 mm voxels.
    affine = np.array([[-2.0, 0, 0, 100], [0, -3, 0, 50], [0, 0, 5, -20], [0, 0, 0, 1]])
    labels = box((10, 12, 8), slice(2, 5), slice(4, 8), slice(1, 6))
    organ = only(measured(labels, affine=affine))
    assert organ.voxel_count == 3 * 4 * 5
    assert organ.volume_ml == pytest.approx(60 * 30 / 1000, rel=1e-12)
    # Centre at index (3, 5.5, 3).
    assert organ.centroid_ras_mm == pytest.approx((100 - 2 * 3, 50 - 3 * 5.5, -20 + 5 * 3))
    assert organ.extent_mm == pytest.approx((6, 12, 25))
    assert not organ.touches_edge


def test_slices_count_from_the_feet_the_front_and_the_patients_right() -> None:
    labels = np.zeros((10, 12, 8), np.uint8, order="F")
    labels[3, 4:7, 2] = 1
    labels[3, 4, 3] = 1
    labels[2, 4, 2] = 1
    ras = only(measured(labels, affine=np.eye(4)))
    assert dict(ras.largest_slice) == {"axial": 3, "coronal": 12 - 4, "sagittal": 10 - 3}
    lps = only(measured(labels, affine=np.diag([-1.0, -1, 1, 1])))
    assert dict(lps.largest_slice) == {"axial": 3, "coronal": 5, "sagittal": 4}
    feet_first = only(measured(labels, affine=np.diag([-1.0, -1, -1, 1])))
    assert feet_first.largest_slice["axial"] == 8 - 2


def test_slices_follow_the_patient_when_the_axes_are_permuted() -> None:
    # i to the head, j to the patient's right, k to the front.
    affine = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1, 2, 3] = 9
    assert dict(only(measured(labels, affine=affine)).largest_slice) == {
        "axial": 2,
        "coronal": 7 - 3,
        "sagittal": 6 - 2,
    }


def test_an_oblique_grid_is_measured_along_the_patients_axes() -> None:
    angle = math.radians(30)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 1.0, 4.0])
    affine[:3, 3] = (7, -3, 11)
    labels = box((20, 20, 6), slice(3, 13), slice(5, 9), slice(2, 4))
    organ = only(measured(labels, affine=affine))
    corners = np.array([[i, j, k] for i in (2.5, 12.5) for j in (4.5, 8.5) for k in (1.5, 3.5)])
    placed = corners @ affine[:3, :3].T
    assert organ.extent_mm == pytest.approx(tuple(placed.max(axis=0) - placed.min(axis=0)))
    assert organ.volume_ml == pytest.approx(10 * 4 * 2 * 8 / 1000)
    assert organ.centroid_ras_mm == pytest.approx(tuple(affine[:3, :3] @ [7.5, 6.5, 2.5] + affine[:3, 3]))


def test_a_sheared_grid_counts_the_volume_of_its_slanted_voxels() -> None:
    affine = np.eye(4)
    affine[1, 2] = 0.25
    assert only(measured(box((4, 4, 4), slice(1, 3), slice(1, 3), slice(1, 3)), affine=affine)).volume_ml == 0.008


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_a_structure_that_reaches_any_face_of_the_scan_touches_its_edge(axis: int, end: int) -> None:
    labels = box((6, 7, 8), slice(2, 4), slice(2, 4), slice(2, 4))
    at = [2, 2, 2]
    at[axis] = end
    labels[tuple(at)] = 1
    assert only(measured(labels)).touches_edge


def test_sums_stay_exact_at_the_extremes_of_int16() -> None:
    labels = np.ones((40, 30, 20), np.uint8, order="F")
    hu = np.full(labels.shape, -32768, np.int16, order="F")
    hu[0, 0, 0] = 32767
    organ = only(measured(labels, hu))
    voxels = labels.size
    mean = Fraction(-32768 * (voxels - 1) + 32767, voxels)
    variance = Fraction(32768**2 * (voxels - 1) + 32767**2, voxels) - mean**2
    assert organ.mean_hu == float(mean)
    assert organ.std_hu == pytest.approx(math.sqrt(variance), rel=1e-15)
    assert (organ.min_hu, organ.max_hu) == (-32768, 32767)


def test_a_constant_region_has_no_spread_at_all() -> None:
    organ = only(
        measured(box((64, 64, 9), slice(3, 60), slice(3, 60), slice(1, 8)), np.full((64, 64, 9), 3071, np.int16))
    )
    assert organ.std_hu == 0.0
    assert organ.mean_hu == 3071.0


def test_neighbouring_structures_do_not_leak_into_each_other() -> None:
    labels = np.zeros((6, 4, 3), np.uint8, order="F")
    labels[:3], labels[3:] = 3, 7
    hu = np.where(labels == 3, 10, -500).astype(np.int16)
    three, seven = sorted(measured(labels, hu).organs, key=lambda organ: organ.label)
    assert (three.mean_hu, three.std_hu, seven.mean_hu, seven.std_hu) == (10, 0, -500, 0)


def test_a_value_not_evaluated_is_no_structure() -> None:
    labels = np.full((5, 5, 5), 255, np.uint8)
    labels[2, 2, 2] = 1
    assert [organ.label for organ in measured(labels).organs] == [1]


def test_an_empty_mask_measures_to_an_empty_table() -> None:
    assert measured(np.zeros((5, 5, 5), np.uint8)).organs == ()


def test_a_value_outside_the_dictionary_is_measured_and_named_by_its_number() -> None:
    assert only(measured(box((5, 5, 5), slice(1, 2), label=200))).name == "label 200"


def test_the_largest_structure_comes_first() -> None:
    labels = box((9, 9, 9), slice(0, 2), label=1)
    labels[3:8] = 5
    labels[8] = 3
    assert [organ.label for organ in measured(labels).organs] == [5, 1, 3]


def test_more_voxels_than_one_batch_holds_are_all_counted() -> None:
    shape = (512, 300, 30)
    labels = np.zeros(shape, np.uint8, order="F")
    labels[5:500, 5:290, :] = 1
    hu = np.zeros(shape, np.int16, order="F")
    hu[...] = np.arange(shape[2], dtype=np.int16)
    organ = only(measured(labels, hu))
    assert organ.voxel_count == 495 * 285 * 30
    assert organ.mean_hu == 14.5
    assert organ.std_hu == pytest.approx(math.sqrt((30**2 - 1) / 12), rel=1e-15)
    assert (organ.min_hu, organ.max_hu) == (0, 29)


def test_a_row_longer_than_a_chunk_is_measured() -> None:
    labels = np.zeros((600_000, 2, 1), np.uint8, order="F")
    labels[10:599_000, 1] = 4
    assert only(measured(labels, np.full(labels.shape, 7, np.int16, order="F"))).voxel_count == 598_990


blobs = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))


@settings(deadline=None, max_examples=60)
@given(blobs, st.sampled_from("CF"), st.sampled_from("CF"), st.booleans())
def test_every_row_equals_what_one_mask_per_label_gives(
    blob: tuple[int, int, int, int], order: str, hu_order: str, flipped: bool
) -> None:
    *shape, seed = blob
    draw = np.random.default_rng(seed)
    labels = np.asarray(draw.choice([0, 0, 1, 5, 132, 255], shape).astype(np.uint8), order=order)
    hu = np.asarray(draw.integers(-32768, 32768, shape).astype(np.int16), order=hu_order)
    if flipped:
        labels = labels[::-1, :, ::-1]
    affine = np.eye(4)
    affine[:3, :3] = draw.uniform(-3, 3, (3, 3)) + np.diag([9, 9, 9])
    rows = measured(labels, hu, affine).organs
    assert {row.label for row in rows} == set(np.unique(labels).tolist()) - {0, 255}
    for row in rows:
        inside = labels == row.label
        values = hu[inside].astype(np.int64)
        places = np.argwhere(inside)
        mm = places @ affine[:3, :3].T + affine[:3, 3]
        reach = np.abs(affine[:3, :3]).sum(axis=1)
        assert row.voxel_count == int(inside.sum())
        assert row.mean_hu == int(values.sum()) / row.voxel_count
        assert row.std_hu == pytest.approx(float(values.std()), rel=1e-9, abs=1e-9)
        assert (row.min_hu, row.max_hu) == (values.min(), values.max())
        assert row.centroid_ras_mm == pytest.approx(tuple(mm.mean(axis=0)), abs=1e-9)
        assert row.extent_mm == pytest.approx(tuple(mm.max(axis=0) - mm.min(axis=0) + reach), abs=1e-9)
        assert row.touches_edge == bool((places == 0).any() or (places == np.array(inside.shape) - 1).any())


def test_a_mask_on_another_grid_is_refused() -> None:
    volume = Volume(voxels_hu=np.zeros((4, 4, 4), np.int16), affine_ras_mm=np.eye(4), provenance=made_by(Origin.UPLOAD))
    moved = Volume(voxels_hu=volume.voxels_hu, affine_ras_mm=np.diag([1.0, 1, 2, 1]), provenance=volume.provenance)
    mask = Segmentation(
        labels=np.zeros((4, 4, 4), np.uint8), grid=moved.grid, asked=None, provenance=made_by(Origin.LOCAL)
    )
    with pytest.raises(ValueError, match="mask on"):
        measure(volume, mask, created_at="now")


def test_measurements_name_what_they_rest_on() -> None:
    made = measured(box((4, 4, 4), slice(1, 2))).provenance
    assert (made.origin, made.model, made.created_at) == (
        Origin.LOCAL,
        "workbench label statistics",
        "2026-01-02T00:00:00+00:00",
    )
    assert [each.origin for each in made.inputs] == [Origin.LOCAL, Origin.UPLOAD]
    assert not made.is_mock


@pytest.mark.parametrize(("mask", "volume"), [(Origin.MOCK, Origin.UPLOAD), (Origin.LOCAL, Origin.MOCK)])
def test_a_measurement_of_anything_mock_is_mock(mask: Origin, volume: Origin) -> None:
    assert measured(box((4, 4, 4), slice(1, 2)), origin=mask, volume_origin=volume).is_mock


def test_a_person_can_stop_the_measuring() -> None:
    class Stopped:
        def stage(self, name: str, fraction: float | None = None) -> None:
            raise Cancelled("Stopped.")

    volume = Volume(voxels_hu=np.zeros((4, 4, 4), np.int16), affine_ras_mm=np.eye(4), provenance=made_by(Origin.UPLOAD))
    mask = Segmentation(
        labels=np.ones((4, 4, 4), np.uint8), grid=volume.grid, asked=None, provenance=made_by(Origin.LOCAL)
    )
    with pytest.raises(Cancelled):
        measure(volume, mask, created_at="now", progress=Stopped())


def test_measurements_survive_storage() -> None:
    made = measured(box((6, 6, 6), slice(1, 3), slice(2, 4), slice(1, 5)), affine=np.diag([-0.7, -0.7, 1.25, 1]))
    again = Measurements.from_json(json.loads(json.dumps(made.to_json())))
    assert again.to_json() == made.to_json()


def test_a_real_segmentation_gives_its_reference_volumes_exactly() -> None:
    import nibabel

    reference = json.loads(real("ct/reference_volumes.json").read_text("utf-8"))["totalseg-abdomen20_seg.nii.gz"]
    image = nibabel.load(real("ct/totalseg-abdomen20_seg.nii.gz"))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    rows = {row.label: row for row in measured(labels, affine=np.asarray(image.affine)).organs}
    assert rows.keys() == {int(label) for label in reference}
    for label, row in rows.items():
        assert row.voxel_count == reference[str(label)]["voxels"]
        assert round(row.volume_ml, 3) == reference[str(label)]["ml"]


def test_a_real_segmentation_says_which_structures_the_scan_cuts() -> None:
    import nibabel

    image = nibabel.load(real("ct/totalseg-abdomen20_seg.nii.gz"))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    rows = {row.label: row for row in measured(labels, affine=np.asarray(image.affine)).organs}
    liver = 5
    inner = labels[1:-1, 1:-1, 1:-1]
    assert rows[liver].touches_edge == (np.count_nonzero(inner == liver) != rows[liver].voxel_count)
