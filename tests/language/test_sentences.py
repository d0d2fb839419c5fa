"""Sentences end where a reader would end them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.language.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "The liver, e.g. Segment IV, is large.",
        "See Fig. 3 and Tab. 2 for it.",
        "Smith et al. Reported it first.",
        "J. A. Smith and M. Jones wrote it.",
        "Dr. Smith vs. Prof. Jones.",
        "It was approx. 5 cm, max. 7 cm.",
        "See vol. 12, no. 4, pp. 3-9.",
        "The dose was 0.5 mGy at 1.5 T.",
        "Values of p < .05 were taken.",
        "The U.S. National Library holds it.",
        "1. Introduction",
        "Is pH. important",
        "It grew [1]. [2]",
    ],
)
def test_an_abbreviation_does_not_end_a_sentence(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One ends. Two begins.", ["One ends.", "Two begins."]),
        ("Really? Yes! Good.", ["Really?", "Yes!", "Good."]),
        ("He said “no.” She left.", ["He said “no.”", "She left."]),
        ("It is fat (so.) Then water.", ["It is fat (so.)", "Then water."]),
        ("The dose was 2 mg. 5 mg was more.", ["The dose was 2 mg.", "5 mg was more."]),
        ("It ends at 5 min. Then it stops.", ["It ends at 5 min.", "Then it stops."]),
        ("Take vitamin C. It helps.", ["Take vitamin C.", "It helps."]),
        ("It is hepatitis A and B. It spreads.", ["It is hepatitis A and B.", "It spreads."]),
        ("This is hepatitis B. The virus spreads.", ["This is hepatitis B.", "The virus spreads."]),
        ("It fell. mRNA rose. pH stayed.", ["It fell.", "mRNA rose.", "pH stayed."]),
        ("Air is −1000. +40 is liver.", ["Air is −1000.", "+40 is liver."]),
        ("It is large [1]. It is dense.[2, 3] It is near. [4] Done [Case].",
         ["It is large [1].", "It is dense.[2, 3]", "It is near. [4]", "Done [Case]."]),
        ("Heading\n\nText under it.", ["Heading", "Text under it."]),
        ("Causes:\n- stones\n- cysts. And more\n2. Third", ["Causes:", "- stones", "- cysts.", "And more", "2. Third"]),
        ("A line that\ngoes on. The next\none.", ["A line that\ngoes on.", "The next\none."]),
        ("Wait... Then go.", ["Wait...", "Then go."]),
        ("Is it? No. It is not.", ["Is it?", "No.", "It is not."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize("text", ["", " \n\t ", "\n\n\n"])
def test_a_text_without_words_has_no_sentences(text: str) -> None:
    assert sentences(text) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abC .!?\n-1[](”", max_size=120))
def test_no_character_but_white_space_is_lost_or_told_twice(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in found) == "".join(text.split())
    assert all(first[1] <= second[0] for first, second in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in found)


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    """Counted, not timed: no stop looks at more than its own sentence."""
    text = "The liver is large. " * 20_000
    assert len(sentences(text)) == 20_000
    assert len(sentences("no stop here " * 30_000)) == 1
