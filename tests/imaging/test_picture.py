from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from tests.made import MOCK, UPLOAD
from workbench.domain.errors import InvalidRequest
from workbench.domain.organs import NOT_EVALUATED
from workbench.domain.picture import LONGEST_PX
from workbench.domain.volume import Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.picture import expert_picture, mosaic_picture, slice_picture
from workbench.imaging.slices import PLANES, Window

WINDOW = Window(center=50, width=400)
BRIGHT, DARK = 250, -150


def volume(voxels: np.ndarray, affine: np.ndarray) -> Volume:
    return Volume(voxels_hu=voxels, affine_ras_mm=affine, provenance=UPLOAD)


def in_every_orientation():
    """One and the same body with a bright block at its right, anterior, superior corner, stored in all 48 ways."""
    body = np.full((20, 16, 12), DARK, np.int16)  # to the left, to the back, to the head
    body[1:6, 2:5, 8:11] = BRIGHT
    affine = np.diag([-2.0, -3.0, 5.0, 1.0])
    affine[:3, 3] = 40, 30, -20
    for order in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            stored, matrix = body.transpose(order), affine[:, [*order, 3]].copy()
            for axis, is_flipped in enumerate(flips):
                if is_flipped:
                    matrix[:3, 3] += matrix[:3, axis] * (stored.shape[axis] - 1)
                    matrix[:3, axis] *= -1
                    stored = np.flip(stored, axis)
            yield pytest.param(
                volume(stored, matrix), id=f"{''.join(map(str, order))}{''.join('+-'[f] for f in flips)}"
            )


