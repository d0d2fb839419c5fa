"""Figures show what was measured, say so when it is mock, and come out the same every time."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Measurements, Segmentation
from workbench.domain.volume import Grid, Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.measure import measure
from workbench.imaging.plots import (
    area_figure,
    contact_figure,
    cross_sections,
    histogram_figure,
    ranges_figure,
    volume_text,
)
from workbench.imaging.slices import position_mm

PANEL = {True: (0x16, 0x1B, 0x22), False: (0xFF, 0xFF, 0xFF)}
MADE = Provenance(origin=Origin.LOCAL, model="a test", version="1", created_at="2026-01-01T00:00:00+00:00")
LPS = np.array([[-2.0, 0, 0, 60], [0, -2, 0, 40], [0, 0, 5, -100], [0, 0, 0, 1]])


class Scan:
    """A small CT with a liver ball, a cut rib and air around them."""

    def __init__(self, affine: NDArray[np.float64] = LPS) -> None:
        i, j, k = np.meshgrid(*(np.arange(size) for size in (60, 50, 20)), indexing="ij")
        self.labels = np.zeros((60, 50, 20), np.uint8, order="F")
        self.labels[(i - 25) ** 2 + (j - 20) ** 2 + (2.5 * (k - 12)) ** 2 < 15**2] = 1
        self.labels[50:60, 30:33, 3:5] = 63
        noise = np.random.default_rng(1).integers(-20, 21, self.labels.shape)
        hu = np.where(self.labels == 1, 60 + noise, np.where(self.labels == 63, 700, -1000)).astype(np.int16)
        self.volume = Volume(voxels_hu=np.asfortranarray(hu), affine_ras_mm=affine, provenance=MADE)
        mask = Segmentation(labels=self.labels, grid=self.volume.grid, asked=None, provenance=MADE)
        self.measured = measure(self.volume, mask, created_at="2026-01-01T00:00:00+00:00")
        self.liver, self.rib = self.measured.organs


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Scan()


@cache
def figures(scan: Scan, *, mark: str | None, dark: bool, safe_colours: bool = False) -> dict[str, bytes]:
    options = {"mark": mark, "dark": dark, "safe_colours": safe_colours}
    return {
        "histogram": histogram_figure(scan.volume, scan.labels, scan.liver, **options),
        "area": area_figure(scan.labels, scan.volume.grid, scan.liver, **options),
        "ranges": ranges_figure(scan.measured, **options),
        "contact": contact_figure(scan.volume, scan.labels, scan.measured, **options),
    }


NAMES = ("histogram", "area", "ranges", "contact")


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def near(picture: NDArray[np.uint8], colour: str, within: int = 40) -> int:
    wanted = np.array(list(bytes.fromhex(colour.removeprefix("#"))), np.int64)
    return int((np.abs(picture.astype(np.int64) - wanted).max(axis=2) <= within).sum())


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_lies_on_the_panel_of_its_theme(scan: Scan, name: str, dark: bool) -> None:
    picture = pixels(figures(scan, mark=None, dark=dark)[name])
    assert tuple(picture[-3, 3]) == PANEL[dark]
    assert picture.shape[1] >= 900


def test_a_figure_is_the_same_every_time_and_in_every_thread(scan: Scan) -> None:
    once = figures(scan, mark="MOCK", dark=True)
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda _: figures.__wrapped__(scan, mark="MOCK", dark=True), range(2)))
    assert all(each == once for each in again)


@pytest.mark.parametrize("mark", ["MOCK", "SYNTHETIC"])
@pytest.mark.parametrize("name", NAMES)
def test_a_mark_is_drawn_into_the_picture(scan: Scan, name: str, mark: str) -> None:
    plain = pixels(figures(scan, mark=None, dark=True)[name])
    marked = pixels(figures(scan, mark=mark, dark=True)[name])
    assert near(marked, "#f0b429") > near(plain, "#f0b429") + 500


@pytest.mark.parametrize("name", NAMES)
def test_a_mark_hides_nothing_of_the_figure(scan: Scan, name: str) -> None:
    plain = pixels(figures(scan, mark=None, dark=True)[name])
    marked = pixels(figures(scan, mark="SYNTHETIC", dark=True)[name])
    height, width, _ = plain.shape
    assert np.array_equal(marked[-14 - height : -14, 14 : 14 + width], plain)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("safe", [True, False])
def test_a_structure_has_its_own_colour(scan: Scan, name: str, safe: bool) -> None:
    picture = pixels(figures(scan, mark=None, dark=True, safe_colours=safe)[name])
    assert near(picture, colour_of(scan.liver.label, safe=safe)) > 20


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize(
    "affine",
    [LPS, np.diag([2.0, 2, 5, 1]), np.array([[0.0, 0, 5, 0], [2, 0, 0, 0], [0, -2, 0, 0], [0, 0, 0, 1]])],
    ids=["LPS", "RAS", "permuted"],
)
def test_areas_times_slice_steps_give_the_volume(plane: str, affine: NDArray[np.float64]) -> None:
    scan = Scan(affine)
    positions, areas = cross_sections(scan.labels, scan.volume.grid, 1, plane=plane)
    step_mm = abs(positions[1] - positions[0])
    assert areas.sum() * 100 * step_mm / 1000 == pytest.approx(scan.liver.volume_ml)
    assert int(np.argmax(areas)) + 1 == scan.liver.largest_slice[plane]
    assert positions[3] == position_mm(scan.volume.grid, plane, 4)


def test_an_oblique_slice_has_the_area_of_its_own_plane() -> None:
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 3.0, 5.0])
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[2:4, 3:6, 4] = 1
    _, areas = cross_sections(labels, Grid(shape=(9, 9, 9), affine_ras_mm=affine), 1)
    assert areas.max() == pytest.approx(2 * 3 * 6 / 100)


def test_numbers_are_written_as_on_the_page(scan: Scan) -> None:
    thin = "\N{THIN SPACE}"
    assert volume_text(replace(scan.liver, volume_ml=1860.61, touches_edge=False)) == f"1{thin}860.6 mL"
    assert volume_text(replace(scan.liver, volume_ml=2.531, touches_edge=False)) == "2.53 mL"
    assert volume_text(replace(scan.liver, volume_ml=412, touches_edge=True)) == "at least 412.0 mL"


def test_nothing_found_still_makes_a_figure(scan: Scan) -> None:
    nothing = Measurements(organs=(), provenance=MADE)
    for png in (ranges_figure(nothing), contact_figure(scan.volume, scan.labels, nothing)):
        assert len(np.unique(pixels(png).reshape(-1, 3), axis=0)) > 3


def test_a_single_voxel_at_the_edge_makes_every_figure() -> None:
    scan = Scan()
    labels = np.zeros_like(scan.labels)
    labels[0, 0, 0] = 1
    mask = Segmentation(labels=labels, grid=scan.volume.grid, asked=None, provenance=MADE)
    measured = measure(scan.volume, mask, created_at="now")
    (organ,) = measured.organs
    assert histogram_figure(scan.volume, labels, organ)
    assert contact_figure(scan.volume, labels, measured)
    for plane in ("axial", "coronal", "sagittal"):
        assert area_figure(labels, scan.volume.grid, organ, plane=plane)


def test_a_contact_figure_shows_only_as_many_as_asked(scan: Scan) -> None:
    every = pixels(contact_figure(scan.volume, scan.labels, scan.measured, columns=1))
    first = pixels(contact_figure(scan.volume, scan.labels, scan.measured, columns=1, most=1))
    assert first.shape[0] < every.shape[0]


def test_a_histogram_of_a_structure_gone_from_the_mask_is_empty_and_whole(scan: Scan) -> None:
    assert pixels(histogram_figure(scan.volume, np.zeros_like(scan.labels), scan.liver)).shape[2] == 3
