"""Which questions lean on the one before, and what they take from it."""

from __future__ import annotations

import pytest

from workbench.domain.dialogue import Turn
from workbench.language.followup import leans_on_the_one_before, self_contained
from workbench.language.terms import analyse


def said(*questions: str) -> tuple[Turn, ...]:
    """A conversation of these questions, each answered."""
    return tuple(
        turn
        for each in questions
        for turn in (Turn(role="user", text=each), Turn(role="assistant", text="The pancreas is an organ. [1]"))
    )


@pytest.mark.parametrize(
    "question",
    [
        "Why?",
        "And in children?",
        "What about the spleen?",
        "What is its normal volume?",
        "Is that normal?",
        "Which of these values is the mean?",
        "How is it measured?",
        "Why is it lower in the portal venous phase than in the arterial phase?",
        "spleen?",
        "How do they differ?",
        "Are these findings common?",
        "What else?",
        "Is the same true of the kidneys?",
    ],
)
def test_a_question_that_points_back_leans_on_the_one_before(question: str) -> None:
    assert leans_on_the_one_before(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is the normal volume of the liver?",
        "Why do CT numbers of the liver change with its fat content?",
        "Is it possible to segment the pancreas without contrast?",
        "Which structures does VISTA-3D know that MAISI does not?",
        "How large is the liver in this case?",
        "In which contrast phase does the pancreas enhance most strongly?",
        "Why is the attenuation of the liver lower in steatosis?",
        "normal spleen volume adults",
        "Does this workbench export DICOM SEG?",
    ],
)
def test_a_question_that_names_what_it_asks_stands_by_itself(question: str) -> None:
    assert not leans_on_the_one_before(question)
    assert self_contained(question, said("What is a Hounsfield unit?")) == question


def test_without_a_question_before_it_stays_as_it_is() -> None:
    assert self_contained("And in children?", ()) == "And in children?"
    assert self_contained("And in children?", (Turn(role="assistant", text="Liver."),)) == "And in children?"


def test_it_takes_the_words_of_the_question_before_and_none_of_the_answer() -> None:
    made = self_contained("What about in children?", said("What is the normal volume of the liver?"))
    assert made == "What about in children? (normal volume liver)"
    assert "pancrea" not in " ".join(analyse(made))


def test_it_repeats_no_word_that_it_has_already() -> None:
    made = self_contained("And the volumes of the spleen?", said("What is the normal volume of the liver?"))
    assert made == "And the volumes of the spleen? (normal liver)"


def test_a_chain_of_follow_ups_goes_back_to_its_subject() -> None:
    made = self_contained(
        "Why?", said("Which windows show the lung?", "What is the normal volume of the liver?", "And in children?")
    )
    assert set(analyse("normal volume liver children")) <= set(analyse(made))
    assert "lung" not in made


def test_the_words_of_a_hyphenated_name_are_taken_once_as_they_are_written() -> None:
    made = self_contained("How fast is it?", said("How does VISTA-3D segment contrast-enhanced scans?"))
    assert made.lower().count("contrast") == 1
    assert "contrast-enhanced" in made
    assert "VISTA" in made


def test_it_is_short_even_after_a_very_long_question() -> None:
    long = "Explain " + " ".join(f"word{at}" for at in range(500)) + "?"
    assert len(self_contained("Why?", said(long)).split()) <= 13


def test_a_made_question_stands_by_itself_when_it_is_read_again() -> None:
    made = self_contained("What about in children?", said("What is the normal volume of the liver?"))
    assert self_contained(made, said("Which windows show the lung?")) == made
