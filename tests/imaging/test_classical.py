from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name its users know
from numpy.typing import NDArray
from scipy import ndimage

from tests.data import real
from workbench.domain.organs import LABEL_BY_NAME, ORGANS, PARTS
from workbench.imaging.classical import grow_points, segment_classically
from workbench.imaging.phantom import Phantom, build_phantom

LOBES = PARTS[20]


def load(path: Path) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    image = sitk.ReadImage(str(path))
    voxels = np.clip(sitk.GetArrayFromImage(image), -1024, 32767).astype(np.int16).T
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    # ITK is LPS; the workbench is RAS.
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.fixture(scope="module")
def chest() -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]]:
    voxels, affine = load(real("ct/cip-ct-64.nrrd"))
    return voxels, affine, segment_classically(voxels, affine, None)


@pytest.fixture(scope="module")
def trunk() -> tuple[Phantom, NDArray[np.uint8]]:
    phantom = build_phantom(spacing_mm=(3.0, 3.0, 3.0))
    return phantom, segment_classically(phantom.voxels_hu, phantom.affine_ras_mm, None)


def test_lungs_of_a_real_chest_agree_with_the_reference(
    chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    """The reference codes chest regions in the low byte; 9 to 14 are thirds of the two lungs."""
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(real("ct/cip-lm-64.nrrd")))).T & 255
    assert dice(np.isin(chest[2], LOBES), reference > 0) >= 0.95
    left = [LABEL_BY_NAME[name] for name in ("left lung upper lobe", "left lung lower lobe")]
    assert dice(np.isin(chest[2], left), np.isin(reference, (9, 10, 11))) >= 0.95


def test_a_real_chest_has_the_organs_that_a_chest_has(
    chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    names = {ORGANS[label].name for label in np.unique(chest[2]).tolist() if label}
    assert {"trachea", "heart", "liver", "aorta", "vertebrae T6", "left rib 5", "left autochthon"} <= names
    assert not names & {"bladder", "prostate", "left hip", "sacrum", "left femur", "brain", "skull"}


def test_liver_and_spleen_of_a_real_abdomen_overlap_the_reference(tmp_path: Path) -> None:
    reference = sitk.DICOMOrient(sitk.ReadImage(str(real("ct/totalseg-abdomen20_seg.nii.gz"))), "LPS")
    truth = sitk.GetArrayFromImage(reference).T
    voxels, affine = load_series(real("ct/totalseg-abdomen20_dicom_j2k.zip"), tmp_path)
    found = segment_classically(voxels, affine, (1, 3))
    assert dice(found == LABEL_BY_NAME["liver"], truth == 5) >= 0.80
    assert dice(found == LABEL_BY_NAME["spleen"], truth == 1) >= 0.80


def load_series(archive: Path, folder: Path) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    import zipfile

    import pydicom

    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    files = [each for each in folder.rglob("*") if each.is_file()]
    files.sort(
        key=lambda each: float(pydicom.dcmread(each, force=True, stop_before_pixels=True).ImagePositionPatient[2])
    )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(each) for each in files])
    sitk.WriteImage(reader.Execute(), str(folder / "series.nrrd"))
    return load(folder / "series.nrrd")


def test_no_organ_is_invented_in_a_thigh() -> None:
    voxels, affine = load(real("ct/sts-001_ct.nii.gz"))
    labels = segment_classically(voxels, affine, None)
    names = {ORGANS[label].name for label in np.unique(labels).tolist() if label}
    assert names == {"left femur", "left hip"}
    assert np.quantile(voxels[labels == LABEL_BY_NAME["left femur"]], 0.05) >= 150


def test_half_a_chest_has_its_lung_on_the_right() -> None:
    """The spine is at the edge of this picture, and what lies beyond it is padding of 0 HU."""
    voxels, affine = load(real("ct/elastix-3dct-lung_small.mha"))
    labels = segment_classically(voxels, affine, None)
    names = {ORGANS[label].name for label in np.unique(labels).tolist() if label}
    assert {"right lung upper lobe", "right lung middle lobe", "right lung lower lobe", "right rib 4"} <= names
    assert not [name for name in names if name.startswith(("left lung", "left rib", "left kidney"))]
    assert 2500 < np.isin(labels, LOBES).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000 < 4500


def test_contrast_in_the_heart_is_not_taken_for_bone() -> None:
    voxels, affine = load(real("ct/totalseg-aorta_ct.nii.gz"))
    aorta = sitk.GetArrayFromImage(sitk.ReadImage(str(real("ct/totalseg-aorta_masks/aorta.nii.gz")))).T > 0
    labels = segment_classically(voxels, affine, None)
    bones = [label for label in PARTS[21] if label in ORGANS]
    assert np.isin(labels[aorta], bones).mean() < 0.12
    assert dice(labels == LABEL_BY_NAME["aorta"], aorta) >= 0.40
    assert (labels == LABEL_BY_NAME["heart"]).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000 > 300


def test_no_mask_leaves_the_body(chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]]) -> None:
    voxels, _, labels = chest
    tissue, _ = ndimage.label(ndimage.binary_opening(voxels > -400))
    sizes = np.bincount(tissue.ravel())
    body = tissue == 1 + sizes[1:].argmax()
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(ndimage.binary_dilation(body[:, :, k], iterations=2))
    assert ((labels > 0) & ~body).sum() == 0


