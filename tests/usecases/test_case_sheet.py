"""The open case as a source."""

from __future__ import annotations

import pytest

from tests.case_made import segmented_case
from workbench.domain.errors import StateConflict
from workbench.domain.provenance import Origin
from workbench.usecases.case_sheet import build_case_sheet


def test_each_structure_has_a_sentence_that_can_be_quoted_alone() -> None:
    text = build_case_sheet(segmented_case()).text

    assert "The volume of the liver is 1512.3 mL, its mean 58.2 HU and its standard deviation 12.2 HU." in text
    assert "The volume of the spleen is at least 203.5 mL" in text
    assert "Looked for and not found: pancreas." in text
    assert "Warning: The scan cuts the spleen." in text


def test_facts_hold_what_the_table_holds() -> None:
    sheet = build_case_sheet(segmented_case())
    volumes = {each.structure: (each.value, each.at_least) for each in sheet.facts if each.quantity == "volume"}

    assert volumes == {"liver": (1512.34, False), "spleen": (203.5, True), "left kidney": (8.125, False)}


def test_nothing_of_the_patient_or_the_file_is_in_the_sheet() -> None:
    assert "JONES" not in build_case_sheet(segmented_case()).text


def test_a_mock_case_says_so_in_its_marks_its_text_and_its_provenance() -> None:
    sheet = build_case_sheet(segmented_case(Origin.MOCK))

    assert sheet.marks == ("MOCK",)
    assert sheet.text.startswith("MOCK:")
    assert sheet.provenance.is_mock


def test_a_case_that_is_not_segmented_says_that_nothing_was_measured() -> None:
    sheet = build_case_sheet(segmented_case().with_(segmentation=None, measurements=None))

    assert sheet.facts == ()
    assert "No structure of this case was segmented yet." in sheet.text


def test_a_case_that_is_still_read_cannot_be_a_source() -> None:
    with pytest.raises(StateConflict):
        build_case_sheet(segmented_case().with_(report=None))
