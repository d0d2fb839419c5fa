"""Numbers attributed to the open case, held against its table."""

from __future__ import annotations

import pytest

from tests.case_made import segmented_case
from workbench.domain.dialogue import CaseSheet
from workbench.usecases.case_sheet import build_case_sheet
from workbench.usecases.check_numbers import numbers, wrong_number


@pytest.fixture
def sheet() -> CaseSheet:
    """Liver 1512.34 mL at 58.21 HU; spleen 203.5 mL at 51.0 HU, cut by the scan; left kidney 8.125 mL."""
    return build_case_sheet(segmented_case())


@pytest.mark.parametrize(
    "sentence",
    [
        "The liver has a volume of 1512.3 mL.",
        "The liver has a volume of 1,512.3 mL.",
        "The liver has 1 512.3 mL and a mean of 58.2 HU.",
        "The liver measures about 1512 mL.",
        "The liver measures 1.5 L.",
        "The liver measures 1512 cm3.",
        "The spleen has at least 203.5 mL.",
        "The liver is 1512.3 mL, the spleen at least 203.5 mL.",
        "The left kidney measures 8.13 mL.",
        "VISTA-3D segmented the liver and the spleen.",
        "The CT has 100 x 80 x 60 voxels.",
    ],
)
def test_a_number_of_the_table_is_right_however_it_is_rounded_or_written(sentence: str, sheet: CaseSheet) -> None:
    assert wrong_number(sentence, sheet) is None


@pytest.mark.parametrize(
    ("sentence", "tells"),
    [
        ("The liver has a volume of 1612.3 mL.", "1512.3 mL"),
        ("The liver is 203.5 mL, the spleen at least 1512.3 mL.", "1512.3 mL"),
        ("The liver measures 1.6 L.", "1512.3 mL"),
        ("The spleen has 203.5 mL.", "at least 203.5 mL"),
        ("The mean of the liver is 62 HU.", "58.2 HU"),
        ("The liver is 7.4 times as large as the spleen.", "liver"),
        ("The pancreas has 90 mL.", "90 mL"),
    ],
)
def test_a_number_that_is_not_in_the_table_is_told_with_what_the_table_says(
    sentence: str, tells: str, sheet: CaseSheet
) -> None:
    why = wrong_number(sentence, sheet)

    assert why is not None
    assert tells in why


def test_digits_inside_names_are_no_numbers() -> None:
    assert [each.value for each in numbers("VISTA-3D, vertebrae L5, T12 and C7-T1 of 3 cases at −950 HU")] == [
        3.0,
        -950.0,
    ]


def test_units_of_volume_are_brought_to_millilitres() -> None:
    read = list(numbers("1.5 L, 20 cc, 1 860.6 mL, 5000 mm3"))

    assert [(each.value, each.unit) for each in read] == [(1500.0, "mL"), (20.0, "mL"), (1860.6, "mL"), (5.0, "mL")]
