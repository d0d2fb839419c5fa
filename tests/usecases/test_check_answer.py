"""Answers held against what they cite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.passages import found
from workbench.domain.dialogue import Support
from workbench.usecases.check_answer import CASE_N, LEAST_COVERAGE, Checked, Renumbering, check_answer

LIVER = found(
    "The unenhanced liver measures 55 to 65 HU in healthy adults. Fat lowers this value.", title="Liver attenuation"
)
NOISE = found("Halving the slice thickness raises the image noise by a factor of 1.4.", title="Noise and dose")
LUNG = found("Emphysema is counted in voxels below -950 HU at full inspiration.", title="Emphysema")
PASSAGES = (LIVER, NOISE, LUNG)
SAID = "The healthy liver measures 55 to 65 HU. [1]"


def rarity(terms: Sequence[str]) -> Mapping[str, float]:
    return dict.fromkeys(terms, 1.0)


def checked(raw: str) -> Checked:
    return check_answer(raw, PASSAGES, case=None, rarity=rarity)


def test_citations_are_renumbered_by_first_use() -> None:
    answer = checked("Emphysema is voxels below -950 HU [3]. The healthy liver measures 55 to 65 HU [1].")

    assert answer.text == "Emphysema is voxels below -950 HU [1]. The healthy liver measures 55 to 65 HU [2]."
    assert [each.n for each in answer.citations] == [1, 2]
    assert [each.found.passage.title for each in answer.citations] == ["Emphysema", "Liver attenuation"]


def test_a_citation_that_points_nowhere_is_removed_and_counted() -> None:
    answer = checked("The healthy liver measures 55 to 65 HU [1][7]. Noise rises [0].")

    assert "[7]" not in answer.text
    assert "[0]" not in answer.text
    assert answer.removed == 2
    assert len(answer.citations) == 1


@pytest.mark.parametrize(
    "written",
    [
        "[1, 2]",
        "[1,2]",
        "[1; 2]",
        "[1-2]",
        "[1–2]",
        "[1][2]",
        "[ 1 ] [2]",
        "[Passage 1][Passage 2]",
        "【1】【2】",
        "[Sources 1, 2]",
    ],
)
def test_several_numbers_are_read_however_they_are_written(written: str) -> None:
    answer = checked(f"The liver measures 55 to 65 HU and noise rises with thin slices {written}.")

    assert [each.n for each in answer.citations] == [1, 2]
    assert answer.sentences[0].cites == (1, 2)
    assert answer.removed == 0


def test_a_citation_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    answer = checked("The healthy liver measures 55 to 65 HU. [1] Emphysema is below -950 HU. [3]")

    assert [each.cites for each in answer.sentences] == [(1,), (2,)]
    assert [each.support for each in answer.sentences] == [Support.SUPPORTED, Support.SUPPORTED]


def test_a_sentence_that_its_passage_does_not_hold_is_marked() -> None:
    answer = checked("Gadolinium contrast improves pituitary adenoma detection [1].")

    sentence = answer.sentences[0]
    assert sentence.support is Support.UNSUPPORTED
    assert sentence.coverage is not None
    assert sentence.coverage < LEAST_COVERAGE
    assert sentence.note


def test_a_sentence_without_a_citation_is_marked_and_a_lead_in_is_not() -> None:
    answer = checked("From the library:\nThe healthy liver measures 55 to 65 HU. Noise rises with thin slices [2].")

    supports = [each.support for each in answer.sentences]
    assert supports[0] is Support.NO_CLAIM or answer.sentences[0].text.startswith("From the library")
    assert Support.UNCITED in supports
    assert supports[-1] is Support.SUPPORTED


def test_each_sentence_is_found_at_its_place_in_the_answer() -> None:
    answer = checked(
        "The healthy liver measures 55 to 65 HU [1].\n\n- Noise rises with thin slices. [2]\n- Fat lowers it [1]."
    )

    assert all(answer.text[each.start : each.end] == each.text for each in answer.sentences)
    ends = [0, *(each.end for each in answer.sentences)]
    starts = [*(each.start for each in answer.sentences), len(answer.text)]
    between = [answer.text[end:start] for end, start in zip(ends, starts, strict=True)]
    assert all(not gap.strip(" \n-*") for gap in between)


def test_the_words_that_support_a_sentence_are_marked_in_its_passage() -> None:
    answer = checked("The healthy liver measures 55 to 65 HU [1].")

    text = LIVER.passage.text
    marked = [text[start:end] for start, end in answer.citations[0].highlights]
    assert any("liver" in each for each in marked)
    assert any("55" in each for each in marked)
    assert not any("Fat lowers" in each for each in marked)


def test_the_case_cannot_be_cited_where_none_is_open() -> None:
    answer = checked("The liver volume is 1500 mL [Case].")

    assert "[Case]" not in answer.text
    assert answer.removed == 1
    assert not answer.cites_case
    assert CASE_N not in answer.sentences[0].cites


def test_an_empty_answer_has_nothing_to_check() -> None:
    answer = checked("   ")

    assert answer.text == ""
    assert answer.sentences == ()
    assert answer.citations == ()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_is_renumbered_as_the_whole_answer_is_however_it_is_cut(size: int) -> None:
    raw = "Emphysema is below -950 HU [3]. The liver [ 1, 9 ] measures 55 HU [7]. An [aside] stays; so does [3]"
    numbering = Renumbering(len(PASSAGES), has_case=False)

    streamed = "".join(numbering.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + numbering.end()

    assert streamed == checked(raw).text
    assert streamed == "Emphysema is below -950 HU [1]. The liver [2] measures 55 HU. An [aside] stays; so does [1]"
    assert numbering.removed == 2


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "raw", [f"{SAID} NOT_IN_LITERATURE", f"NOT_IN_LITERATURE. {SAID}", f"{SAID}\n\nNOT_IN_LITERATURE."]
)
def test_the_words_for_no_answer_among_others_are_left_out_and_noted(size: int, raw: str) -> None:
    numbering = Renumbering(len(PASSAGES), has_case=False)

    streamed = "".join(numbering.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + numbering.end()

    assert streamed.strip() == checked(raw).text == SAID
    assert checked(raw).left_open
    assert not checked(SAID).left_open


def test_text_is_shown_as_it_comes_where_no_citation_is_open() -> None:
    numbering = Renumbering(3, has_case=False)

    assert numbering.feed("The liver") == "The liver"
    assert numbering.feed(" measures [") == " measures"
    assert numbering.feed("2") == ""
    assert numbering.feed("], and") == " [1], and"
