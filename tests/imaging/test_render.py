from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from workbench.domain.errors import InvalidRequest
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.render import AMBER, mark_picture, render_view, scale_bar_mm
from workbench.imaging.slices import Window

MADE = Provenance(origin=Origin.UPLOAD, model="upload", version="1", created_at="2026-01-01T00:00:00+00:00")
VOLUME = Volume(
    voxels_hu=np.full((60, 50, 20), 50, np.int16, order="F"),
    affine_ras_mm=np.diag([-1.0, -1.0, 4.0, 1.0]),
    provenance=MADE,
)
LABELS = np.zeros((60, 50, 20), np.uint8, order="F")
LABELS[5:25, 15:35, 5:15] = 1
WINDOW = Window(center=50, width=400)


def picture(**asked: object) -> np.ndarray:
    call = {"plane": "axial", "slice_number": 10, "window": WINDOW, "longest_px": 600} | asked
    return np.asarray(Image.open(io.BytesIO(render_view(VOLUME, LABELS, **call))).convert("RGB")).astype(int)


def is_amber(pixels: np.ndarray) -> np.ndarray:
    return (pixels == AMBER).all(axis=-1)


def test_a_picture_has_the_true_proportions_over_its_caption() -> None:
    axial, coronal = picture(), picture(plane="coronal")
    assert axial.shape[1] == 600
    assert 500 < axial.shape[0] < 580  # 60 x 50 mm, and lines of text
    assert coronal.shape[0] > coronal.shape[1]  # 60 mm wide, 80 mm high
    assert coronal.shape[1] == 450


def test_a_structure_is_painted_where_it_lies_at_its_opacity() -> None:
    grey = picture(visible=())[200, 150]
    colour = np.array(list(bytes.fromhex(colour_of(1)[1:])))
    assert np.abs(picture(opacity=0.5)[200, 150] - (grey + colour) / 2).max() <= 1
    assert np.abs(picture(opacity=1.0)[200, 150] - colour).max() <= 1
    assert np.array_equal(picture(opacity=1.0)[200, 400], grey)  # the mask lies on the picture's left: patient's right


def test_safe_colours_are_the_other_table() -> None:
    colour = np.array(list(bytes.fromhex(colour_of(1, safe=True)[1:])))
    assert np.abs(picture(opacity=1.0, safe_colours=True)[200, 150] - colour).max() <= 1


def test_an_outline_leaves_the_inside_clear() -> None:
    plain, outlined = picture(visible=()), picture(outline=True)
    assert np.array_equal(plain[200, 150], outlined[200, 150])
    assert not np.array_equal(plain[200, 50], outlined[200, 50])


@pytest.mark.parametrize("mark", ["MOCK", "SYNTHETIC"])
def test_a_mark_runs_along_all_four_edges(mark: str) -> None:
    band = is_amber(picture(mark=mark))
    assert band[0].sum() > 100
    assert band[495].sum() > 100
    assert band[:500, 0].sum() > 100
    assert band[:500, -1].sum() > 100
    assert not band[100:400, 100:500].any()


def test_nothing_amber_is_drawn_without_a_mark() -> None:
    assert not is_amber(picture(visible=())).any()


def test_the_word_in_the_corner_tells_mock_from_synthetic() -> None:
    assert not np.array_equal(picture(mark="MOCK"), picture(mark="SYNTHETIC"))


def test_marking_with_none_gives_the_picture_back() -> None:
    image = Image.new("RGB", (40, 30))
    assert mark_picture(image, None) is image


def test_a_tiny_picture_can_be_marked() -> None:
    assert is_amber(np.asarray(mark_picture(Image.new("L", (24, 16)), "MOCK"))).any()


def test_two_renderings_are_the_same_bytes() -> None:
    asked = {"plane": "sagittal", "slice_number": 20, "window": WINDOW, "mark": "MOCK", "caption": "made-up, 2026"}
    assert render_view(VOLUME, LABELS, **asked) == render_view(VOLUME, LABELS, **asked)


def test_a_long_caption_is_wrapped_and_not_cut() -> None:
    assert picture(caption="word " * 80).shape[0] > picture().shape[0] + 40


@pytest.mark.parametrize(("width_mm", "length"), [(400, 100), (330, 50), (60, 10), (10, 2), (2, 1), (2000, 500)])
def test_a_scale_bar_is_a_round_length_of_at_most_a_third(width_mm: float, length: int) -> None:
    assert scale_bar_mm(width_mm) == length


@pytest.mark.parametrize("asked", [{"opacity": 1.5}, {"slice_number": 99}, {"longest_px": 10}, {"plane": "up"}])
def test_a_picture_that_cannot_be_made_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        picture(**asked)
