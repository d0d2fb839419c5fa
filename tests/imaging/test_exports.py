"""Tables that can be taken away say where they come from and cannot run in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from workbench.domain.organs import LABEL_BY_NAME
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.domain.volume import CtReport
from workbench.imaging.colours import colour_of
from workbench.imaging.exports import label_table, volumes_csv, volumes_json

REPORT = CtReport(
    file_format="NIfTI",
    description="demo",
    modality="CT",
    size=(10, 20, 30),
    spacing_mm=(0.8, 0.8, 1.5),
    orientation="LPS",
    hu_range=(-1024, 3071),
    field_of_view_mm=(8.0, 16.0, 45.0),
)
UPLOADED = Provenance(origin=Origin.UPLOAD, model="NIfTI", version="", created_at="2026-01-01T00:00:00+00:00")
SEGMENTED = Provenance(
    origin=Origin.LOCAL,
    model="vista3d",
    version="1.0.0",
    created_at="2026-01-01T00:01:00+00:00",
    parameters={"classes": [1, 3]},
    inputs=(UPLOADED,),
)
LIVER = OrganVolume(
    label=1,
    volume_ml=1500.123456,
    voxel_count=1562629,
    mean_hu=61.00049,
    std_hu=12.5,
    min_hu=-80,
    max_hu=210,
    centroid_ras_mm=(45.5, -10.25, 80.0),
    extent_mm=(200.0, 150.0, 160.5),
    touches_edge=True,
    largest_slice=MappingProxyType({"axial": 143, "coronal": 120, "sagittal": 60}),
    flags=("outside the cited adult range (824.5–1700 mL, Kim 2021)",),
)


def measurements(segmented: Provenance = SEGMENTED, *organs: OrganVolume) -> Measurements:
    made = Provenance(
        origin=segmented.origin,
        model="workbench label statistics",
        version="0.1.0",
        created_at="2026-01-01T00:02:00+00:00",
        inputs=(segmented, UPLOADED),
    )
    return Measurements(organs=organs or (LIVER,), warnings=("Left and right may be swapped.",), provenance=made)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def csv_of(segmented: Provenance = SEGMENTED, *organs: OrganVolume, not_found: tuple[int, ...] = ()) -> str:
    return volumes_csv(
        measurements(segmented, *organs), segmentation_provenance=segmented, report=REPORT, not_found=not_found
    )


def test_a_row_reads_back_as_what_was_measured() -> None:
    (row,) = rows(csv_of())
    assert row["structure"] == "liver"
    assert float(row["volume_ml"]) == 1500.1235
    assert (row["voxel_count"], row["min_hu"], row["mean_hu"]) == ("1562629", "-80", "61.0")
    assert (row["touches_edge"], row["largest_axial_slice"]) == ("TRUE", "143")
    assert (row["centroid_right_mm"], row["extent_superior_inferior_mm"]) == ("45.5", "160.5")


def test_every_row_names_its_origin_and_model() -> None:
    for row in rows(csv_of(SEGMENTED, LIVER, replace(LIVER, label=3), not_found=(4,))):
        assert (row["is_mock"], row["origin"], row["model"]) == ("FALSE", "local", "vista3d")
        assert (row["model_version"], row["segmented_at"]) == ("1.0.0", "2026-01-01T00:01:00+00:00")
        assert row["notice"] == "Research use. Not for clinical decisions."


def test_every_row_of_a_mock_says_so() -> None:
    mock = replace(SEGMENTED, origin=Origin.MOCK)
    assert {(row["is_mock"], row["origin"]) for row in rows(csv_of(mock, LIVER, not_found=(4,)))} == {("TRUE", "mock")}


def test_a_real_mask_of_a_mock_volume_is_marked_in_every_row() -> None:
    on_mock = replace(SEGMENTED, inputs=(replace(UPLOADED, origin=Origin.MOCK),))
    (row,) = rows(csv_of(on_mock))
    assert (row["is_mock"], row["origin"]) == ("TRUE", "local")


def test_a_table_is_ascii_with_crlf_so_that_any_spreadsheet_opens_it() -> None:
    text = csv_of()
    assert text.isascii()
    assert text.count("\r\n") == text.count("\n") == 2
    assert "824.5-1700 mL, Kim 2021" in text


@pytest.mark.parametrize("model", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_cannot_become_a_formula(model: str) -> None:
    (row,) = rows(csv_of(replace(SEGMENTED, model=model)))
    assert row["model"].startswith("'")


def test_negative_numbers_stay_numbers() -> None:
    (row,) = rows(csv_of())
    assert float(row["centroid_anterior_mm"]) == -10.25


def test_a_comma_or_quote_in_a_text_stays_in_its_cell() -> None:
    (row,) = rows(csv_of(replace(SEGMENTED, model='a, "b"')))
    assert row["model"] == 'a, "b"'


def test_pandas_reads_numbers_and_booleans_without_options() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.read_csv(io.StringIO(csv_of(SEGMENTED, LIVER, not_found=(4,))))
    assert table["touches_edge"].tolist() == [True, False]
    assert table["volume_ml"].tolist() == [1500.1235, 0.0]
    assert table["mean_hu"].isna().tolist() == [False, True]


def test_a_structure_asked_for_and_not_found_keeps_its_row() -> None:
    row = rows(csv_of(SEGMENTED, LIVER, not_found=(14,)))[-1]
    assert (row["structure"], row["side"], row["volume_ml"], row["voxel_count"]) == ("left kidney", "left", "0.0", "0")
    assert (row["mean_hu"], row["remarks"]) == ("", "asked for, not found")


def test_an_empty_table_still_has_its_columns() -> None:
    nothing = Measurements(organs=(), provenance=measurements().provenance)
    text = volumes_csv(nothing, segmentation_provenance=SEGMENTED, report=REPORT)
    assert text.split(",")[0] == "structure"
    assert rows(text) == []


def test_the_json_keeps_full_precision_and_the_whole_provenance() -> None:
    content = json.loads(
        volumes_json(measurements(), segmentation_provenance=SEGMENTED, report=REPORT, not_found=(14,))
    )
    assert content["organs"][0]["volume_ml"] == 1500.123456
    assert content["not_found"] == ["left_kidney"]
    assert Provenance.from_json(content["provenance"]).to_json() == measurements().provenance.to_json()
    assert content["segmentation_provenance"]["parameters"] == {"classes": [1, 3]}
    assert content["warnings"] == ["Left and right may be swapped."]
    assert CtReport.from_json(content["ct"]) == REPORT


@pytest.mark.parametrize(("origin", "mock"), [(Origin.MOCK, True), (Origin.LOCAL, False)])
def test_the_json_says_whether_it_is_mock(origin: Origin, mock: bool) -> None:
    segmented = replace(SEGMENTED, origin=origin)
    content = json.loads(volumes_json(measurements(segmented), segmentation_provenance=segmented, report=REPORT))
    assert content["is_mock"] is mock


def test_a_label_table_names_and_colours_each_label_once() -> None:
    lines = label_table([14, 1, 14, 200]).splitlines()
    assert [int(line.split()[0]) for line in lines] == [0, 1, 14, 200]
    assert [line.split('"')[1] for line in lines] == ["Clear Label", "liver", "left kidney", "label 200"]
    red, green, blue = (int(each) for each in lines[1].split()[1:4])
    assert f"#{red:02x}{green:02x}{blue:02x}" == colour_of(LABEL_BY_NAME["liver"]).lower()
