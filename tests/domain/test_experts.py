"""An answer's call for an expert: a strict grammar, and prose that is no call."""

from __future__ import annotations

import pytest

from workbench.domain.experts import VISTA3D_ARGUMENTS, BadTrigger, Expert, Trigger, parse_trigger
from workbench.domain.organs import ORGANS


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("<VISTA3D(hepatic tumor)>", "hepatic tumor"),
        ("I will look closer: <VISTA3D(Hepatic  Tumor)>", "hepatic tumor"),
        ("<VISTA3D>", "everything"),
        ("<VISTA3D()>", "everything"),
        ("<VISTA3D(everything)>\n", "everything"),
    ],
)
def test_a_call_for_vista3d_is_understood(text, argument):
    assert parse_trigger(text) == Trigger(expert=Expert.VISTA3D, argument=argument, labels=VISTA3D_ARGUMENTS[argument])


@pytest.mark.parametrize("text", ["<CXR()>", "<CXR>", "This needs <BRATS()>.", "<VISTA2D()>"])
def test_other_experts_are_recognised(text):
    found = parse_trigger(text)
    assert isinstance(found, Trigger)
    assert found.expert.value in text


@pytest.mark.parametrize(
    "text",
    ["", "VISTA3D could segment the liver.", "The density is < 20 HU and > 5 HU.", "CXR(normal)", "see <b>liver</b>"],
)
def test_prose_is_no_call(text):
    assert parse_trigger(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<VISTA3D(organs)> <VISTA3D(muscles)>", "several"),
        ("<VISTA3D(organs)> and <b>", "several"),
        ("<VISTA3D(left toe)>", "does not know"),
        ("<VISTA3D(organs>", "form"),
        ("<VISTA3D(organs))>", "form"),
        ("< VISTA3D(organs)>", "form"),
        ("<vista3d(organs)>", "form"),
        ("<CXR(lungs)>", "takes none"),
        ("Let me see <VISTA3D(organs", "did not finish"),
    ],
)
def test_a_call_that_cannot_be_followed_is_told_why(text, why):
    found = parse_trigger(text)
    assert isinstance(found, BadTrigger)
    assert why in found.why


def test_every_argument_names_structures_of_the_dictionary():
    for name, labels in VISTA3D_ARGUMENTS.items():
        if labels is None:
            assert name == "everything"
            continue
        assert len(set(labels)) == len(labels)
        assert set(labels) <= ORGANS.keys()
