"""Names, ids, dates and UIDs do not survive reading."""

from __future__ import annotations

import dataclasses
import logging
import pickle

import numpy as np
import pydicom
import pytest
from pydicom.datadict import keyword_dict

from tests.data import real
from tests.dicom_made import make_image, make_series, read_upload, survey_upload
from workbench.domain.errors import WorkbenchError
from workbench.imaging.write import write_volume_nifti

STORED = np.random.default_rng(5).integers(0, 2000, (4, 6, 5)).astype(np.int16)
NAME, DATE, UID = "Sentinelname", "19470815", "1.2.840.99999.4711"
_TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UT")
_KEPT = {"Modality", "ImageType", "PhotometricInterpretation", "SpecificCharacterSet", "RescaleType"}


def planted_tags():
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
        elif kind == "DT":
            tags[keyword] = DATE + "120000"
        elif kind == "UI" and keyword not in ("SOPClassUID", "SOPInstanceUID"):
            tags[keyword] = UID
    return tags


def traces_in(text):
    return [each for each in (NAME.lower(), DATE, UID, "4711") if each in text.lower()]


def everything_of(ct):
    """Text and bytes of all that a caller gets, at any depth."""
    return repr(ct) + repr([dataclasses.asdict(each) for each in (ct.report, ct.volume.provenance, *ct.series)])


@pytest.fixture
def planted(tmp_path):
    tags = planted_tags()
    assert {"PatientName", "PatientID", "StudyDate", "InstitutionName", "SeriesDescription", "StudyInstanceUID"} <= {
        *tags
    }
    return make_series(tmp_path / "in", STORED, **tags)


def test_nothing_that_identifies_a_patient_is_returned_or_written(tmp_path, planted, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    ct = read_upload(planted, tmp_path)

    assert traces_in(everything_of(ct)) == []
    assert traces_in(pickle.dumps((ct.report, ct.series)).decode("latin-1")) == []
    assert traces_in((tmp_path / "voxels.npy").read_bytes().decode("latin-1")) == []
    write_volume_nifti(ct.volume, tmp_path / "out.nii.gz", description="test")
    assert traces_in((tmp_path / "out.nii.gz").read_bytes().decode("latin-1")) == []
    assert traces_in(caplog.text) == []
    assert traces_in("".join(capfd.readouterr())) == []


def test_no_error_quotes_a_header(tmp_path, planted, caplog):
    spoiled = {
        "cut in the pixels": lambda raw: raw[:-30],
        "cut in the header": lambda raw: raw[:900],
        "a position that is no number": lambda raw: raw.replace(b"-10.0\\-20.0", b"Sentinelnam"),
        "size": lambda raw: raw.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00PN\x02\x00"),
    }
    originals = [path.read_bytes() for path in planted]
    for spoil in spoiled.values():
        for path, raw in zip(planted, originals, strict=True):
            path.write_bytes(spoil(raw))
        with pytest.raises(WorkbenchError) as caught:
            read_upload(planted, tmp_path)
        shown = caught.value
        while shown is not None:
            assert traces_in(f"{shown!r} {shown}") == []
            shown = shown.__cause__
    assert traces_in(caplog.text) == []


def test_a_real_file_with_planted_names_gives_none_of_them_away(tmp_path):
    image = pydicom.dcmread(real("dicom-tricky/phi_burned-in_ct.dcm"), stop_before_pixels=True)
    words = [word.lower() for word in str(image.PatientName).replace("^", " ").split() if len(word) > 3]

    (series,) = survey_upload(real("dicom-tricky/phi_burned-in_ct.dcm"), tmp_path)

    assert words
    assert not [word for word in words if word in repr(series).lower()]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Thorax 1.0 B30f", "Thorax 1.0 B30f"),
        ("  Abdomen\x07  portal\tvenous ", "Abdomen portal venous"),
        ("x" * 60 + " yyyyyyy", "x" * 60 + " yyy"),
        ("Thorax of DOE", ""),
        ("Thorax jane_2", ""),
        ("CT for P-4711", ""),
        ("Thorax 2019-04-01", ""),
        ("Thorax 20190401", ""),
        ("Copy of 1.2.840.113", ""),
        ("Doering protocol", "Doering protocol"),
        ("CT Body", "CT Body"),
        ("Janesville standard", ""),
        ("", ""),
    ],
)
def test_a_description_is_kept_unless_it_could_point_to_somebody(tmp_path, given, kept):
    with pydicom.config.disable_value_validation():  # longer than DICOM allows, as found in real files
        paths = make_series(
            tmp_path / "in", STORED, SeriesDescription=given, PatientName="DOE^Jane", PatientID="CT-P-4711"
        )

    assert survey_upload(paths, tmp_path)[0].description == kept


def test_a_nifti_description_is_not_passed_on(tmp_path):
    import nibabel as nib

    image = nib.Nifti1Image(STORED, np.diag([1.0, 1, 1, 1]))
    image.header["descrip"] = image.header["aux_file"] = image.header["db_name"] = b"Sentinelname"[:12]
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Sentinelname 19470815"))
    nib.save(image, tmp_path / "Sentinelname_19470815.nii.gz")

    ct = read_upload(tmp_path / "Sentinelname_19470815.nii.gz", tmp_path)

    assert traces_in(everything_of(ct).replace(str(tmp_path), "")) == []


def test_the_path_of_the_voxels_is_the_only_path_in_a_result(tmp_path):
    make_image(tmp_path / NAME, STORED[0])

    with pytest.raises(WorkbenchError) as caught:
        read_upload(tmp_path / NAME, tmp_path)

    assert traces_in(f"{caught.value.message} {caught.value.hint}") == []
