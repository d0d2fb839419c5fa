from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from workbench.domain.picture import LONGEST_PX, MOST_INLINE_CHARACTERS
from workbench.imaging.picture import Drawn, encode_picture
from workbench.imaging.render import AMBER, mark_margins, mark_round

NOISE = np.random.default_rng(8)
SOFT = np.clip(np.add.outer(np.arange(300) / 3, np.arange(400) / 4) + 20, 0, 255).astype(np.uint8)


def decoded(drawn: Drawn) -> np.ndarray:
    image = Image.open(io.BytesIO(drawn.encoded))
    assert (image.format, image.size) == ("JPEG", (drawn.width_px, drawn.height_px))
    return np.asarray(image).astype(int)


def base64_characters(drawn: Drawn) -> int:
    return 4 * ((len(drawn.encoded) + 2) // 3)


def segments(encoded: bytes) -> list[int]:
    """Markers of a JPEG up to its scan."""
    at, found = 2, []
    while encoded[at + 1] != 0xDA:
        found.append(encoded[at + 1])
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return found


def test_a_small_picture_keeps_its_size_and_its_grey() -> None:
    drawn = encode_picture(SOFT, mark=None, mm_per_px=0.8)
    assert (drawn.media_type, drawn.width_px, drawn.height_px, drawn.mm_per_px) == ("image/jpeg", 400, 300, 0.8)
    assert drawn.notes == ()
    assert np.abs(decoded(drawn) - SOFT).max() <= 3


def test_colours_are_not_smeared_over_their_neighbours() -> None:
    red_beside_blue = np.zeros((64, 64, 3), np.uint8)
    red_beside_blue[:, :31, 0] = 255
    red_beside_blue[:, 31:, 2] = 255
    shown = decoded(encode_picture(red_beside_blue, mark=None))
    assert shown[32, 30, 0] > 200
    assert shown[32, 31, 2] > 200


def test_a_large_picture_is_scaled_down_and_says_so() -> None:
    drawn = encode_picture(np.full((1500, 3000), 90, np.uint8), mark=None, mm_per_px=0.2)
    assert (drawn.width_px, drawn.height_px) == (LONGEST_PX, LONGEST_PX // 2)
    assert drawn.mm_per_px == pytest.approx(0.2 * 3000 / LONGEST_PX)
    assert drawn.notes[0].startswith("Scaled down from 3000 x 1500 to 1120 x 560 pixels")
    assert np.abs(decoded(drawn) - 90).max() <= 1


def test_a_very_long_picture_keeps_a_pixel_of_height() -> None:
    assert encode_picture(np.zeros((1, 9000), np.uint8), mark=None).height_px == 1


def test_the_best_quality_that_fits_is_taken() -> None:
    smooth = encode_picture(SOFT, mark=None)
    rough = encode_picture(np.clip(120 + NOISE.normal(0, 9, (600, 600)), 0, 255).astype(np.uint8), mark=None)
    assert smooth.notes == ()
    assert rough.notes == ("JPEG quality 90 of 100, to keep it small enough to send.",)
    assert base64_characters(rough) < MOST_INLINE_CHARACTERS


def test_where_nothing_fits_the_quality_stays_good() -> None:
    noise = NOISE.integers(0, 256, (1000, 1000), dtype=np.uint8)
    drawn = encode_picture(noise, mark=None)
    assert base64_characters(drawn) > MOST_INLINE_CHARACTERS
    assert drawn.notes == ("JPEG quality 90 of 100; still too large to travel inside a request to the catalogue.",)


def test_two_encodings_are_the_same_bytes() -> None:
    assert encode_picture(SOFT, mark="MOCK").encoded == encode_picture(SOFT.copy(), mark="MOCK").encoded


@pytest.mark.parametrize("mark", [None, "SYNTHETIC"])
def test_the_file_holds_pixels_and_nothing_else(mark: str | None) -> None:
    found = segments(encode_picture(SOFT, mark=mark).encoded)
    assert set(found) <= {0xE0, 0xDB, 0xC0, 0xC4}  # JFIF header, tables, frame: no EXIF, no profile, no comment


MARKS = ["MOCK", "SYNTHETIC", "MOCK SYNTHETIC"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("size", [(400, 300), (8, 8), (30, 40), (150, 900), (900, 150), (1200, 1200)])
def test_the_frame_of_a_mark_covers_no_pixel(mark: str, size: tuple[int, int]) -> None:
    pixels = NOISE.integers(0, 200, (size[1], size[0], 3), dtype=np.uint8)
    framed = np.asarray(mark_round(Image.fromarray(pixels), mark))
    aside, above = mark_margins(size, mark)
    assert framed.shape == (size[1] + 2 * above, size[0] + 2 * aside, 3)
    assert np.array_equal(framed[above:-above, aside:-aside], pixels)
    for edge in (framed[0], framed[-1], framed[:, 0], framed[:, -1]):
        assert (edge == AMBER).all(axis=-1).mean() > 0.3
    words = framed[:above]
    assert (words == AMBER).all(axis=-1).sum() > (framed[-above:] == AMBER).all(axis=-1).sum()


def test_without_a_mark_there_is_no_frame() -> None:
    image = Image.new("L", (40, 30))
    assert mark_round(image, None) is image


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("shape", [(300, 400), (40, 30), (1120, 1120), (2000, 900), (512, 512, 3)])
def test_the_encoded_picture_is_the_framed_one_within_what_is_sent(mark: str, shape: tuple[int, ...]) -> None:
    drawn = encode_picture(np.full(shape, 100, np.uint8), mark=mark)
    assert max(drawn.width_px, drawn.height_px) == LONGEST_PX or max(shape) < LONGEST_PX
    assert max(drawn.width_px, drawn.height_px) <= LONGEST_PX
    shown = decoded(drawn)
    middle = shown[drawn.height_px // 2, drawn.width_px // 2]
    assert np.abs(middle - 100).max() <= 3
    assert (np.abs(shown[1] - AMBER).max(axis=-1) < 60).mean() > 0.2
    inner = np.abs(shown[drawn.height_px // 2] - 100).max(axis=-1) < 30
    high = np.abs(shown[:, drawn.width_px // 2] - 100).max(axis=-1) < 30
    assert inner.sum() / high.sum() == pytest.approx(shape[1] / shape[0], rel=0.1)


def test_the_words_of_marks_differ() -> None:
    assert encode_picture(SOFT, mark="MOCK").encoded != encode_picture(SOFT, mark="SYNTHETIC").encoded


def test_the_scale_of_a_marked_picture_is_that_of_its_pixels() -> None:
    small = encode_picture(SOFT, mark="MOCK", mm_per_px=0.8)
    assert small.mm_per_px == 0.8
    large = encode_picture(np.full((1120, 1120), 90, np.uint8), mark="MOCK", mm_per_px=0.5)
    aside, above = mark_margins((1000, 1000), "MOCK")
    inner = 1120 - 2 * max(aside, above)
    assert large.mm_per_px == pytest.approx(0.5 * 1120 / inner)
    assert (large.width_px, large.height_px) == (inner + 2 * aside, inner + 2 * above)