@pytest.mark.parametrize("stored", list(in_every_orientation()))
def test_right_anterior_superior_is_where_it_belongs_however_the_volume_is_stored(stored: Volume) -> None:
    # by hand: axial 20 x 16 pixels of 2 x 3 mm, coronal 20 x 12 of 2 x 5, sagittal 16 x 12 of 3 x 5
    wanted = {
        "axial": (10, 2.0, (24, 20), (slice(4, 6), slice(2, 5)), "top left: anterior, right"),
        "coronal": (4, 2.0, (30, 20), (slice(4, 8), slice(2, 5)), "top left: superior, right"),
        "sagittal": (3, 3.0, (20, 16), (slice(3, 5), slice(2, 5)), "top left: superior, anterior"),
    }
    for plane, (number, mm_wanted, shape, block, _) in wanted.items():
        pixels, mm = slice_picture(stored, None, plane=plane, slice_number=number, window=WINDOW, overlay=False)
        assert (pixels.shape, mm) == (shape, mm_wanted)
        assert (pixels[block] == 255).all(), plane
        outside = np.ones(shape, bool)
        outside[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = False
        assert (pixels[outside] == 0).all(), plane


def test_a_picture_is_not_enlarged_beyond_square_pixels() -> None:
    square = volume(np.zeros((30, 20, 5), np.int16), np.diag([-0.5, -0.5, 2.0, 1.0]))
    axial, axial_mm = slice_picture(square, None, plane="axial", slice_number=1, window=WINDOW, overlay=False)
    coronal, coronal_mm = slice_picture(square, None, plane="coronal", slice_number=1, window=WINDOW, overlay=False)
    assert (axial.shape, axial_mm) == ((20, 30), 0.5)
    assert (coronal.shape, coronal_mm) == ((20, 30), 0.5)


def test_square_pixels_of_thick_slices_do_not_outgrow_what_is_sent() -> None:
    tall = volume(np.zeros((50, 3, 400), np.int16), np.diag([-0.5, -1.0, 5.0, 1.0]))  # 25 x 2000 mm
    pixels, mm = slice_picture(tall, None, plane="coronal", slice_number=2, window=WINDOW, overlay=False)
    assert pixels.shape == (LONGEST_PX, 14)
    assert mm == pytest.approx(2000 / LONGEST_PX)


def test_grey_follows_the_window() -> None:
    ramp = volume(np.arange(-150, 250, 4, dtype=np.int16).reshape(100, 1, 1), np.diag([-1.0, -1.0, 1.0, 1.0]))
    shown, _ = slice_picture(ramp, None, plane="axial", slice_number=1, window=WINDOW, overlay=False)
    assert shown[0, 0] == 0
    assert shown[0, 50] == 128  # 50 HU, the middle
    assert shown[0, 99] == 253


LABELS = np.zeros((20, 10, 6), np.uint8)
LABELS[2:8, 1:9, :] = 1
LABELS[12:18, 4:6, :3] = 26
LABELS[0, 0, :] = NOT_EVALUATED
FLAT = volume(np.full((20, 10, 6), 50, np.int16), np.diag([-1.0, -2.0, 3.0, 1.0]))


def colour(label: int, **how: bool) -> np.ndarray:
    return np.array(list(bytes.fromhex(colour_of(label, **how)[1:])))


def drawn(**how: object) -> np.ndarray:
    call = {"plane": "axial", "slice_number": 2, "window": WINDOW, "overlay": True} | how
    return slice_picture(FLAT, LABELS, **call)[0].astype(int)


def test_the_overlay_paints_the_mask_in_the_usual_colours() -> None:
    picture = drawn()
    assert picture.shape == (20, 20, 3)
    assert np.abs(picture[8, 4] - (128 * 0.6 + colour(1) * 0.4)).max() <= 1
    assert np.abs(picture[9, 14] - (128 * 0.6 + colour(26) * 0.4)).max() <= 1
    assert (picture[0, 19] == 128).all()


def test_only_visible_structures_are_painted_and_never_what_was_not_evaluated() -> None:
    picture = drawn(visible=[26])
    assert (picture[8, 4] == 128).all()
    assert (picture[9, 14] != 128).any()
    assert (drawn()[0, 0] == 128).all()


def test_safe_colours_are_the_other_table() -> None:
    assert np.abs(drawn(safe_colours=True)[8, 4] - (128 * 0.6 + colour(1, safe=True) * 0.4)).max() <= 1


def test_without_overlay_or_mask_the_picture_is_grey() -> None:
    assert drawn(overlay=False).ndim == 2
    assert slice_picture(FLAT, None, plane="axial", slice_number=1, window=WINDOW, overlay=True)[0].ndim == 2


def test_three_planes_stand_side_by_side_at_one_scale() -> None:
    bright = volume(np.full((20, 10, 6), BRIGHT, np.int16), np.diag([-1.0, -2.0, 3.0, 1.0]))
    picture, mm = mosaic_picture(
        bright, None, slices={"axial": 1, "coronal": 1, "sagittal": 1}, window=WINDOW, overlay=False
    )
    # 20 x 20 mm, 20 x 18 mm and 20 x 18 mm, 8 pixels apart
    assert (picture.shape, mm) == ((20, 76), 1.0)
    assert (picture[:, :20] == 255).all()
    assert (picture[:, 20:28] == 0).all()
    assert (picture[1:19, 28:48] == 255).all()
    assert (picture[0, 28:] == 0).all()
    assert (picture[1:19, 56:] == 255).all()


def test_three_planes_show_the_slices_asked_for_with_their_masks() -> None:
    picture, _ = mosaic_picture(
        FLAT, LABELS, slices={"axial": 6, "coronal": 5, "sagittal": 15}, window=WINDOW, overlay=True
    )
    axial, coronal, sagittal = (picture[:, left : left + 20].astype(int) for left in (0, 28, 56))
    assert (axial[9, 14] == 128).all()  # the tumour ends below slice 6
    assert np.abs(coronal[14, 14] - (128 * 0.6 + colour(26) * 0.4)).max() <= 1
    assert np.abs(sagittal[14, 9] - (128 * 0.6 + colour(26) * 0.4)).max() <= 1
    assert (sagittal[4, 9] == 128).all()


def test_three_planes_of_a_large_volume_fit_into_what_is_sent() -> None:
    large = volume(np.zeros((512, 512, 40), np.int16), np.diag([-0.8, -0.8, 5.0, 1.0]))
    middle = {"axial": 20, "coronal": 250, "sagittal": 250}
    picture, mm = mosaic_picture(large, None, slices=middle, window=WINDOW, overlay=False)
    assert LONGEST_PX - 8 < picture.shape[1] <= LONGEST_PX
    assert picture.shape[1] == pytest.approx((3 * 512 * 0.8) / mm + 16, abs=2)


@pytest.mark.parametrize("slices", [{"axial": 1}, {"axial": 1, "coronal": 1, "up": 1}, {}])
def test_a_mosaic_without_all_three_planes_is_refused(slices: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest, match="slice of each"):
        mosaic_picture(FLAT, None, slices=slices, window=WINDOW, overlay=False)


@pytest.mark.parametrize("plane", PLANES)
def test_a_slice_outside_the_volume_is_refused(plane: str) -> None:
    with pytest.raises(InvalidRequest, match="slices; slice 99"):
        slice_picture(FLAT, LABELS, plane=plane, slice_number=99, window=WINDOW, overlay=True)


def test_an_expert_colours_labels_in_ascending_order_and_names_them_so() -> None:
    picture, mm, legend, colours = expert_picture(FLAT, LABELS, plane="axial", slice_number=2, window=WINDOW)
    assert legend == "red: liver, blue: hepatic tumor"
    assert colours == {1: "#ff0000", 26: "#0000ff"}
    assert mm == 1.0
    assert np.abs(picture[8, 4].astype(int) - (128 * 0.7 + 0.3 * np.array([255, 0, 0]))).max() <= 1
    assert np.abs(picture[9, 14].astype(int) - (128 * 0.7 + 0.3 * np.array([0, 0, 255]))).max() <= 1
    assert (picture[0, 19] == 128).all()


def test_the_colours_follow_the_structures_of_the_slice_and_not_of_the_volume() -> None:
    labels = np.where(LABELS == 1, 0, LABELS)
    _, _, legend, colours = expert_picture(FLAT, labels, plane="axial", slice_number=2, window=WINDOW)
    assert (legend, colours) == ("red: hepatic tumor", {26: "#ff0000"})


def test_an_expert_slice_without_structures_is_grey_in_colour_form_and_has_no_legend() -> None:
    picture, _, legend, colours = expert_picture(
        FLAT, np.zeros_like(LABELS), plane="axial", slice_number=2, window=WINDOW
    )
    assert (legend, colours) == ("", {})
    assert picture.shape == (20, 20, 3)
    assert (picture == 128).all()


def test_more_structures_than_colours_begin_again_as_the_model_learned_it() -> None:
    labels = np.zeros((20, 10, 6), np.uint8)
    labels[:17, 0, 0] = np.arange(1, 18)
    _, _, legend, _ = expert_picture(FLAT, labels, plane="axial", slice_number=1, window=WINDOW)
    names = [each.split(":")[0] for each in legend.split(", ")]
    assert names[:12] == [
        *("red", "blue", "yellow", "magenta", "green", "indigo", "darkorange", "cyan", "pink", "brown"),
        *("orange", "lime"),
    ]
    assert names[16] == "red"


def test_a_phantom_is_looked_at_like_a_scan() -> None:
    made = Volume(voxels_hu=FLAT.voxels_hu, affine_ras_mm=FLAT.affine_ras_mm, provenance=MOCK)
    ours, _ = slice_picture(made, LABELS, plane="axial", slice_number=2, window=WINDOW, overlay=True)
    assert np.array_equal(ours, drawn())
