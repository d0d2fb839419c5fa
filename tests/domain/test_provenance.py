"""The marks of what is invented and of what a model drew, inherited by everything computed from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.made import MOCK, UPLOAD, case
from workbench.domain.badge import badge_of
from workbench.domain.case import SegmentationRecord
from workbench.domain.provenance import Mark, Origin, Provenance, mark_of

MAISI = replace(UPLOAD, origin=Origin.LOCAL, model="maisi", version="1.0.1", synthetic=True)
MOCK_MAISI = replace(MOCK, model="mock MAISI", synthetic=True)


def measured(*inputs: Provenance, origin: Origin = Origin.LOCAL) -> Provenance:
    return replace(UPLOAD, origin=origin, model="vista3d", version="0.5.7", inputs=inputs)


@pytest.mark.parametrize(
    ("made", "mark"),
    [
        (UPLOAD, None),
        (MOCK, "MOCK"),
        (MAISI, "SYNTHETIC"),
        (MOCK_MAISI, "MOCK SYNTHETIC"),
        (measured(UPLOAD), None),
        (measured(MOCK), "MOCK"),
        (measured(MAISI), "SYNTHETIC"),
        (measured(MAISI, origin=Origin.MOCK), "MOCK SYNTHETIC"),
        (measured(measured(MAISI), UPLOAD), "SYNTHETIC"),
        (measured(MOCK_MAISI), "MOCK SYNTHETIC"),
        (measured(MAISI, MOCK), "MOCK SYNTHETIC"),
    ],
)
def test_the_mark_follows_everything_computed_from_it_and_survives_storing(made: Provenance, mark: Mark | None) -> None:
    assert made.mark == mark
    assert Provenance.from_json(made.to_json()) == made
    assert Provenance.from_json(made.to_json()).mark == mark
    assert made.to_json()["is_synthetic"] == ("SYNTHETIC" in (mark or ""))


def test_what_was_stored_before_there_were_synthetic_pictures_is_read() -> None:
    stored = UPLOAD.to_json()
    del stored["synthetic"], stored["is_synthetic"]
    assert Provenance.from_json(stored) == UPLOAD


def test_several_things_in_one_picture_share_the_strongest_mark() -> None:
    assert mark_of() is None
    assert mark_of(UPLOAD, MAISI) == "SYNTHETIC"
    assert mark_of(MOCK, MAISI) == "MOCK SYNTHETIC"


@pytest.mark.parametrize(
    ("volume", "mask", "text", "name_mark"),
    [
        (MAISI, None, "Synthetic CT by your NIM, maisi 1.0.1, no patient", "-SYNTHETIC"),
        (MAISI, MAISI, "Synthetic CT with its own labels by your NIM, maisi 1.0.1", "-SYNTHETIC"),
        (MAISI, measured(MAISI), "Mask of a synthetic CT by your NIM, vista3d 0.5.7", "-SYNTHETIC"),
        (MAISI, measured(MAISI, origin=Origin.MOCK), "Mock mask of a synthetic CT", "-MOCK-SYNTHETIC"),
        (MOCK_MAISI, None, "Mock synthetic CT, no patient", "-MOCK-SYNTHETIC"),
        (MOCK_MAISI, MOCK_MAISI, "Mock synthetic CT with its own labels", "-MOCK-SYNTHETIC"),
        (MOCK_MAISI, measured(MOCK_MAISI), "Mask of a mock synthetic CT by your NIM, vista3d 0.5.7", "-MOCK-SYNTHETIC"),
        (UPLOAD, None, "Uploaded CT", ""),
        (MOCK, None, "Made-up phantom, no patient", "-MOCK"),
    ],
)
def test_the_badge_and_the_names_of_files_say_what_a_case_is(
    volume: Provenance, mask: Provenance | None, text: str, name_mark: str
) -> None:
    record = SegmentationRecord(asked=None, not_found=(), warnings=(), provenance=mask, revision=1) if mask else None
    shown = case("c1", "o1").with_(provenance=volume, segmentation=record)
    badge = badge_of(shown)
    assert badge.text == text
    assert badge.mark == shown.mark
    assert (badge.is_synthetic, badge.is_mock) == ("SYNTHETIC" in name_mark, "MOCK" in name_mark)
    assert shown.name_mark == name_mark
