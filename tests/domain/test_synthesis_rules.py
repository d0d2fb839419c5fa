"""Each rule of MAISI's contract: broken, told, repaired; and any request at all can be repaired."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract_server.maisi import NAMES
from workbench.domain.maisi import ANATOMIES, CONTROLLABLE, LIMITS, PRESETS, REGIONS, core_anatomies, least_slab_mm
from workbench.domain.organs import ORGANS
from workbench.domain.synthesis import RulesBroken, SynthesisRequest
from workbench.domain.synthesis_rules import advice, blocking, check, nearest_allowed, require_allowed

GOOD = SynthesisRequest(
    body_region=("abdomen",),
    anatomy_list=("liver", "spleen"),
    output_size=(256, 256, 256),
    spacing_mm=(1.5, 1.5, 1.5),
)
ELEVEN = (*((name, 0.5) for name in CONTROLLABLE), ("liver", 0.4))

BROKEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("samples", {"num_output_samples": 1000}, {"num_output_samples": 10}),
    ("samples", {"num_output_samples": 0}, {"num_output_samples": 1}),
    ("size x = y", {"output_size": (256, 512, 256)}, {"output_size": (512, 512, 256)}),
    ("size x, y", {"output_size": (300, 300, 256)}, {"output_size": (256, 256, 256)}),
    ("size x, y", {"output_size": (10**6, 10**6, 256)}, {"output_size": (512, 512, 256)}),
    ("size z", {"output_size": (256, 256, 100)}, {"output_size": (256, 256, 128)}),
    ("size z", {"output_size": (256, 256, 700)}, {"output_size": (256, 256, 640)}),
    ("spacing x = y", {"spacing_mm": (1.5, 2.0, 1.5)}, {"spacing_mm": (2.0, 2.0, 1.5)}),
    ("spacing x, y", {"spacing_mm": (3.5, 3.5, 1.5)}, {"spacing_mm": (3.0, 3.0, 1.5)}),
    ("spacing x, y", {"output_size": (512, 512, 256), "spacing_mm": (0.4, 0.4, 1.5)}, {"spacing_mm": (0.5, 0.5, 1.5)}),
    ("spacing z", {"spacing_mm": (1.5, 1.5, 6.0)}, {"spacing_mm": (1.5, 1.5, 5.0)}),
    ("spacing z", {"spacing_mm": (1.5, 1.5, 0.1)}, {"spacing_mm": (1.5, 1.5, 0.5)}),
    ("field of view", {"spacing_mm": (0.9, 0.9, 1.5)}, {"spacing_mm": (1.0, 1.0, 1.5)}),
    ("region known", {"body_region": ("abdomen", "tail")}, {"body_region": ("abdomen",)}),
    ("region known", {"body_region": ("tail",)}, {"body_region": ("abdomen",)}),
    ("region given", {"body_region": ()}, {"body_region": ("abdomen",)}),
    ("region repeats", {"body_region": ("abdomen", "abdomen")}, {"body_region": ("abdomen",)}),
    (
        "region repeats",
        {"body_region": ("thorax", "abdomen", "chest")},
        {"body_region": ("thorax", "abdomen")},
    ),
    ("anatomy known", {"anatomy_list": ("livr", "spleen")}, {"anatomy_list": ("liver", "spleen")}),
    ("anatomy known", {"anatomy_list": ("left_kidney",)}, {"anatomy_list": ("left kidney",)}),
    ("anatomy known", {"anatomy_list": ("qqqq", "spleen")}, {"anatomy_list": ("spleen",)}),
    ("anatomy repeats", {"anatomy_list": ("liver", "spleen", "liver")}, {"anatomy_list": ("liver", "spleen")}),
    ("anatomy in region", {"anatomy_list": ("liver", "brain")}, {"anatomy_list": ("liver",)}),
    ("anatomy in region", {"anatomy_list": ("brain",)}, {"body_region": ("head",), "anatomy_list": ("brain",)}),
    (
        "slab",
        {"body_region": ("head", "chest", "abdomen", "pelvis"), "spacing_mm": (1.5, 1.5, 1.0)},
        {"spacing_mm": (1.5, 1.5, 2.266)},
    ),
    ("slab", {"body_region": ("chest", "pelvis"), "spacing_mm": (1.5, 1.5, 1.0)}, {"spacing_mm": (1.5, 1.5, 1.172)}),
    ("size rows", {"controllable_anatomy_size": ELEVEN}, {}),
    (
        "size repeats",
        {"controllable_anatomy_size": (("liver", 0.5), ("colon", 0.1), ("liver", 0.9))},
        {"controllable_anatomy_size": (("liver", 0.5), ("colon", 0.1))},
    ),
    (
        "one tumour",
        {"controllable_anatomy_size": (("liver", 0.5), ("lung tumor", 0.5), ("bone lesion", 0.5))},
        {"controllable_anatomy_size": (("liver", 0.5), ("lung tumor", 0.5))},
    ),
    (
        "size range",
        {"controllable_anatomy_size": (("liver", 1.5), ("colon", -0.1), ("stomach", -1.0), ("pancreas", -7.0))},
        {"controllable_anatomy_size": (("liver", 1.0), ("colon", 0.0), ("stomach", -1.0), ("pancreas", -1.0))},
    ),
    (
        "size of known",
        {"controllable_anatomy_size": (("spleen", 0.5), ("liver", 0.5))},
        {"controllable_anatomy_size": (("liver", 0.5),)},
    ),
    (
        "size of known",
        {"controllable_anatomy_size": (("spleen", 0.5),), "anatomy_list": ()},
        {"controllable_anatomy_size": (), "anatomy_list": ("spleen",)},
    ),
]


def test_the_request_that_the_others_are_made_from_breaks_nothing() -> None:
    assert check(GOOD) == ()
    assert nearest_allowed(GOOD) is GOOD
    require_allowed(GOOD)


@pytest.mark.parametrize(
    ("rule", "wrong", "repaired"), BROKEN, ids=[f"{each[0]} {at}" for at, each in enumerate(BROKEN)]
)
def test_each_rule_is_told_with_its_field_and_repaired_by_one_change(
    rule: str, wrong: dict[str, Any], repaired: dict[str, Any]
) -> None:
    request = GOOD.with_(**wrong)
    found = {each.rule: each for each in blocking(request)}
    assert rule in found
    assert found[rule].message.endswith(".")
    assert found[rule].nearest
    assert rule not in {each.rule for each in blocking(request.with_(**found[rule].change))}
    allowed = nearest_allowed(request)
    assert blocking(allowed) == ()
    assert allowed == allowed.with_(**repaired)


def test_every_broken_rule_is_told_at_once() -> None:
    request = GOOD.with_(num_output_samples=99, output_size=(1, 2, 3), spacing_mm=(0.0, 9.0, 9.0), body_region=("x",))
    with pytest.raises(RulesBroken, match="6 more rules") as raised:
        require_allowed(request.with_(anatomy_list=("liver", "liver")))
    assert {each.field for each in raised.value.rules} == {
        "num_output_samples",
        "output_size",
        "spacing",
        "body_region",
        "anatomy_list",
    }


def test_an_unknown_anatomy_is_told_with_the_nearest_names() -> None:
    (rule,) = blocking(GOOD.with_(anatomy_list=("kidney",)))
    assert {"left kidney", "right kidney"} <= set(rule.suggestions)
    assert "left kidney" in rule.nearest


def test_a_pixel_that_only_the_page_allows_says_who_refuses_it() -> None:
    (rule,) = blocking(GOOD.with_(spacing_mm=(4.0, 4.0, 1.5)))
    assert "page says up to 5" in rule.message


@pytest.mark.parametrize("regions", [("chest",), ("abdomen",), ("chest", "abdomen")])
def test_a_view_under_384_mm_is_advised_against_and_allowed(regions: tuple[str, ...]) -> None:
    request = GOOD.with_(body_region=regions, anatomy_list=("liver",), spacing_mm=(1.2, 1.2, 1.5))
    (told,) = check(request)
    assert (told.rule, told.blocks) == ("field of view advised", False)
    assert check(request.with_(**told.change)) == ()
    assert nearest_allowed(request) is request


def test_a_head_may_be_as_small_as_256_mm() -> None:
    request = GOOD.with_(body_region=("head",), anatomy_list=("brain",), spacing_mm=(1.0, 1.0, 1.0))
    assert check(request) == ()


def test_sizes_of_organs_say_that_they_override_the_rest_and_ignore_its_rules() -> None:
    request = GOOD.with_(body_region=("head",), anatomy_list=("liver",), controllable_anatomy_size=(("liver", 0.5),))
    assert blocking(request) == ()
    (told,) = advice(request)
    assert told.rule == "sizes override"
    assert check(request.with_(**told.change)) == ()


def test_no_anatomy_at_all_is_allowed_and_told() -> None:
    (told,) = check(GOOD.with_(anatomy_list=()))
    assert (told.rule, told.blocks) == ("anatomy given", False)


@pytest.mark.parametrize("preset", PRESETS, ids=[each.label for each in PRESETS])
def test_every_recommended_pair_breaks_no_rule(preset: Any) -> None:
    request = SynthesisRequest(
        body_region=preset.body_region,
        anatomy_list=core_anatomies(preset.body_region),
        output_size=preset.output_size,
        spacing_mm=preset.spacing_mm,
    )
    assert check(request) == ()


def test_the_anatomies_are_those_of_the_contract_under_their_vista3d_ids() -> None:
    assert len(ANATOMIES) == 124
    assert set(ANATOMIES) == NAMES
    assert all(ORGANS[each.label].name == name for name, each in ANATOMIES.items())
    known = {region.name for region in REGIONS}
    assert all(each.regions and set(each.regions) <= known for each in ANATOMIES.values())


def test_what_a_region_shows_lies_in_it() -> None:
    for region in REGIONS:
        assert region.core
        assert all(region.name in ANATOMIES[name].regions for name in region.core)


@pytest.mark.parametrize(
    ("regions", "least"),
    [(("chest",), 0), (("chest", "abdomen"), 100), (("head", "pelvis"), 580), (("lower", "thorax"), 300), ((), 0)],
)
def test_the_shortest_slab_holds_what_lies_between_whole(regions: tuple[str, ...], least: float) -> None:
    assert least_slab_mm(regions) == least


ANY_NAMES = st.lists(st.sampled_from([*ANATOMIES, "livr", "left_kidney", "", "tail"]), max_size=6).map(tuple)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
ANY_SPACING = st.one_of(ANY_FLOAT, st.floats(0.3, 6.0))
ANY_SIDE = st.one_of(st.integers(-10, 10**9), st.sampled_from([*LIMITS.x_y, *LIMITS.z]))


@settings(max_examples=300, deadline=None)
@given(
    request=st.builds(
        SynthesisRequest,
        body_region=st.lists(
            st.sampled_from(["head", "chest", "thorax", "abdomen", "pelvis", "lower", "tail"]), max_size=5
        ).map(tuple),
        anatomy_list=ANY_NAMES,
        output_size=st.tuples(ANY_SIDE, ANY_SIDE, ANY_SIDE),
        spacing_mm=st.tuples(ANY_SPACING, ANY_SPACING, ANY_SPACING),
        controllable_anatomy_size=st.lists(
            st.tuples(st.sampled_from([*CONTROLLABLE, "spleen", "tail"]), ANY_FLOAT), max_size=13
        ).map(tuple),
        num_output_samples=st.integers(-5, 10**6),
    )
)
def test_any_request_has_a_nearest_one_that_is_allowed(request: SynthesisRequest) -> None:
    allowed = nearest_allowed(request)
    assert blocking(allowed) == ()
    assert allowed.names == () or allowed.labels
    require_allowed(allowed)
