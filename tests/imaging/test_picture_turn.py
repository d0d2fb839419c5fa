"""DICOM slices lie as a radiologist looks at them, however they were stored."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dicom_made import make_image
from workbench.imaging.read.picture import FoundPicture, read_picture

DX = "1.2.840.10008.5.1.4.1.1.1.1"
RIGHT, LEFT, BACK, FRONT = (-1, 0, 0), (1, 0, 0), (0, 1, 0), (0, -1, 0)
HEAD, FEET = (0, 0, 1), (0, 0, -1)
# By plane: the directions to the right of the picture and down, as it is to be seen.
SEEN = {"axial": (LEFT, BACK), "coronal": (LEFT, FEET), "sagittal": (BACK, FEET)}
WORDS = {
    "axial": "Turned so that the patient's right is on the picture's left and anterior is up.",
    "coronal": "Turned so that the patient's right is on the picture's left and superior is up.",
    "sagittal": "Turned so that anterior is on the picture's left and superior is up.",
}


def body() -> np.ndarray:
    """As it is to be seen: bright in the upper left corner, a little less bright in the upper right."""
    picture = np.zeros((16, 24), np.int16)
    picture[2:5, 2:7], picture[2:5, 17:22] = 2000, 1100
    return picture


def stored_and_directions(
    plane: str, exchanged: bool, left_right: bool, up_down: bool
) -> tuple[np.ndarray, list[float]]:
    picture = body()
    right, down = (np.array(each, float) for each in SEEN[plane])
    if left_right:
        picture, right = picture[:, ::-1], -right
    if up_down:
        picture, down = picture[::-1], -down
    if exchanged:
        picture, right, down = picture.T, down, right
    return np.ascontiguousarray(picture), [*right, *down]


def show(folder: Path, stored: np.ndarray, **tags: Any) -> FoundPicture:
    make_image(folder / "in.dcm", stored, **{"spacing": (1, 1), **tags})
    return read_picture(folder / "in.dcm", scratch=folder)


@pytest.mark.parametrize("plane", SEEN)
@pytest.mark.parametrize(("exchanged", "left_right", "up_down"), list(product((False, True), repeat=3)))
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_every_way_to_store_a_slice_gives_the_same_picture(
    tmp_path: Path, plane: str, exchanged: bool, left_right: bool, up_down: bool, modality: str
) -> None:
    stored, directions = stored_and_directions(plane, exchanged, left_right, up_down)
    values = {"intercept": 0 if modality == "MR" else -1024, "WindowCenter": 1000, "WindowWidth": 2000}
    found = show(tmp_path, stored, orientation=directions, modality=modality, **values)
    assert found.pixels.shape == (16, 24)
    assert (found.pixels[2:5, 2:7] == 255).all()
    assert (found.pixels[2:5, 17:22] > 0).all()
    assert (found.pixels[8:] == found.pixels[15, 0]).all()
    if modality == "MR":
        assert (found.pixels[2:5, 17:22] == 140).all()
    assert (WORDS[plane] in found.notes) == (exchanged or left_right or up_down)


def test_a_turned_slice_with_unequal_spacing_keeps_its_proportions(tmp_path: Path) -> None:
    stored, directions = stored_and_directions("axial", True, False, True)  # 24 rows, 16 columns
    found = show(tmp_path, stored, orientation=directions, spacing=(1, 3))
    assert (found.pixels.shape, found.mm_per_px) == ((48, 24), 1.0)
    assert found.pixels[9, 4] == 255


@pytest.mark.parametrize(("degrees", "is_turned"), [(10, True), (44, True), (46, True), (80, True)])
def test_an_oblique_slice_is_turned_as_the_plane_nearest_to_it(tmp_path: Path, degrees: float, is_turned: bool) -> None:
    tilt = np.radians(degrees)
    # Tilted about the left-right axis: from axial over 45 degrees to coronal; stored with right and left exchanged.
    down = (0, np.cos(tilt), -np.sin(tilt))
    found = show(tmp_path, body()[:, ::-1].copy(), orientation=[*RIGHT, *down])
    assert (found.pixels[2:5, 2:7] == 255).all()
    assert WORDS["axial" if degrees < 45 else "coronal"] in found.notes
    assert is_turned


def test_a_slice_oblique_to_all_planes_is_left_as_it_was_stored(tmp_path: Path) -> None:
    across = np.array([1, 1, 1]) / np.sqrt(3)  # 54.7 degrees from each axis
    right = np.cross([0, 0, 1], across)
    right /= np.linalg.norm(right)
    found = show(tmp_path, body()[:, ::-1].copy(), orientation=[*(-right), *np.cross(across, -right)])
    assert (found.pixels[2:5, 17:22] == 255).all()
    assert len(found.notes) == 1


def test_a_scout_and_a_slice_without_directions_are_left_as_they_were_stored(tmp_path: Path) -> None:
    mirrored = body()[:, ::-1].copy()
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout = show(tmp_path, mirrored, orientation=[*RIGHT, *BACK], ImageType=kind, WindowCenter=500, WindowWidth=2000)
    assert scout.pixels[3, 3] < scout.pixels[3, 18]
    silent = show(tmp_path, mirrored, ImageOrientationPatient=None)
    assert silent.pixels[3, 3] < silent.pixels[3, 18]


@pytest.mark.parametrize("directions", [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]])
def test_directions_that_are_none_do_no_harm(tmp_path: Path, directions: list[float]) -> None:
    found = show(tmp_path, body(), orientation=directions)
    assert (found.pixels[2:5, 2:7] == 255).all()


@pytest.mark.parametrize(
    ("letters", "stored"),
    [
        (["L", "F"], body()),
        (["R", "F"], body()[:, ::-1]),
        (["L", "H"], body()[::-1]),
        (["RA", "HP"], body()[::-1, ::-1]),
        (["F", "L"], body().T),
    ],
)
def test_a_frontal_x_ray_that_says_it_is_mirrored_is_turned(
    tmp_path: Path, letters: list[str], stored: np.ndarray
) -> None:
    tags = {"PatientOrientation": letters, "WindowCenter": 1000, "WindowWidth": 2000, "ImageOrientationPatient": None}
    found = show(tmp_path, stored.copy(), modality="DX", sop_class=DX, intercept=0, **tags)
    assert (found.pixels[2:5, 2:7] == 255).all()
    assert (WORDS["coronal"] in found.notes) == (letters != ["L", "F"])


@pytest.mark.parametrize("letters", [["A", "F"], ["P", "F"], ["R"], [""], ["X", "Y"]])
def test_other_x_rays_are_left_as_they_were_stored(tmp_path: Path, letters: list[str]) -> None:
    tags = {"PatientOrientation": letters, "WindowCenter": 1000, "WindowWidth": 2000, "ImageOrientationPatient": None}
    found = show(tmp_path, body()[:, ::-1].copy(), modality="DX", sop_class=DX, intercept=0, **tags)
    assert (found.pixels[2:5, 17:22] == 255).all()