@pytest.mark.parametrize(
    ("order", "flips"),
    [((1, 0, 2), (False, False, False)), ((2, 0, 1), (True, False, True)), ((0, 1, 2), (True, True, True))],
)
def test_another_axis_order_gives_the_same_masks_in_that_order(
    chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]],
    order: tuple[int, int, int],
    flips: tuple[bool, bool, bool],
) -> None:
    voxels, affine, labels = chest
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        turn[old, new] = -1 if flip else 1
        turn[old, 3] += voxels.shape[old] - 1 if flip else 0

    def turned(array: np.ndarray) -> np.ndarray:
        return array.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

    assert (segment_classically(turned(voxels), affine @ turn, None) == turned(labels)).all()


def test_left_stays_left(chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]]) -> None:
    _, affine, labels = chest
    for name in ("lung lower lobe", "autochthon"):
        places = {}
        for side in ("left", "right"):
            ijk = np.argwhere(labels == LABEL_BY_NAME[f"{side} {name}"]).mean(axis=0)
            places[side] = (affine[:3, :3] @ ijk + affine[:3, 3])[0]
        assert places["left"] < places["right"]


def test_the_phantom_without_its_truth_is_found_by_landmarks(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, labels = trunk
    for name, least in (("liver", 0.9), ("heart", 0.9), ("left kidney", 0.5), ("aorta", 0.7), ("bladder", 0.75)):
        label = LABEL_BY_NAME[name]
        assert dice(labels == label, phantom.labels == label) >= least, name
    assert dice(np.isin(labels, LOBES), np.isin(phantom.labels, LOBES)) >= 0.95


def test_vertebrae_and_ribs_get_the_right_numbers_on_the_phantom(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, labels = trunk
    names = [f"vertebrae t{number}" for number in range(1, 13)] + [f"vertebrae l{number}" for number in range(1, 6)]
    names += [f"{side} rib {number}" for side in ("left", "right") for number in range(3, 12)]
    found = {name: dice(labels == LABEL_BY_NAME[name], phantom.labels == LABEL_BY_NAME[name]) for name in names}
    assert {name: score for name, score in found.items() if score < 0.85} == {}


def test_aorta_and_back_muscles_end_with_the_trunk(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, labels = trunk
    lowest = {
        name: int(np.nonzero(phantom.labels == LABEL_BY_NAME[name])[2].min()) for name in ("vertebrae l5", "sacrum")
    }
    for name, floor in (("aorta", "vertebrae l5"), ("left autochthon", "sacrum"), ("right autochthon", "sacrum")):
        assert np.nonzero(labels == LABEL_BY_NAME[name])[2].min() >= lowest[floor]


def test_only_what_was_asked_is_drawn_and_superclasses_become_their_parts(
    chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    voxels, affine, everything = chest
    asked = segment_classically(voxels, affine, (20, 1))
    assert set(np.unique(asked).tolist()) - {0} == {1, *LOBES}
    assert ((asked == 1) >= (everything == 1)).all()


def test_the_same_ct_gives_the_same_masks(
    chest: tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    voxels, affine, labels = chest
    assert (segment_classically(voxels, affine, None) == labels).all()


def test_a_picture_of_air_holds_nothing() -> None:
    voxels = np.full((40, 40, 20), -1000, dtype=np.int16)
    assert not segment_classically(voxels, np.diag([3.0, 3.0, 3.0, 1.0]), None).any()


def cropped(phantom: Phantom) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Labels and voxels of the upper abdomen alone: clicks need no more."""
    span = np.flatnonzero((phantom.labels == LABEL_BY_NAME["spleen"]).any(axis=(0, 1)))
    part = slice(int(span[0]) - 6, int(span[-1]) + 7)
    return phantom.labels[:, :, part], phantom.voxels_hu[:, :, part]


def test_a_click_grows_the_tissue_around_it(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, voxels = cropped(trunk[0])
    spleen = phantom == LABEL_BY_NAME["spleen"]
    depth = ndimage.distance_transform_edt(spleen)
    i, j, k = np.unravel_index(int(depth.argmax()), depth.shape)
    grown = grow_points(voxels, trunk[0].affine_ras_mm, {3: ((int(i), int(j), int(k)),)})
    assert grown[i, j, k] == 3
    assert set(np.unique(grown).tolist()) == {0, 3}
    assert dice(grown == 3, spleen) > 0.6


def test_a_click_on_turned_axes_lands_on_the_same_tissue(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    (labels, voxels), affine = cropped(trunk[0]), trunk[0].affine_ras_mm
    i, j, k = (int(each) for each in np.argwhere(labels == 1).mean(axis=0))
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = voxels.shape[0] - 1
    straight = grow_points(voxels, affine, {1: ((i, j, k),)})
    mirrored = grow_points(voxels[::-1], affine @ flip, {1: ((voxels.shape[0] - 1 - i, j, k),)})
    assert straight.any()
    assert (mirrored[::-1] == straight).all()
