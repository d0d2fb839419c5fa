"""PNG and JPEG, and files that only look like pictures."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.data import real
from workbench.domain.errors import InputError, TooLarge, UnknownFormat, UnreadableImage
from workbench.imaging.picture import encode_picture
from workbench.imaging.read.picture import MOST_BYTES, FoundPicture, is_picture, read_picture

RAMP = np.add.outer(np.arange(24) * 4, np.arange(40) * 3).astype(np.uint8)
COLOURS = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)
ANSWERS = {"left": (255, 0, 0), "right": (0, 0, 255)}


@pytest.fixture
def read(tmp_path: Path):
    def from_image(image: Image.Image, form: str = "PNG", **options: object) -> FoundPicture:
        return from_bytes(encoded(image, form, **options))

    def from_bytes(content: bytes) -> FoundPicture:
        path = tmp_path / "given"
        path.write_bytes(content)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            return read_picture(path, scratch=scratch)
        finally:
            assert list(scratch.iterdir()) == []

    from_image.bytes = from_bytes
    return from_image


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def test_grey_is_read_as_it_is(read) -> None:
    found = read(Image.fromarray(RAMP))
    assert np.array_equal(found.pixels, RAMP)
    assert (found.modality, found.burned_in, found.notes, found.mm_per_px) == (None, None, (), None)


def test_colours_are_read_as_they_are(read) -> None:
    assert np.array_equal(read(Image.fromarray(COLOURS)).pixels, COLOURS)


def test_a_grey_picture_saved_in_colour_is_grey_again(read) -> None:
    assert np.array_equal(read(Image.fromarray(RAMP).convert("RGB")).pixels, RAMP)


@pytest.mark.parametrize("options", [{"quality": 98}, {"quality": 98, "progressive": True}])
def test_a_jpeg_is_read_within_its_loss(read, options: dict[str, object]) -> None:
    assert np.abs(read(Image.fromarray(RAMP), "JPEG", **options).pixels.astype(int) - RAMP).max() <= 4


def test_black_and_white_and_palettes_are_read(read) -> None:
    assert set(np.unique(read(Image.fromarray(RAMP).convert("1")).pixels)) == {0, 255}
    indexed = Image.new("P", (16, 16))
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    indexed.putdata([0] * 128 + [1] * 128)
    pixels = read(indexed).pixels
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[15, 0].tolist() == [0, 0, 255]


def test_transparent_parts_lie_over_black_and_it_is_said(read) -> None:
    rgba = np.dstack([COLOURS, np.full(RAMP.shape, 255, np.uint8)])
    assert read(Image.fromarray(rgba)).notes == ()
    rgba[:10, :, 3] = 0
    found = read(Image.fromarray(rgba))
    assert (found.pixels[:10] == 0).all()
    assert np.array_equal(found.pixels[10:], COLOURS[10:])
    assert found.notes == ("Transparent parts were laid over black.",)


def test_a_transparent_colour_of_a_palette_lies_over_black(read) -> None:
    indexed = Image.new("P", (16, 16), 1)
    indexed.putpalette([255, 0, 0, 200, 200, 255])
    indexed.paste(0, (0, 0, 8, 16))
    pixels = read(indexed, transparency=0).pixels
    assert pixels[3, 3].tolist() == [0, 0, 0]
    assert pixels[3, 12].tolist() == [200, 200, 255]


def test_sixteen_bits_are_spread_between_percentiles_and_it_is_said(read) -> None:
    values = np.linspace(1000, 5000, 40 * 50).reshape(40, 50).astype(np.uint16)
    found = read(Image.fromarray(values))
    low, high = np.percentile(values, (0.5, 99.5))
    wanted = np.clip((values - low) / (high - low), 0, 1) * 255
    assert np.abs(found.pixels - wanted).max() <= 1
    assert found.notes == (
        f"The picture has 16 bits. Grey runs from {low:g} (black) to {high:g} (white), percentiles 0.5 and 99.5 of "
        "the values.",
    )


def test_sixteen_bits_of_one_value_are_black(read) -> None:
    assert (read(Image.fromarray(np.full((10, 10), 700, np.uint16))).pixels == 0).all()


def upright() -> Image.Image:
    image = Image.new("RGB", (32, 16), ANSWERS["right"])
    image.paste(ANSWERS["left"], (0, 0, 16, 16))
    image.paste((0, 255, 0), (0, 0, 8, 8))
    return image


_TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_photograph_is_turned_upright_as_its_exif_says(read, orientation: int, form: str) -> None:
    how = _TO_STORED[orientation]
    stored = upright() if how is None else upright().transpose(how)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read(stored, form, exif=exif, **({"quality": 98, "subsampling": 0} if form == "JPEG" else {}))
    assert np.abs(found.pixels.astype(int) - np.asarray(upright())).max() < 60
    assert (found.notes == ()) == (orientation == 1)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00nonsense", b"Exif\x00\x00II*\x00\xff\xff\xff\xff"])
def test_exif_that_cannot_be_understood_does_no_harm(read, exif: bytes) -> None:
    assert read(Image.fromarray(RAMP), "JPEG", exif=exif).pixels.shape == RAMP.shape


def test_nothing_written_beside_the_pixels_goes_on(read) -> None:
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = "Sentinelname"  # image description, artist
    text = PngInfo()
    text.add_text("Comment", "Sentinelname")
    text.add_itxt("Author", "Sentinelname", zip=True)
    profile = b"Sentinelname" + bytes(200)
    for form, options in (
        ("JPEG", {"exif": exif, "comment": b"Sentinelname", "icc_profile": profile}),
        ("PNG", {"exif": exif, "pnginfo": text, "icc_profile": profile}),
    ):
        assert b"Sentinelname" in encoded(Image.fromarray(RAMP), form, **options)
        found = read(Image.fromarray(RAMP), form, **options)
        assert b"Sentinelname" not in encode_picture(found.pixels, mark=None).encoded
        assert "Sentinelname" not in repr(found)


def headed_png(columns: int, rows: int) -> bytes:
    """A PNG whose header promises this size, over hardly any data."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("columns", "rows"), [(20_000, 20_000), (20_000, 10), (10, 20_000), (8000, 6000)])
