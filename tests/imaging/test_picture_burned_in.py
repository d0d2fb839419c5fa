from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.data import real
from tests.dicom_made import SECONDARY_CAPTURE, make_image
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Volume
from workbench.imaging.phantom import build_phantom
from workbench.imaging.read.burned_in import LIKELY, likely_text
from workbench.imaging.read.picture import read_picture
from workbench.imaging.slices import PLANES, WINDOWS, apply_window, slice_count, slice_of

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
WRITTEN = ("DOE^JOHN M 51Y", "Acc 20130912", "ID: 4711-0815", "12.03.1961", "St. Mary Hospital")
PLACES = {"top left": (6, 4), "top right": (-6, 4), "bottom left": (6, -4), "bottom right": (-6, -4)}


def scan(size: int = 512) -> np.ndarray:
    """Something like a slice: a bright body with noise on black."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = (x / 0.7) ** 2 + (y / 0.55) ** 2 < 1
    noise = np.random.default_rng(7).normal(0, 12, (size, size))
    return np.clip(np.where(inside, 120 + 40 * np.sin(9 * x) * np.cos(7 * y) + noise, 0), 0, 255).astype(np.uint8)


def written(text: str, *, px: int, grey: int, place: str, font: str = "DejaVuSans.ttf", size: int = 512) -> np.ndarray:
    image = Image.fromarray(scan(size))
    x, y = PLACES[place]
    letters = ImageFont.truetype(str(FONTS / font), px)
    anchor = f"{'l' if x > 0 else 'r'}{'t' if y > 0 else 'b'}"
    ImageDraw.Draw(image).text((x % size, y % size), text, fill=grey, font=letters, anchor=anchor)
    return np.asarray(image)


def test_a_slice_without_letters_is_not_suspected() -> None:
    assert likely_text(scan()) is None
    assert likely_text(np.zeros((64, 64), np.uint8)) is None
    assert likely_text(np.full((64, 64, 3), 255, np.uint8)) is None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", WRITTEN)
def test_a_name_in_a_corner_is_suspected(place: str, text: str) -> None:
    assert likely_text(written(text, px=14, grey=255, place=place)) == LIKELY


@pytest.mark.parametrize("px", [9, 10, 12, 16, 20, 26, 32])
@pytest.mark.parametrize("grey", [120, 255])
@pytest.mark.parametrize("font", ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf"])
def test_letters_of_most_sizes_and_shapes_are_suspected(px: int, grey: int, font: str) -> None:
    assert likely_text(written("DOE^JOHN M 51Y", px=px, grey=grey, place="top left", font=font)) == LIKELY


def test_colours_and_giant_pictures_are_looked_at_too() -> None:
    grey = written("DOE^JOHN M 51Y", px=14, grey=255, place="top left")
    yellow = np.stack([grey, grey, np.zeros_like(grey)], axis=-1)
    assert likely_text(yellow) == LIKELY
    assert likely_text(written("DOE^JOHN M 51Y", px=60, grey=255, place="bottom left", size=3000)) == LIKELY


@pytest.mark.parametrize("text", ["L", "R", "AP", "PORT"])
def test_the_letters_of_a_side_marker_alone_are_not_suspected(text: str) -> None:
    assert likely_text(written(text, px=30, grey=255, place="top right")) is None


def test_letters_in_the_middle_of_a_picture_are_no_annotation() -> None:
    image = Image.fromarray(scan(512) // 3)
    letters = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 14)
    ImageDraw.Draw(image).text((256, 256), "ABCDEFG", fill=255, font=letters, anchor="mm")
    assert likely_text(np.asarray(image)) is None


def in_windows(voxels: np.ndarray, grid: object, every: int) -> list[np.ndarray]:
    return [
        apply_window(slice_of(voxels, grid, plane, number), WINDOWS[window])
        for plane in PLANES
        for number in range(1, slice_count(grid, plane) + 1, every)
        for window in ("soft tissue", "bone", "lung")
    ]


def test_no_slice_of_the_phantom_is_suspected() -> None:
    made = Provenance(origin=Origin.MOCK, model="phantom", version="1", created_at="2026-01-01T00:00:00+00:00")
    phantom = build_phantom(spacing_mm=(2.0, 2.0, 3.0))
    volume = Volume(voxels_hu=phantom.voxels_hu, affine_ras_mm=phantom.affine_ras_mm, provenance=made)
    slices = in_windows(volume.voxels_hu, volume.grid, 15)
    assert len(slices) > 90
    assert [each for each in slices if likely_text(each)] == []


@pytest.mark.parametrize("name", ["totalseg-pulmonary_ct.nii.gz", "sts-001_ct.nii.gz"])
def test_hardly_a_slice_of_a_real_ct_is_suspected(name: str) -> None:
    import nibabel

    image = nibabel.load(real(f"ct/{name}"))
    voxels = np.asarray(image.dataobj).astype(np.int16)
    made = Provenance(origin=Origin.UPLOAD, model="upload", version="1", created_at="2026-01-01T00:00:00+00:00")
    volume = Volume(voxels_hu=voxels, affine_ras_mm=image.affine, provenance=made)
    slices = in_windows(voxels, volume.grid, 8)
    assert len(slices) > 80
    assert sum(likely_text(each) is not None for each in slices) <= 1


def test_a_real_image_with_a_name_burned_in_is_suspected(tmp_path: Path) -> None:
    assert read_picture(real("dicom-tricky/phi_burned-in_ct.dcm"), scratch=tmp_path).burned_in == LIKELY


@pytest.mark.parametrize("name", ["images/cxr/nih_00000001_000.png", "dicom-tricky/nema-ct1_UNC.dcm"])
def test_real_images_without_names_are_not_suspected(tmp_path: Path, name: str) -> None:
    assert read_picture(real(name), scratch=tmp_path).burned_in is None


def test_teaching_files_that_name_their_source_in_the_picture_are_suspected_for_that_line_alone(tmp_path: Path) -> None:
    folder = real("images/vqa-rad/images")
    pictures = sorted(folder.glob("*.jpg"))
    assert len(pictures) == 12
    for path in pictures:
        pixels = read_picture(path, scratch=tmp_path).pixels
        rows, columns = pixels.shape[:2]
        assert likely_text(pixels) == LIKELY, path.name
        inside = pixels[int(0.15 * rows) : int(0.9 * rows), int(0.1 * columns) : int(0.9 * columns)]
        assert likely_text(inside) is None, path.name


FLAT = np.full((32, 32), 1000, np.int16)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"BurnedInAnnotation": "YES"}, "The file says"),
        ({"BurnedInAnnotation": "NO"}, None),
        ({}, None),
        ({"sop_class": SECONDARY_CAPTURE, "modality": "OT"}, "Screen captures"),
        ({"sop_class": f"{SECONDARY_CAPTURE}.2", "modality": "OT"}, "Screen captures"),
        ({"modality": "US"}, "Screen captures"),
        ({"modality": "US", "BurnedInAnnotation": "NO"}, None),
        ({"modality": "US", "BurnedInAnnotation": "YES"}, "The file says"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.77.1.4", "modality": "XC"}, None),  # a photograph, no capture
    ],
)
def test_what_the_file_says_of_burned_in_text_is_told(tmp_path: Path, tags: dict[str, str], words: str | None) -> None:
    make_image(tmp_path / "in.dcm", FLAT, **tags)
    said = read_picture(tmp_path / "in.dcm", scratch=tmp_path).burned_in
    assert (said or "").startswith(words or "")
    assert (said is None) == (words is None)


def test_letters_are_believed_more_than_a_file_that_denies_them(tmp_path: Path) -> None:
    stored = written("DOE^JOHN M 51Y", px=14, grey=255, place="top left").astype(np.int16)
    make_image(tmp_path / "in.dcm", stored, intercept=-100, BurnedInAnnotation="NO", spacing=(1, 1))
    assert read_picture(tmp_path / "in.dcm", scratch=tmp_path).burned_in == LIKELY


def test_letters_of_a_slice_that_is_turned_over_are_seen_all_the_same(tmp_path: Path) -> None:
    stored = written("DOE^JOHN M 51Y", px=14, grey=255, place="top left").astype(np.int16)
    make_image(tmp_path / "in.dcm", stored, intercept=-100, orientation=(0, 1, 0, -1, 0, 0), spacing=(1, 1))
    assert read_picture(tmp_path / "in.dcm", scratch=tmp_path).burned_in == LIKELY
