"""DICOM images as pictures: grey, colours, windows and spacing by values known beforehand."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.data import real
from tests.dicom_made import SECONDARY_CAPTURE, make_enhanced, make_image, read_upload, save
from workbench.domain.errors import UnreadableImage
from workbench.domain.picture import Modality
from workbench.imaging.picture import slice_picture
from workbench.imaging.read.picture import FoundPicture, is_picture, read_picture
from workbench.imaging.slices import WINDOWS, Window, apply_window, slice_count

DX = "1.2.840.10008.5.1.4.1.1.1.1"
RAMP = np.arange(0, 4000, 10, dtype=np.uint16).reshape(20, 20)


@pytest.fixture
def show(tmp_path: Path):
    def shown(stored: np.ndarray = RAMP, *, window: Window | None = None, **tags: Any) -> FoundPicture:
        make_image(tmp_path / "in.dcm", stored, **{"spacing": (1.0, 1.0), "orientation": (1, 0, 0, 0, 1, 0), **tags})
        return look(tmp_path / "in.dcm", tmp_path, window)

    return shown


def look(path: Path, folder: Path, window: Window | None = None) -> FoundPicture:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        return read_picture(path, scratch=scratch, window=window)
    finally:
        assert list(scratch.iterdir()) == []


def radiograph(**tags: Any) -> dict[str, Any]:
    """A digital X-ray without direction in the patient and without rescale values."""
    plain = {"RescaleSlope": None, "RescaleIntercept": None, "ImageOrientationPatient": None}
    return {"sop_class": DX, "modality": "DX", **plain, **tags}


def table(sequence_values: list[int], *, first: int, bits: int) -> Items:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(sequence_values), first, bits])
    item.add_new("LUTData", "US", sequence_values)
    return Items([item])


def test_a_ct_slice_is_shown_in_soft_tissue_whatever_its_file_asks_for(show) -> None:
    found = show(RAMP, WindowCenter=-600, WindowWidth=1500)
    assert np.array_equal(found.pixels, apply_window(RAMP.astype(np.int16) - 1024, WINDOWS["soft tissue"]))
    assert (found.modality, found.mm_per_px, found.burned_in) == (Modality.CT, 1.0, None)
    assert found.notes == ("Shown in the window level 50, width 400 HU.",)


def test_the_window_of_the_person_goes_before_all_others(show) -> None:
    lung = show(RAMP, window=WINDOWS["lung"], WindowCenter=40, WindowWidth=80)
    assert np.array_equal(lung.pixels, apply_window(RAMP.astype(np.int16) - 1024, WINDOWS["lung"]))
    x_ray = show(RAMP, window=Window(center=2000, width=1000), **radiograph(WindowCenter=1, WindowWidth=2))
    assert x_ray.pixels[10, :2].tolist() == [128, 130]  # 2000 and 2010: 255 ((x - 1999.5) / 999 + 0.5)
    assert x_ray.notes == ("Shown in the window level 2000, width 1000.",)


def test_a_ct_without_rescale_values_is_shown_as_its_file_asks(show) -> None:
    found = show(RAMP, RescaleSlope=None, RescaleIntercept=None, WindowCenter=2000, WindowWidth=4000)
    assert found.notes == ("Shown in the window of the file, level 2000, width 4000.",)


def test_a_ct_whose_values_are_not_hu_is_shown_as_its_file_asks(show) -> None:
    found = show(RAMP, RescaleType="US", WindowCenter=2000, WindowWidth=4000)
    assert found.notes == ("Shown in the window of the file, level 2000, width 4000.",)


def test_slope_and_intercept_make_the_values(show) -> None:
    found = show(RAMP.astype(np.int16), slope=0.5, intercept=-1000)
    assert np.array_equal(found.pixels, apply_window((RAMP / 2 - 1000).astype(np.int16), WINDOWS["soft tissue"]))


@pytest.mark.parametrize(
    ("curve", "values", "wanted"),
    [
        # PS3.3 C.11.2.1.2.1: centre 2048, width 4096 maps 0 to black and 4095 to white
        (None, [0, 2047, 2048, 4095], [0, 127, 128, 255]),
        ("LINEAR", [0, 2047, 2048, 4095], [0, 127, 128, 255]),
        # C.11.2.1.3.2: (x - c) / w + 0.5
        ("LINEAR_EXACT", [0, 1024, 2048, 4096], [0, 64, 128, 255]),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w)); a quarter of the width is exp(-1) away: 0.2689, 0.7311
        ("SIGMOID", [1024, 2048, 3072, 65535], [69, 128, 186, 255]),
    ],
)
def test_windows_follow_the_function_that_the_file_names(
    show, curve: str | None, values: list[int], wanted: list[int]
) -> None:
    stored = np.tile(np.array(values, np.uint16), (20, 5))
    found = show(stored, **radiograph(WindowCenter=2048, WindowWidth=4096, VOILUTFunction=curve))
    assert found.pixels[3, :4].tolist() == wanted


def test_the_first_of_several_windows_is_taken(show) -> None:
    stored = np.tile(np.array([0, 100, 4095, 4095], np.uint16), (20, 5))
    found = show(stored, **radiograph(WindowCenter=[50.5, 2048], WindowWidth=[101, 4096]))
    assert found.pixels[0, :3].tolist() == [0, 255, 255]
    assert found.notes == ("Shown in the window of the file, level 50.5, width 101.",)


def test_a_window_of_one_value_is_a_threshold(show) -> None:
    found = show(RAMP, **radiograph(WindowCenter=2000, WindowWidth=1))
    assert set(np.unique(found.pixels)) == {0, 255}
    assert (found.pixels == 255).sum() == (RAMP > 1999.5).sum()


def test_a_look_up_table_goes_before_a_window(show) -> None:
    stored = np.tile(np.array([9, 10, 11, 12, 500], np.uint16), (20, 4))
    tags = radiograph(VOILUTSequence=table([0, 100, 1023], first=10, bits=10), WindowCenter=1, WindowWidth=1)
    found = show(stored, **tags)
    assert found.pixels[0, :5].tolist() == [0, 0, 25, 255, 255]  # 100 / 1023 * 255 = 24.9
    assert found.notes == ("Shown through the look-up table of the file.",)


def test_a_table_for_negative_values_may_be_written_unsigned(tmp_path: Path) -> None:
    stored = np.tile(np.array([-1000, -999, -998, 40], np.int16), (20, 5))
    tags = radiograph(VOILUTSequence=table([0, 51, 255], first=65536 - 1000, bits=8))
    make_image(tmp_path / "in.dcm", stored, spacing=(1, 1), **tags)
    assert look(tmp_path / "in.dcm", tmp_path).pixels[0, :4].tolist() == [0, 51, 255, 255]


def test_a_modality_table_makes_the_values_that_the_window_is_meant_for(show) -> None:
    stored = np.tile(np.array([0, 1, 2, 3], np.uint16), (20, 5))
    tags = radiograph(ModalityLUTSequence=table([1000, 2000, 3000, 4000], first=0, bits=16))
    found = show(stored, **tags, WindowCenter=2500, WindowWidth=3000, VOILUTFunction="LINEAR_EXACT")
    assert found.pixels[0, :4].tolist() == [0, 85, 170, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_without_a_window_grey_runs_between_percentiles(show, dtype: type) -> None:
    values = np.linspace(-100 if dtype is np.int16 else 0, 255, 400).reshape(20, 20).astype(dtype)
    found = show(values, **radiograph())
    low, high = np.percentile(values, (0.5, 99.5))
    assert np.abs(found.pixels - np.clip((values - low) / (high - low), 0, 1) * 255).max() <= 1
    assert found.notes[0].startswith(f"The file asks for no window. Grey runs from {low:g} (black)")


def test_padding_is_black_and_does_not_stretch_the_grey(show) -> None:
    values = np.linspace(100, 200, 400).reshape(20, 20).astype(np.int16)
    values[:, :5] = -2000
    found = show(values, **radiograph(PixelPaddingValue=-2000))
    assert (found.pixels[:, :5] == 0).all()
    assert found.pixels[0, 5] < 15
    assert found.pixels[19, 19] == 255
    turned = show(values, **radiograph(PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1"))
    assert (turned.pixels[:, :5] == 0).all()
    assert turned.pixels[0, 5] > 240


def test_a_range_of_padding_written_as_the_other_sign_is_understood(tmp_path: Path) -> None:
    values = np.full((20, 20), 500, np.int16)
    values[0], values[1], values[2] = -2000, -1990, 100
    image = make_image(tmp_path / "in.dcm", values, spacing=(1, 1), **radiograph())
    image.add_new("PixelPaddingValue", "US", 65536 - 2000)
    image.add_new("PixelPaddingRangeLimit", "US", 65536 - 1990)
    save(image, tmp_path / "in.dcm")
    found = look(tmp_path / "in.dcm", tmp_path)
    assert "Grey runs from 100" in found.notes[0]
    assert (found.pixels[:2] == 0).all()


@pytest.mark.parametrize(
    ("photometric", "shape", "is_inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),  # the two say the same thing of a digital X-ray (PS3.3 C.8.11.3.1.2)
    ],
)
def test_inverted_grey_is_turned_over_once(show, photometric: str, shape: str | None, is_inverted: bool) -> None:
    asked = {"WindowCenter": 2000, "WindowWidth": 4000}
    plain = show(RAMP, **radiograph(**asked)).pixels
    found = show(RAMP, **radiograph(PhotometricInterpretation=photometric, PresentationLUTShape=shape, **asked))
    assert np.array_equal(found.pixels, 255 - plain if is_inverted else plain)
    assert ("Grey was inverted, as the file asks." in found.notes) == is_inverted


def test_bits_above_those_stored_are_dropped(show) -> None:
    stored = RAMP.copy()
    stored[0, 0] |= 0x8000
    plain = show(RAMP, **radiograph(WindowCenter=2000, WindowWidth=4000, BitsStored=12, HighBit=11))
    overlaid = show(stored, **radiograph(WindowCenter=2000, WindowWidth=4000, BitsStored=12, HighBit=11))
    assert np.array_equal(overlaid.pixels, plain.pixels)


def test_pixels_that_are_not_square_become_so(show) -> None:
    found = show(RAMP, spacing=(2.0, 1.0), WindowCenter=0, WindowWidth=1)
    assert (found.pixels.shape, found.mm_per_px) == ((40, 20), 1.0)
    assert "Stretched to square pixels" in found.notes[1]
    by_ratio = show(RAMP, **radiograph(PixelSpacing=None, PixelAspectRatio=[1, 2]))
    assert (by_ratio.pixels.shape, by_ratio.mm_per_px) == ((20, 40), None)


def test_pixels_of_an_absurd_shape_do_not_make_a_giant_picture(show) -> None:
    wide = np.tile(RAMP, (1, 10))
    assert show(wide, spacing=(100.0, 1.0)).pixels.shape == (1120, 112)  # 2000 x 200 mm
    with pytest.raises(UnreadableImage, match="1 x 1120 pixels"):
        show(wide, spacing=(1000.0, 0.001))


def test_long_pixels_of_a_large_picture_are_squared_within_its_longer_side(show) -> None:
    found = show(np.tile(RAMP, (100, 50)), spacing=(2.0, 1.0))
    assert (found.pixels.shape, found.mm_per_px) == ((2000, 500), 2.0)


def test_nearly_square_pixels_are_left_alone(show) -> None:
    found = show(RAMP, spacing=(1.0, 1.004))
    assert (found.pixels.shape, found.mm_per_px) == ((20, 20), 1.0)


def test_the_spacing_at_a_detector_is_no_size_in_the_patient(show) -> None:
    assert show(RAMP, **radiograph()).mm_per_px is None
    assert show(RAMP, **radiograph(PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.2])).mm_per_px is None


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"modality": "CT"}, Modality.CT),
        ({"modality": "MR"}, Modality.MRI),
        ({"modality": "DX", "BodyPartExamined": "CHEST"}, Modality.CXR),
        ({"modality": "CR", "BodyPartExamined": "THORAX"}, Modality.CXR),
        ({"modality": "CR", "ViewPosition": "PA"}, Modality.CXR),
        ({"modality": "CR", "BodyPartExamined": "HAND", "ViewPosition": "PA"}, None),
        ({"modality": "CR"}, None),
        ({"modality": "MG", "BodyPartExamined": "CHEST"}, None),
        ({"modality": "US"}, None),
        ({"modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, None),
    ],
)
def test_the_modality_is_told_only_where_the_header_tells_it(
    show, tags: dict[str, Any], wanted: Modality | None
) -> None:
    assert show(RAMP, **tags).modality is wanted


@pytest.mark.parametrize(("code", "wanted"), [("T-D3000", Modality.CXR), ("51185008", Modality.CXR), ("T-D8700", None)])
def test_an_anatomic_region_is_told_by_its_code(show, code: str, wanted: Modality | None) -> None:
    region = Dataset()
    region.CodeValue = code
    assert show(RAMP, **radiograph(AnatomicRegionSequence=Items([region]), ViewPosition="PA")).modality is wanted


def test_a_scout_is_shown_as_its_file_asks(show) -> None:
    found = show(RAMP, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], WindowCenter=100, WindowWidth=900)
    assert found.notes == ("Shown in the window of the file, level 100, width 900 HU.",)
    assert found.mm_per_px is None


COLOURS = np.random.default_rng(4).integers(0, 256, (20, 20, 3), dtype=np.uint8)


def coloured(folder: Path, samples: np.ndarray, *, syntax: str | None = None, **tags: Any) -> Path:
    image = make_image(
        folder / "in.dcm", samples[..., 0] if samples.ndim == 3 else samples, spacing=(1, 1), **radiograph()
    )
    image.SOPClassUID, image.Modality, image.SamplesPerPixel = SECONDARY_CAPTURE, "OT", 3
    image.PhotometricInterpretation, image.PlanarConfiguration = "RGB", 0
    image.BitsAllocated = image.BitsStored = samples.dtype.itemsize * 8
    image.HighBit = image.BitsStored - 1
    image.Rows, image.Columns = 20, 20
    for name, value in tags.items():
        setattr(image, name, value)
    raw = (
        samples.tobytes()
        if syntax != ExplicitVRBigEndian
        else samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    )
    image.add_new("PixelData", "OW", raw)
    save(image, folder / "in.dcm", *([syntax] if syntax else []))
    return folder / "in.dcm"


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_colours_by_pixel_and_by_plane_are_the_same_picture(tmp_path: Path, syntax: str | None) -> None:
    by_pixel = look(coloured(tmp_path, COLOURS, syntax=syntax), tmp_path)
    planes = np.ascontiguousarray(COLOURS.transpose(2, 0, 1)).reshape(20, 20, 3)
    by_plane = look(coloured(tmp_path, planes, syntax=syntax, PlanarConfiguration=1), tmp_path)
    assert np.array_equal(by_pixel.pixels, COLOURS)
    assert np.array_equal(by_plane.pixels, COLOURS)


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_of_sixteen_bit_colours_the_upper_half_is_shown(tmp_path: Path, syntax: str | None) -> None:
    deep = (COLOURS.astype(np.uint16) << 8) | 0x7F
    assert np.array_equal(look(coloured(tmp_path, deep, syntax=syntax), tmp_path).pixels, COLOURS)


def test_equal_colours_are_grey(tmp_path: Path) -> None:
    grey = np.repeat(COLOURS[..., :1], 3, axis=2)
    assert np.array_equal(look(coloured(tmp_path, grey), tmp_path).pixels, grey[..., 0])


# Luminance and colour differences of red, blue and a grey, by hand from PS3.3 C.7.6.3.1.2
YBR = {(76, 85, 255): (254, 0, 0), (29, 255, 107): (0, 0, 254), (90, 128, 128): (90, 90, 90)}


@pytest.mark.parametrize(("stored", "wanted"), list(YBR.items()))
@pytest.mark.parametrize("planar", [0, 1])
def test_luminance_and_colour_differences_become_colours(
    tmp_path: Path, stored: tuple[int, ...], wanted: tuple[int, ...], planar: int
) -> None:
    samples = np.empty((20, 20, 3), np.uint8)
    samples[:] = stored
    samples[0, 0] = 200, 100, 100  # not one grey picture
    laid = np.ascontiguousarray(samples.transpose(2, 0, 1)).reshape(20, 20, 3) if planar else samples
    path = coloured(tmp_path, laid, PhotometricInterpretation="YBR_FULL", PlanarConfiguration=planar)
    assert np.abs(look(path, tmp_path).pixels[5, 5].astype(int) - wanted).max() <= 1


def test_halved_colour_differences_become_colours(tmp_path: Path) -> None:
    pairs = np.tile(np.array([76, 76, 85, 255], np.uint8), 20 * 10)  # Y Y Cb Cr for two pixels
    path = coloured(tmp_path, pairs.reshape(20, 40), PhotometricInterpretation="YBR_FULL_422")
    assert np.abs(look(path, tmp_path).pixels[5, 5].astype(int) - (254, 0, 0)).max() <= 1


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    stored = np.tile(np.array([0, 1, 2, 3], np.uint8), (20, 5))
    image = make_image(tmp_path / "in.dcm", stored, **radiograph(PhotometricInterpretation="PALETTE COLOR"))
    for name, values in (("Red", [0, 255, 0, 10]), ("Green", [0, 0, 255, 20]), ("Blue", [0, 0, 0, 30])):
        image.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [4, 0, 16])
        data = np.array([each * 257 for each in values], "<u2").tobytes()
        image.add_new(f"{name}PaletteColorLookupTableData", "OW", data)
    save(image, tmp_path / "in.dcm")
    pixels = look(tmp_path / "in.dcm", tmp_path).pixels
    assert pixels[0, :4].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 30]]


# Colour bars that pydicom brings along: the same picture in each, red on top, white at the bottom.
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("SC_rgb_rle.dcm", 0),
        ("SC_rgb_jpeg_gdcm.dcm", 0),
        ("SC_rgb_gdcm_KY.dcm", 1),
        ("SC_rgb_jls_lossy_line.dcm", 3),
        ("SC_rgb_jpeg_dcmtk.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", 6),
        ("SC_ybr_full_422_uncompressed.dcm", 6),
    ],
)
def test_compressed_colours_are_those_that_were_compressed(tmp_path: Path, name: str, loss: int) -> None:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    pixels = look(Path(path), tmp_path).pixels.astype(int)
    bars = {5: (255, 0, 0), 15: (255, 128, 128), 25: (0, 255, 0), 35: (128, 255, 128), 45: (0, 0, 255)}
    bars |= {55: (128, 128, 255), 65: (0, 0, 0), 75: (64, 64, 64), 85: (192, 192, 192), 95: (255, 255, 255)}
    for row, colour in bars.items():
        assert np.abs(pixels[row, 50] - colour).max() <= loss, row


@pytest.mark.parametrize("kind", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_a_real_ct_slice_goes_through_whatever_it_is_compressed_with(tmp_path: Path, kind: str) -> None:
    plain = look(real("dicom-tricky/nema-ct1_UNC.dcm"), tmp_path)
    assert (plain.pixels.shape, plain.modality, plain.burned_in) == ((512, 512), Modality.CT, None)
    stored = dcmread(real("dicom-tricky/nema-ct1_UNC.dcm"))
    values = np.frombuffer(stored.PixelData, "<i2").reshape(512, 512).astype(int) - 1024
    wanted = apply_window(np.clip(values, -1024, None).astype(np.int16), WINDOWS["soft tissue"])
    assert np.array_equal(plain.pixels, wanted)
    assert np.array_equal(look(real(f"dicom-tricky/nema-ct1_{kind}.dcm"), tmp_path).pixels, plain.pixels)


def test_an_enhanced_image_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    make_enhanced(tmp_path / "in.dcm", RAMP[None].astype(np.int16), depths=[0.0])
    assert is_picture(tmp_path / "in.dcm")
    found = look(tmp_path / "in.dcm", tmp_path)
    assert found.notes[0] == "Shown in the window level 50, width 400 HU."
    assert found.mm_per_px == 0.7
    assert found.pixels.shape == (23, 20)  # 0.8 mm from row to row, 0.7 from column to column


def test_a_slice_of_a_series_is_the_same_picture_by_itself_and_in_its_volume(tmp_path: Path) -> None:
    series = real("ct/crlm-ct-1004_dicom.zip")
    ct = read_upload(series, tmp_path)
    count = slice_count(ct.volume.grid, "axial")
    with zipfile.ZipFile(series) as archive:
        members = [each for each in archive.namelist() if not each.endswith("/")]
        for member in members[:: len(members) // 3]:
            (tmp_path / "one.dcm").write_bytes(archive.read(member))
            alone = look(tmp_path / "one.dcm", tmp_path)
            soft = {"plane": "axial", "window": WINDOWS["soft tissue"], "overlay": False}
            shown = [slice_picture(ct.volume, None, slice_number=n, **soft) for n in range(1, count + 1)]
            same = [mm for pixels, mm in shown if np.array_equal(pixels, alone.pixels)]
            assert same == [pytest.approx(alone.mm_per_px)]