def test_a_picture_of_a_giant_size_is_refused_before_it_is_decoded(read, columns: int, rows: int) -> None:
    with pytest.raises(TooLarge, match=f"{columns:,} x {rows:,} pixels; at most 40 million") as refused:
        read.bytes(headed_png(columns, rows))
    assert "1,120" in str(refused.value.hint)


def test_a_jpeg_of_a_giant_size_is_refused_before_it_is_decoded(read) -> None:
    content = bytearray(encoded(Image.fromarray(RAMP), "JPEG", exif=b"Exif\x00\x00" + bytes(5000)))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(TooLarge, match="60,000 x 60,000"):
        read.bytes(bytes(content))


def test_a_file_of_too_many_bytes_is_refused_unread(read, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(encoded(Image.fromarray(RAMP)))
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(TooLarge, match=r"200\.0 MB"):
        read_picture(path, scratch=tmp_path)


def in_frames(form: str) -> bytes:
    frames = [Image.fromarray(np.roll(RAMP, step, axis=1)) for step in range(3)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=40)


def flipped() -> bytes:
    content = bytearray(encoded(Image.fromarray(RAMP)))
    content[content.index(b"IDAT") + 20] ^= 1
    return bytes(content)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Sentinelname.dcm", b"x")
    return out.getvalue()


BAD = {
    "an empty file": (b"", UnreadableImage, "The file is empty"),
    "a cut PNG": (encoded(Image.fromarray(COLOURS))[:-40], UnreadableImage, "PNG is damaged or cut short"),
    "a PNG of a header": (encoded(Image.fromarray(RAMP))[:30], UnreadableImage, "PNG is damaged or cut short"),
    "a PNG of a start": (encoded(Image.fromarray(RAMP))[:20], UnreadableImage, "PNG is damaged or cut short"),
    "a cut JPEG": (encoded(Image.fromarray(COLOURS), "JPEG")[:700], UnreadableImage, "JPEG is damaged or cut short"),
    "a JPEG of a start": (b"\xff\xd8\xff\xe0\x00\x10JFIF", UnreadableImage, "JPEG is damaged or cut short"),
    "a JPEG without a frame": (b"\xff\xd8\xff\xda\x00\x02" + bytes(50), UnreadableImage, "JPEG is damaged"),
    "a PNG with a flipped bit": (flipped(), UnreadableImage, "PNG is damaged"),
    "a CMYK JPEG": (encoded(Image.new("CMYK", (32, 32)), "JPEG"), UnreadableImage, "printing colours"),
    "a GIF": (encoded(Image.fromarray(RAMP), "GIF"), UnknownFormat, "GIF"),
    "an animated GIF": (in_frames("GIF"), UnknownFormat, "animation"),
    "an animated PNG": (in_frames("PNG"), UnreadableImage, "animation of 3 pictures"),
    "a TIFF": (encoded(Image.fromarray(RAMP), "TIFF"), UnknownFormat, "TIFF"),
    "a BMP": (encoded(Image.fromarray(RAMP), "BMP"), UnknownFormat, "BMP"),
    "a WebP": (encoded(Image.fromarray(RAMP), "WEBP"), UnknownFormat, "WebP"),
    "a HEIC": (b"\x00\x00\x00\x18ftypheic" + bytes(400), UnknownFormat, "HEIC"),
    "a JPEG 2000": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(400), UnknownFormat, "JPEG 2000"),
    "a PDF": (b"%PDF-1.7\n" + bytes(200), UnknownFormat, "a PDF"),
    "a text": (b"Sentinelname, 51 years", UnknownFormat, "plain text"),
    "a zip": (zipped(), UnknownFormat, "zip archive"),
    "a NIfTI": (struct.pack("<i", 348) + bytes(340) + b"n+1\x00" + bytes(100), UnknownFormat, "a volume"),
    "an NRRD": (b"NRRD0004\ntype: short\n" + bytes(100), UnknownFormat, "a volume"),
    "random bytes": (np.random.default_rng(3).bytes(999), UnknownFormat, "no kind that is known"),
    "a picture of a few pixels": (encoded(Image.fromarray(RAMP[:5, :7])), UnreadableImage, "7 x 5 pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_for_what_it_is_and_what_to_do(read, name: str, caplog: pytest.LogCaptureFixture) -> None:
    content, kind, words = BAD[name]
    with pytest.raises(InputError, match=words) as refused:
        read.bytes(content)
    assert type(refused.value) is kind
    assert refused.value.hint
    assert not {"given", "tmp", "Sentinelname"} & set((str(refused.value) + refused.value.hint + caplog.text).split())


def test_each_kind_of_bad_input_has_words_of_its_own(read) -> None:
    damaged = {name for name, (_, _, words) in BAD.items() if "damaged" in words}
    said = []
    for name in set(BAD) - damaged - {"an animated GIF", "an NRRD"}:
        with pytest.raises(InputError) as refused:
            read.bytes(BAD[name][0])
        said.append(str(refused.value))
    assert len(set(said)) == len(said) >= 14


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_cut_anywhere_is_refused_and_never_made_up(read, form: str, cut: float) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), form)
    with pytest.raises(UnreadableImage):
        read.bytes(content[: int(cut * len(content))])


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_damage_ends_in_an_error_of_ours_or_in_a_picture(read, form: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    content = bytearray(encoded(Image.fromarray(COLOURS), form))
    for at in chance.integers(0, len(content), 1 + seed % 4):
        content[at] = chance.integers(0, 256)
    with suppress(InputError):
        assert read.bytes(bytes(content)).pixels.dtype == np.uint8


def test_pictures_are_told_from_volumes_by_their_bytes(tmp_path: Path) -> None:
    pictures = {"a GIF", "an animated GIF", "a TIFF", "a BMP", "a WebP", "a HEIC", "a CMYK JPEG", "an animated PNG"}
    for name, (content, _, _) in BAD.items():
        path = tmp_path / "named.nii.gz"
        path.write_bytes(content)
        if name in pictures:
            assert is_picture(path), name
        if name in {"an empty file", "a PDF", "a text", "a zip", "a NIfTI", "an NRRD", "random bytes"}:
            assert not is_picture(path), name


def test_a_real_chest_x_ray_goes_through() -> None:
    path = real("images/cxr/nih_00000001_000.png")
    found = read_picture(path, scratch=path.parent)
    assert is_picture(path)
    assert (found.pixels.shape, found.notes, found.burned_in) == ((512, 512), (), None)
    assert np.array_equal(found.pixels, np.asarray(Image.open(path)))
