"""DICOM files that are no picture, are damaged, or hold names: a clear error, and nothing of the patient."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.datadict import keyword_dict
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.data import real
from tests.dicom_made import CT, make_enhanced, make_image, save
from workbench.domain.errors import InputError, TooLarge, UnreadableImage
from workbench.imaging.picture import encode_picture
from workbench.imaging.read.picture import is_picture, read_picture

STORED = np.random.default_rng(5).integers(0, 2000, (16, 20)).astype(np.int16)
NAME, DATE, UID = "Sentinelname", "19470815", "1.2.840.99999.4711"
_TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UT")
_KEPT = {"Modality", "ImageType", "PhotometricInterpretation", "SpecificCharacterSet", "RescaleType"}


def refused(path: Path, folder: Path) -> InputError:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with pytest.raises(InputError) as caught:
        read_picture(path, scratch=scratch)
    assert list(scratch.iterdir()) == []
    assert caught.value.hint
    return caught.value


def made(folder: Path, **tags: object) -> Path:
    make_image(folder / "in.dcm", STORED, **tags)
    return folder / "in.dcm"


def without_pixels(folder: Path) -> Path:
    image = make_image(folder / "in.dcm", STORED)
    del image.PixelData
    save(image, folder / "in.dcm")
    return folder / "in.dcm"


def directory(folder: Path) -> Path:
    image = Dataset()
    image.SOPClassUID = "1.2.840.10008.1.3.10"
    image.DirectoryRecordSequence = Items([Dataset()])
    save(image, folder / "in.dcm")
    return folder / "in.dcm"


def several(folder: Path) -> Path:
    make_enhanced(folder / "in.dcm", np.stack([STORED] * 3), depths=[0.0, 1.0, 2.0])
    return folder / "in.dcm"


def cut(folder: Path) -> Path:
    path = made(folder)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def shipped(name: str) -> Callable[[Path], Path]:
    def path(_: Path) -> Path:
        found = get_testdata_file(name, download=False)
        assert isinstance(found, str)
        return Path(found)

    return path


def of_colours(folder: Path, **tags: object) -> Path:
    image = make_image(folder / "in.dcm", np.zeros((16, 20), np.uint8))
    image.SamplesPerPixel, image.PlanarConfiguration, image.PhotometricInterpretation = 3, 0, "RGB"
    image.PixelData = bytes(16 * 20 * 3)
    for name, value in tags.items():
        setattr(image, name, value)
    save(image, folder / "in.dcm")
    return folder / "in.dcm"


BAD: dict[str, tuple[Callable[[Path], Path], type[InputError], str]] = {
    "no pixels": (without_pixels, UnreadableImage, "has no pixels"),
    "a plan": (lambda to: made(to, modality="RTPLAN"), UnreadableImage, "a plan"),
    "a segmentation": (shipped("liver_1frame.dcm"), UnreadableImage, "segmentation"),
    "a report": (shipped("test-SR.dcm"), UnreadableImage, "report"),
    "a directory": (directory, UnreadableImage, "DICOMDIR"),
    "a film": (several, UnreadableImage, "holds 3 pictures"),
    "cut short": (cut, UnreadableImage, "damaged or cut short"),
    "cut while compressed": (
        lambda to: _cut_copy(shipped("MR_small_jp2klossless.dcm")(to), to),
        UnreadableImage,
        "damaged or cut short",
    ),
    "cut colours": (lambda to: of_colours(to, PixelData=bytes(100)), UnreadableImage, "damaged or cut short"),
    "cut compressed colours": (
        lambda to: _cut_copy(shipped("SC_rgb_jpeg_dcmtk.dcm")(to), to),
        UnreadableImage,
        "cut short",
    ),
    "deflated": (shipped("image_dfl.dcm"), UnreadableImage, "deflated"),
    "no size": (lambda to: made(to, Rows=0), UnreadableImage, "no size"),
    "too large": (lambda to: made(to, Rows=60_000, Columns=60_000), TooLarge, "60,000 x 60,000"),
    "bits": (lambda to: made(to, HighBit=14, BitsStored=12), UnreadableImage, "12 of 16 bits"),
    "deep colours": (lambda to: of_colours(to, BitsAllocated=32), UnreadableImage, "8 of 32 bits"),
    "unknown colours": (lambda to: of_colours(to, PhotometricInterpretation="CMYK"), UnreadableImage, "of a kind"),
    "no palette": (lambda to: made(to, PhotometricInterpretation="PALETTE COLOR"), UnreadableImage, "colour table"),
    "video": (lambda to: _as_syntax(to, "1.2.840.10008.1.2.4.102"), UnreadableImage, "compressed in a way"),
    "nonsense": (lambda to: _nonsense(to), UnreadableImage, ""),
}


def _cut_copy(path: Path, folder: Path) -> Path:
    content = path.read_bytes()
    (folder / "in.dcm").write_bytes(content[: len(content) - 900])
    return folder / "in.dcm"


def _as_syntax(folder: Path, syntax: str) -> Path:
    image = make_image(folder / "in.dcm", STORED)
    image["PixelData"].VR = "OB"
    image.PixelData = pydicom.encaps.encapsulate([bytes(50)])
    image["PixelData"].is_undefined_length = True
    save(image, folder / "in.dcm", syntax)
    return folder / "in.dcm"


def _nonsense(folder: Path) -> Path:
    path = folder / "in.dcm"
    path.write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff" + b"Sentinelname " * 9)
    return path


@pytest.mark.parametrize("name", BAD)
def test_bad_dicom_is_told_for_what_it_is_and_what_to_do(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    make, kind, words = BAD[name]
    error = refused(make(tmp_path), tmp_path)
    assert type(error) is kind
    assert words in str(error)
    said = f"{error} {error.hint} {caplog.text}"
    assert str(tmp_path) not in said
    assert "Sentinelname" not in said


def test_a_film_and_a_volume_are_no_pictures_and_one_image_is(tmp_path: Path) -> None:
    assert is_picture(made(tmp_path))
    assert is_picture(without_pixels(tmp_path))  # so that its reader says what is missing
    assert not is_picture(several(tmp_path))
    assert is_picture(_nonsense(tmp_path))


def test_a_dicom_file_without_its_preamble_is_known(tmp_path: Path) -> None:
    path = made(tmp_path)
    path.write_bytes(path.read_bytes()[132:])
    assert is_picture(path)
    assert read_picture(path, scratch=tmp_path).pixels.shape[0] >= 16


def test_a_dicom_file_that_begins_like_a_tiff_is_dicom(tmp_path: Path) -> None:
    path = made(tmp_path)  # a dual-personality file, PS3.10 7.1
    path.write_bytes(b"II*\x00" + path.read_bytes()[4:])
    assert read_picture(path, scratch=tmp_path).mm_per_px == 0.7


@pytest.mark.parametrize("seed", range(160))
def test_damage_ends_in_an_error_of_ours_or_in_a_picture(tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    path = (made if seed % 2 else of_colours)(tmp_path)
    content = bytearray(path.read_bytes())
    for at in chance.integers(128, min(len(content), 1100), 1 + seed % 5):
        content[at] = chance.integers(0, 256)
    path.write_bytes(bytes(content))
    with suppress(InputError):
        assert read_picture(path, scratch=tmp_path).pixels.dtype == np.uint8


def planted() -> dict[str, str]:
    """Every attribute of the patient, study, series and equipment groups that can hold a name, a date or a UID."""
    tags = {}
    for keyword, tag in keyword_dict.items():
        kind = pydicom.datadict.dictionary_VR(tag)
        if tag >> 16 not in (0x0008, 0x0010, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040) or keyword in _KEPT:
            continue
        if kind in _TEXT:
            tags[keyword] = NAME.upper() if kind in ("AE", "CS") else NAME
        elif kind == "DA":
            tags[keyword] = DATE
        elif kind == "UI" and keyword not in ("SOPClassUID", "SOPInstanceUID"):
            tags[keyword] = UID
    return tags


def traces_in(text: str) -> list[str]:
    return [each for each in (NAME.lower(), DATE, UID, "4711") if each in text.lower()]


@pytest.mark.parametrize("make", [made, of_colours])
def test_nothing_that_identifies_a_patient_goes_on(
    tmp_path: Path,
    make: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    tags = planted()
    assert {"PatientName", "PatientID", "StudyDate", "InstitutionName", "BodyPartExamined"} <= {*tags}
    found = read_picture(make(tmp_path, **tags), scratch=tmp_path)
    assert traces_in(repr(found)) == []
    assert traces_in(pickle.dumps(asdict(found)).decode("latin-1")) == []
    assert traces_in(encode_picture(found.pixels, mark=None).encoded.decode("latin-1")) == []
    assert traces_in(caplog.text + "".join(capfd.readouterr())) == []


def test_what_lies_about_while_decoding_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    remove = Path.unlink

    def look_first(path: Path, missing_ok: bool = False) -> None:
        seen.append(path.read_bytes().decode("latin-1"))
        remove(path, missing_ok=missing_ok)

    path = of_colours(tmp_path, PatientName=NAME, PatientID=UID)
    monkeypatch.setattr(Path, "unlink", look_first)
    read_picture(path, scratch=tmp_path)
    assert seen
    assert traces_in("".join(seen)) == []


def test_a_real_film_is_refused() -> None:
    path = real("dicom-tricky/enhanced-ct_2frames.dcm")
    assert not is_picture(path)
    with pytest.raises(UnreadableImage, match="holds 2 pictures"):
        read_picture(path, scratch=path.parent)


def test_a_compressed_picture_that_claims_another_size_is_refused(tmp_path: Path) -> None:
    source = shipped("SC_rgb_gdcm_KY.dcm")(tmp_path)
    content = bytearray(source.read_bytes())
    at = content.index(b"\xff\x4f\xff\x51") + 8
    content[at : at + 8] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "in.dcm").write_bytes(bytes(content))
    assert "damaged" in str(refused(tmp_path / "in.dcm", tmp_path))


def test_the_class_of_a_ct_alone_does_not_make_a_volume_of_one_slice(tmp_path: Path) -> None:
    assert is_picture(made(tmp_path, sop_class=CT))
