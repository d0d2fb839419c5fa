from __future__ import annotations

import re

import pytest

from workbench.domain.organs import ORGANS
from workbench.imaging import colour_design
from workbench.imaging.colours import UNKNOWN, colour_of

BOTH = pytest.mark.parametrize("safe", [False, True])


@BOTH
def test_every_structure_has_a_colour_of_its_own(safe: bool) -> None:
    colours = [colour_of(label, safe=safe) for label in ORGANS]
    assert len(set(colours)) == 132
    assert all(re.fullmatch("#[0-9a-f]{6}", each) for each in colours)


@BOTH
def test_neighbours_in_the_body_are_far_apart_for_every_eye_the_table_is_for(safe: bool) -> None:
    eyes = colour_design.VISION if safe else ["usual"]
    close = [
        (ORGANS[a].name, ORGANS[b].name)
        for a, b in sorted(colour_design.neighbours())
        for eye in eyes
        if colour_design.distance(colour_of(a, safe=safe), colour_of(b, safe=safe), eye) < colour_design.APART
    ]
    assert close == []


@BOTH
def test_left_and_right_share_a_hue_and_differ_in_lightness(safe: bool) -> None:
    for organ in ORGANS.values():
        twin = colour_design.twin_of(organ)
        if twin is None or organ.side != "left":
            continue
        left = colour_design.oklch(colour_of(organ.label, safe=safe))
        right = colour_design.oklch(colour_of(twin, safe=safe))
        apart_deg = abs((left[2] - right[2] + 180) % 360 - 180)
        assert apart_deg < 4, organ.name
        assert abs(left[0] - right[0]) >= colour_design.PAIR_APART, organ.name


def test_lesions_are_the_loudest() -> None:
    chroma = {label: colour_design.oklch(colour_of(label))[1] for label in ORGANS}
    lesions = {label for label, organ in ORGANS.items() if organ.group == "lesion"}
    assert min(chroma[each] for each in lesions) > max(chroma[each] for each in ORGANS if each not in lesions)


def test_a_label_outside_the_dictionary_is_grey() -> None:
    assert colour_of(200) == colour_of(0, safe=True) == UNKNOWN


def test_red_and_green_look_alike_to_a_deuteranope_and_not_to_others() -> None:
    red, green = "#c05020", "#8a7a20"
    assert colour_design.distance(red, green, "deuteranopia") < 0.6 * colour_design.distance(red, green)


def test_black_and_white_are_a_hundred_apart() -> None:
    assert colour_design.distance("#000000", "#ffffff") == pytest.approx(100, abs=0.1)
