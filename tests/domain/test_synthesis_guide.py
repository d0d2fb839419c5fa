"""What clients of the guide send is read as MAISI takes it, and every translation is told."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.domain.maisi import common_anatomies, core_anatomies
from workbench.domain.synthesis import RulesBroken, SynthesisRequest
from workbench.domain.synthesis_forecast import forecast, published_size
from workbench.domain.synthesis_guide import FIELDS, read_request
from workbench.domain.synthesis_rules import blocking, check


def test_the_guides_own_shape_becomes_lists_voxels_and_names() -> None:
    read = read_request({"body_region": "chest", "resolution": "512x512x512", "num_classes": 20})
    assert read.request == SynthesisRequest(
        body_region=("chest",),
        anatomy_list=common_anatomies(["chest"])[:20],
        output_size=(512, 512, 512),
        spacing_mm=(1.0, 1.0, 1.0),
    )
    assert blocking(read.request) == ()
    said = " ".join(read.warnings)
    for told in ("body_region “chest”", "resolution “512x512x512”", "spacing", "num_classes 20"):
        assert told in said


def test_maisis_own_shape_is_taken_as_it_is_without_a_word() -> None:
    fields = {
        "num_output_samples": 2,
        "body_region": ["abdomen"],
        "anatomy_list": ["liver", "left kidney"],
        "output_size": [256, 256, 256],
        "spacing": [1.5, 1.5, 1.5],
    }
    read = read_request(fields)
    assert read.warnings == ()
    assert {**read.request.to_json(), "controllable_anatomy_size": None} == {
        **fields,
        "controllable_anatomy_size": None,
    }


@pytest.mark.parametrize(
    "text", ["512x512x128", "512 × 512 × 128", "512*512*128", "512, 512, 128", "512 512 128", "512X512X128"]
)
def test_a_size_may_come_as_text(text: str) -> None:
    assert read_request({"body_region": ["chest"], "resolution": text}).request.output_size == (512, 512, 128)


@pytest.mark.parametrize("size", [["512", "512", "128"], [512.0, 512, 128], "512x512x128"])
def test_numbers_of_a_size_may_be_texts_or_whole_floats(size: Any) -> None:
    assert read_request({"body_region": ["chest"], "output_size": size}).request.output_size == (512, 512, 128)


def test_one_number_stands_for_all_three() -> None:
    request = read_request({"body_region": "chest", "resolution": "256", "spacing": 1.5}).request
    assert (request.output_size, request.spacing_mm) == ((256, 256, 256), (1.5, 1.5, 1.5))


def test_without_a_size_or_anatomies_sensible_ones_are_chosen_and_told() -> None:
    read = read_request({"body_region": "abdomen"})
    assert read.request.output_size == (256, 256, 256)
    assert read.request.anatomy_list == core_anatomies(["abdomen"])
    assert blocking(read.request) == ()
    assert len(read.warnings) == 4


@pytest.mark.parametrize(
    "regions", ["chest, abdomen", "chest+abdomen", "chest abdomen", "Chest and Abdomen", ["chest", "abdomen"]]
)
def test_several_regions_may_come_in_one_text(regions: Any) -> None:
    assert read_request({"body_region": regions}).request.body_region == ("chest", "abdomen")


def test_an_unknown_region_is_left_for_the_rules_to_tell() -> None:
    assert read_request({"body_region": "whole body"}).request.body_region == ("whole body",)


@pytest.mark.parametrize(
    "rows",
    [
        [["liver", 0.5], ["hepatic_tumor", "-1"]],
        {"liver": 0.5, "hepatic tumor": -1},
        [{"name": "liver", "size": "0.5"}, {"name": "Hepatic Tumor", "size": -1}],
        "liver=0.5, hepatic tumor=-1",
        "liver: 0.5; hepatic_tumor: -1",
    ],
)
def test_sizes_of_organs_may_be_pairs_a_mapping_or_text(rows: Any) -> None:
    read = read_request({"controllable_anatomy_size": rows, "output_size": [256] * 3, "spacing": [1.5] * 3})
    assert read.request.controllable_anatomy_size == (("liver", 0.5), ("hepatic tumor", -1.0))


def test_names_may_be_written_in_either_spelling() -> None:
    read = read_request({"body_region": "abdomen", "anatomy_list": "left_kidney, Vertebrae_L2"})
    assert read.request.anatomy_list == ("left kidney", "vertebrae L2")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"resolution": "big"}, "resolution"),
        ({"resolution": "512x512"}, "resolution"),
        ({"output_size": [1, 2, 3, 4]}, "output_size"),
        ({"output_size": [256.5, 256, 256]}, "output_size"),
        ({"output_size": {"x": 1}}, "output_size"),
        ({"output_size": [True, True, True]}, "output_size"),
        ({"output_size": "infx1x1"}, "output_size"),
        ({"spacing": "nan"}, "spacing"),
        ({"spacing": [None, 1, 1]}, "spacing"),
        ({"num_output_samples": "many"}, "num_output_samples"),
        ({"num_output_samples": 1.5}, "num_output_samples"),
        ({"num_classes": 0}, "num_classes"),
        ({"body_region": 3}, "body_region"),
        ({"body_region": ["chest", 3]}, "body_region"),
        ({"anatomy_list": ["liver"] * 1000}, "anatomy_list"),
        ({"controllable_anatomy_size": [["liver"]]}, "controllable_anatomy_size"),
        ({"controllable_anatomy_size": [["liver", "big"]]}, "controllable_anatomy_size"),
        ({"controllable_anatomy_size": 5}, "controllable_anatomy_size"),
        ({"seed": 5}, "seed"),
        ({"resolution": "256x256x256", "output_size": [512, 512, 512]}, "resolution"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RulesBroken) as raised:
        read_request({"body_region": "chest", **fields})
    assert field in {rule.field for rule in raised.value.rules}
    assert all(rule.nearest for rule in raised.value.rules)


def test_a_misspelt_field_is_told_with_the_one_meant() -> None:
    with pytest.raises(RulesBroken, match="anatomy_lst") as raised:
        read_request({"body_region": "chest", "anatomy_lst": ["liver"]})
    assert raised.value.hint == "Did you mean anatomy_list?"


ANY_SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12))
ANY_VALUE = st.recursive(
    ANY_SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANY_VALUE))
def test_whatever_json_can_hold_is_read_or_refused_by_its_rules(fields: dict[str, Any]) -> None:
    with contextlib.suppress(RulesBroken):
        read = read_request(fields)
        assert SynthesisRequest.from_json(read.request.to_json()) == read.request
        check(read.request)


@pytest.mark.parametrize(
    ("size", "published", "seconds"),
    [
        ((256, 256, 256), (256, 256, 256), 80),
        ((512, 512, 512), (512, 512, 512), 600),
        ((384, 384, 256), (512, 512, 512), None),
        ((512, 512, 768), (512, 512, 768), None),
        ((512, 512, 640), (512, 512, 768), None),
        ((256, 256, 128), (256, 256, 128), None),
    ],
)
def test_memory_is_that_of_the_size_or_the_next_larger_published(
    size: tuple[int, int, int], published: tuple[int, int, int], seconds: float | None
) -> None:
    request = SynthesisRequest(output_size=size, num_output_samples=2)
    told = forecast(request)
    assert published_size(request) == told.memory_size == published
    assert told.memory_is_exact == (size == published)
    assert 0 < told.memory_low_gb <= told.memory_high_gb
    if seconds is not None:
        assert told.seconds == pytest.approx(2 * seconds)
    assert told.result_mb == pytest.approx(2 * 3 * size[0] * size[1] * size[2] / 1e6)


def test_more_voxels_take_longer_and_no_less_memory() -> None:
    sizes = [(256, 256, 128), (256, 256, 256), (512, 512, 256), (512, 512, 512), (512, 512, 768)]
    told = [forecast(SynthesisRequest(output_size=size)) for size in sizes]
    assert all(one.seconds < other.seconds for one, other in itertools.pairwise(told))
    assert told[0].memory_high_gb <= told[-1].memory_high_gb
