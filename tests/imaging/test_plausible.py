"""Checks that speak up: they say what was seen, where, and never what it means for a patient."""

from __future__ import annotations

import re
from types import MappingProxyType

import pytest

from workbench.domain.organs import LABEL_BY_NAME
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.imaging.plausible import check, reference_ranges

MADE = Provenance(origin=Origin.LOCAL, model="a test", version="1", created_at="2026-01-01T00:00:00+00:00")

BODY = {
    "liver": (60.0, 20.0, 0.0),
    "spleen": (-90.0, -40.0, 10.0),
    "left kidney": (-60.0, -50.0, -60.0),
    "right kidney": (60.0, -50.0, -70.0),
    "left femur": (-90.0, 0.0, -420.0),
    "right femur": (90.0, 0.0, -420.0),
    "heart": (-20.0, 50.0, 110.0),
    "bladder": (0.0, 40.0, -380.0),
    "spinal cord": (0.0, -70.0, 50.0),
    "vertebrae T11": (0.0, -60.0, 40.0),
    "vertebrae T12": (0.0, -60.0, 10.0),
    "vertebrae L1": (0.0, -55.0, -25.0),
    "vertebrae L2": (0.0, -50.0, -60.0),
}
"""Centroids of an ordinary trunk in RAS mm."""


def organ(
    name: str, at: tuple[float, float, float] = (0.0, 0.0, 0.0), ml: float = 1.0, cut: bool = False
) -> OrganVolume:
    return OrganVolume(
        label=LABEL_BY_NAME[name.lower()],
        volume_ml=ml,
        voxel_count=1,
        mean_hu=0.0,
        std_hu=0.0,
        min_hu=0,
        max_hu=0,
        centroid_ras_mm=at,
        extent_mm=(1.0, 1.0, 1.0),
        touches_edge=cut,
        largest_slice=MappingProxyType({"axial": 1, "coronal": 1, "sagittal": 1}),
    )


def checked(*organs: OrganVolume) -> Measurements:
    return check(Measurements(organs=organs, provenance=MADE))


def body(mirror: tuple[int, int, int] = (1, 1, 1), **moved: tuple[float, float, float]) -> Measurements:
    places = {**BODY, **{name.replace("_", " "): at for name, at in moved.items()}}
    return checked(
        *(
            organ(name, (at[0] * mirror[0], at[1] * mirror[1], at[2] * mirror[2]), ml=MIDDLE.get(name, 10.0))
            for name, at in places.items()
        )
    )


MIDDLE = {"liver": 1400.0, "spleen": 200.0, "left kidney": 160.0, "right kidney": 160.0}


def flags(measurements: Measurements) -> dict[str, tuple[str, ...]]:
    return {each.name: each.flags for each in measurements.organs if each.flags}


def test_an_ordinary_trunk_raises_nothing() -> None:
    seen = body()
    assert (seen.warnings, flags(seen)) == ((), {})


def test_a_file_mirrored_left_to_right_is_noticed() -> None:
    seen = body(mirror=(-1, 1, 1))
    (warning,) = seen.warnings
    assert "2 of 2 left-right pairs" in warning
    assert "liver lies on the patient's left of the spleen" in warning
    assert flags(seen)["left kidney"] == ("lies on the patient's right of the right kidney",)
    assert flags(seen)["right kidney"] == ("lies on the patient's left of the left kidney",)


def test_one_swapped_pair_is_told_among_the_right_ones() -> None:
    seen = body(left_kidney=BODY["right kidney"], right_kidney=BODY["left kidney"])
    assert "1 of 2 left-right pairs" in seen.warnings[0]
    assert "left femur" not in flags(seen)


def test_liver_and_spleen_alone_tell_a_mirrored_file() -> None:
    seen = checked(organ("liver", (-60, 0, 0), 1400), organ("spleen", (90, 0, 0), 200))
    assert "swapped" in seen.warnings[0]


def test_a_pair_in_the_midline_is_no_evidence() -> None:
    assert checked(organ("left iliac artery", (1, 0, 0)), organ("right iliac artery", (-1, 0, 0))).warnings == ()


def test_a_file_upside_down_is_noticed_once() -> None:
    seen = body(mirror=(1, 1, -1))
    (warning,) = seen.warnings
    assert "Head and feet may be reversed" in warning
    assert flags(seen) == {}


def test_a_file_turned_round_is_told_as_mirrored_and_back_to_front() -> None:
    seen = body(mirror=(-1, -1, 1))
    assert ["swapped" in seen.warnings[0], "Front and back" in seen.warnings[1]] == [True, True]


def test_one_vertebra_out_of_order_is_named() -> None:
    seen = body(vertebrae_T12=(0.0, -60.0, -40.0))
    (warning,) = seen.warnings
    assert "vertebrae T12 below vertebrae L1" in warning
    assert "lies below the vertebrae L1" in flags(seen)["vertebrae T12"]
    assert "lies above the vertebrae T12" in flags(seen)["vertebrae L1"]


@pytest.mark.parametrize("name", sorted(reference_ranges()))
def test_a_volume_outside_every_cited_range_is_flagged_with_its_source(name: str) -> None:
    ranges = reference_ranges()[name]
    low, high = min(each.low_ml for each in ranges), max(each.high_ml for each in ranges)
    assert checked(organ(name, ml=low)).organs[0].flags == ()
    assert checked(organ(name, ml=high)).organs[0].flags == ()
    for ml in (low * 0.99, high * 1.01):
        (flag,) = checked(organ(name, ml=ml)).organs[0].flags
        assert re.fullmatch(r"outside the cited adult range \(\S+–\S+ mL, \w+ \d{4}\)", flag)


def test_a_cut_organ_is_never_too_small_but_may_be_too_large() -> None:
    assert checked(organ("liver", ml=10, cut=True)).organs[0].flags == ()
    assert checked(organ("liver", ml=9000, cut=True)).organs[0].flags != ()


def test_the_nearest_study_is_the_one_named() -> None:
    assert "Kim 2021" in checked(organ("liver", ml=500)).organs[0].flags[0]
    assert "Linguraru 2012" in checked(organ("liver", ml=3000)).organs[0].flags[0]


def test_a_structure_without_a_cited_range_is_not_judged() -> None:
    assert checked(organ("colon", ml=99999)).organs[0].flags == ()


def test_earlier_warnings_stay() -> None:
    before = Measurements(organs=(), warnings=("from before",), provenance=MADE)
    assert check(before).warnings == ("from before",)


def test_no_remark_reads_like_a_finding() -> None:
    texts = []
    for seen in (body(mirror=(-1, -1, -1)), body(vertebrae_T12=(0, 0, -90)), checked(organ("spleen", ml=5000))):
        texts += [*seen.warnings, *(flag for each in seen.organs for flag in each.flags)]
    assert len(texts) >= 5
    assert not re.search(r"abnormal|diagnos|patholog|enlarged|disease|normal", " ".join(texts), re.IGNORECASE)


def test_every_range_is_cited_and_names_structures_that_exist() -> None:
    for name, ranges in reference_ranges().items():
        assert name in LABEL_BY_NAME
        for each in ranges:
            assert 0 < each.low_ml < each.high_ml
            assert all((each.authors, each.title, each.journal, each.population, each.what))
            assert each.cite.endswith(str(each.year))
            assert each.doi is None or re.fullmatch(r"10\.\d{4,9}/\S+", each.doi)
