"""What the values of a mask mean: every case of the contract, by tables worked out by hand."""

from __future__ import annotations

import pytest

from workbench.domain.errors import NimReplyInvalid
from workbench.domain.synthesis import Numbering, SynthesisRequest
from workbench.nim.maisi_numbering import Legend, legend

# Ids in the dictionary: liver 1, spleen 3, pancreas 4, aorta 6.
LIVER, SPLEEN, PANCREAS, AORTA = 1, 3, 4, 6


def read(names: tuple[str, ...], values: set[int]) -> Legend:
    return legend(frozenset(values), SynthesisRequest(body_region=("abdomen",), anatomy_list=names))


def meanings(found: Legend, values: set[int]) -> dict[int, int]:
    return {value: int(found.label_of_value[value]) for value in values}


def test_values_up_to_the_length_of_the_list_are_places_in_it() -> None:
    found = read(("spleen", "aorta", "liver"), {0, 1, 2, 3})
    assert found.numbering is Numbering.ORDER
    assert meanings(found, {0, 1, 2, 3}) == {0: 0, 1: SPLEEN, 2: AORTA, 3: LIVER}
    assert found.warnings == ()


def test_a_value_beyond_the_list_makes_all_of_them_ids() -> None:
    found = read(("spleen", "aorta", "liver"), {0, 1, 3, 6})
    assert found.numbering is Numbering.GLOBAL_IDS
    assert meanings(found, {0, 1, 3, 6}) == {0: 0, 1: LIVER, 3: SPLEEN, 6: AORTA}
    assert "beyond the 3 anatomies" in found.warnings[0]


@pytest.mark.parametrize("values", [{7}, {1, 2, 6}, {1, 3, 6, 44}, {255}])
def test_a_value_beyond_the_list_that_is_no_id_of_what_was_asked_for_is_refused(values: set[int]) -> None:
    with pytest.raises(NimReplyInvalid, match="neither places in the list"):
        read(("spleen", "aorta", "liver"), values)


def test_values_that_fit_both_ways_are_read_as_places_and_told() -> None:
    found = read(("spleen", "pancreas", "liver", "aorta"), {0, 1, 3})
    assert found.numbering is Numbering.ORDER
    assert meanings(found, {1, 3}) == {1: SPLEEN, 3: LIVER}
    assert "cannot be told" in found.warnings[0]
    assert "1 = spleen, 3 = liver" in found.warnings[0]
    assert "1 = liver, 3 = spleen" in found.warnings[0]


def test_values_that_mean_the_same_both_ways_are_no_doubt() -> None:
    found = read(("liver", "spleen"), {0, 1})
    assert meanings(found, {1}) == {1: LIVER}
    assert found.warnings == ()


def test_an_empty_mask_is_no_doubt_either() -> None:
    assert read(("spleen", "liver", "aorta"), {0}).warnings == ()


def test_the_body_around_the_organs_is_background_in_a_mask_by_ids() -> None:
    found = read(("spleen", "liver"), {0, 1, 3, 200})
    assert (found.numbering, meanings(found, {200})) == (Numbering.GLOBAL_IDS, {200: 0})


def test_without_a_list_every_id_of_the_dictionary_is_known() -> None:
    found = read((), {0, 1, 6})
    assert found.numbering is Numbering.GLOBAL_IDS
    assert "no list of anatomies" in found.warnings[0]
    assert read((), {0}).warnings == ()
    with pytest.raises(NimReplyInvalid):
        read((), {0, 1, 140})


def test_sizes_of_organs_number_the_mask_in_place_of_the_list() -> None:
    request = SynthesisRequest(
        anatomy_list=("liver",), controllable_anatomy_size=(("pancreas", 0.5), ("hepatic tumor", 0.2))
    )
    found = legend(frozenset({0, 1, 2}), request)
    assert meanings(found, {1, 2}) == {1: PANCREAS, 2: 26}
