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
    names = {ORGANS[label].name for label in np.unique(segment_classically(voxels, affine, None)).tolist() if label}
    assert names <= {"left femur", "right femur"}


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
    for name, least in (("liver", 0.85), ("heart", 0.85), ("left kidney", 0.5), ("aorta", 0.5)):
        label = LABEL_BY_NAME[name]
        assert dice(labels == label, phantom.labels == label) >= least, name
    assert dice(np.isin(labels, LOBES), np.isin(phantom.labels, LOBES)) >= 0.95


def test_only_what_was_asked_is_drawn_and_superclasses_become_their_parts(
    trunk: tuple[Phantom, NDArray[np.uint8]],
) -> None:
    phantom, everything = trunk
    asked = segment_classically(phantom.voxels_hu, phantom.affine_ras_mm, (20, 1))
    assert set(np.unique(asked).tolist()) - {0} == {1, *LOBES}
    assert ((asked == 1) >= (everything == 1)).all()


def test_the_same_ct_gives_the_same_masks(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, labels = trunk
    assert (segment_classically(phantom.voxels_hu, phantom.affine_ras_mm, None) == labels).all()


def test_a_picture_of_air_holds_nothing() -> None:
    voxels = np.full((40, 40, 20), -1000, dtype=np.int16)
    assert not segment_classically(voxels, np.diag([3.0, 3.0, 3.0, 1.0]), None).any()


def test_a_click_grows_the_tissue_around_it(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, _ = trunk
    spleen = phantom.labels == LABEL_BY_NAME["spleen"]
    depth = ndimage.distance_transform_edt(spleen)
    i, j, k = np.unravel_index(int(depth.argmax()), depth.shape)
    grown = grow_points(phantom.voxels_hu, phantom.affine_ras_mm, {3: ((int(i), int(j), int(k)),)})
    assert grown[i, j, k] == 3
    assert set(np.unique(grown).tolist()) == {0, 3}
    assert dice(grown == 3, spleen) > 0.6


def test_a_click_on_turned_axes_lands_on_the_same_tissue(trunk: tuple[Phantom, NDArray[np.uint8]]) -> None:
    phantom, _ = trunk
    i, j, k = (int(each) for each in np.argwhere(phantom.labels == 1).mean(axis=0))
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = phantom.voxels_hu.shape[0] - 1
    straight = grow_points(phantom.voxels_hu, phantom.affine_ras_mm, {1: ((i, j, k),)})
    mirrored = grow_points(
        phantom.voxels_hu[::-1], phantom.affine_ras_mm @ flip, {1: ((phantom.voxels_hu.shape[0] - 1 - i, j, k),)}
    )
    assert straight.any()
    assert (mirrored[::-1] == straight).all()
