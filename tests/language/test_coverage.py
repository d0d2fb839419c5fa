"""What a passage supports of a sentence, by known shares."""

from __future__ import annotations

from itertools import pairwise

import pytest

from workbench.language.coverage import coverage, highlights

RARITY = {"liver": 2.0, "volum": 3.0, "spleen": 5.0, "contrast": 1.0, "enhanc": 1.0}


def test_coverage_is_the_share_of_rarity_that_the_passage_holds() -> None:
    assert coverage("The volume of the liver and the spleen.", "Liver volumes vary.", RARITY) == pytest.approx(0.5)
    assert coverage("The spleen.", "A liver.", RARITY) == 0.0
    assert coverage("Livers!", "the LIVER", RARITY) == 1.0


def test_a_word_nobody_counted_weighs_as_much_as_the_rarest() -> None:
    assert coverage("liver wombat", "liver", {"liver": 2.0, "spleen": 6.0}) == pytest.approx(2 / 8)
    assert coverage("liver wombat", "liver", {}) == pytest.approx(0.5)


def test_a_word_said_twice_counts_once() -> None:
    assert coverage("liver liver liver spleen", "liver", {"liver": 1.0, "spleen": 1.0}) == pytest.approx(0.5)


@pytest.mark.parametrize("passage", ["contrast enhanced", "contrast-enhanced", "contrastenhanced"])
def test_a_hyphenated_word_is_covered_however_it_is_written(passage: str) -> None:
    assert coverage("contrast-enhanced", passage, RARITY) == 1.0


def test_half_a_hyphenated_word_covers_half() -> None:
    assert coverage("contrast-enhanced", "contrast", RARITY) == pytest.approx(0.5)


@pytest.mark.parametrize("sentence", ["", "It is what it is.", "?"])
def test_a_sentence_that_says_nothing_is_not_covered(sentence: str) -> None:
    assert coverage(sentence, "liver", RARITY) == 0.0


def test_highlights_are_the_passages_words_that_support_the_sentence() -> None:
    passage = "Haematomas of the T2-weighted liver’s dome, 5mm; x-ray."
    found = [passage[start:end] for start, end in highlights("a 5 cm hematoma, T2 liver xray", passage)]
    assert found == ["Haematomas", "T2", "liver’s", "5", "x-ray"]


def test_highlights_never_overlap() -> None:
    spans = highlights("x-ray contrast-enhanced x ray", "An x-ray, contrast-enhanced, contrast, X-Ray.")
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert len(spans) == 4
