"""Passages: whole sentences, at most 120 words, one heading each, every word of the document in one of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.knowledge.chunks import WORDS, chunks
from workbench.knowledge.documents.nouns import Paragraph


def sentence(number: int, words: int = 10) -> str:
    return " ".join([f"Sentence{number}", *("word" for _ in range(words - 2)), f"end{number}."])


def text(*numbers: int, words: int = 10) -> str:
    return " ".join(sentence(each, words) for each in numbers)


def made(*paragraphs: Paragraph):
    return list(chunks(paragraphs))


def test_a_short_document_is_one_passage():
    (only,) = made(Paragraph(text=text(1, 2)))
    assert only.text == text(1, 2)


def test_sentences_are_packed_to_120_words_and_the_last_is_repeated():
    first, second = made(Paragraph(text=text(*range(20))))
    assert first.text == text(*range(12))
    assert second.text == text(*range(11, 20))


def test_a_long_sentence_is_not_repeated():
    first, second = made(Paragraph(text=text(1, 2, 3, words=45)))
    assert first.text == text(1, 2, words=45)
    assert second.text == text(3, words=45)


def test_a_passage_has_one_heading():
    found = made(Paragraph(text=text(1), section="Methods"), Paragraph(text=text(2), section="Results"))
    assert [(each.section, each.text) for each in found] == [("Methods", text(1)), ("Results", text(2))]


def test_paragraphs_of_a_passage_are_told_apart_by_a_blank_line():
    (only,) = made(Paragraph(text=text(1)), Paragraph(text=text(2)))
    assert only.text == f"{text(1)}\n\n{text(2)}"


def test_a_passage_ends_with_its_page_when_it_holds_enough():
    found = made(Paragraph(text=text(1, 2, 3, 4, 5), page=1, label="i"), Paragraph(text=text(6), page=2, label="ii"))
    assert [(each.page_start, each.page_end, each.label) for each in found] == [(1, 1, "i"), (2, 2, "ii")]


def test_a_scrap_at_a_pages_end_goes_on_to_the_next():
    (only,) = made(Paragraph(text=text(1), page=1), Paragraph(text=text(2), page=2))
    assert (only.page_start, only.page_end) == (1, 2)


def test_a_sentence_over_a_page_break_stays_whole():
    found = made(
        Paragraph(text=text(*range(9)) + " It begins", page=3), Paragraph(text="and it ends.", page=4, goes_on=True)
    )
    assert "It begins and it ends." in found[-1].text
    assert (found[-1].page_start, found[-1].page_end) == (3, 4)


def test_a_huge_sentence_is_cut_at_a_clause():
    clause = " ".join(["clause", *("of" for _ in range(28)), "words;"])
    found = made(Paragraph(text=" ".join([clause] * 10).removesuffix(";") + "."))
    assert all(len(each.text.split()) <= WORDS for each in found)
    assert all(each.text.startswith("clause") for each in found)


@pytest.mark.parametrize("letter", ["a", "肝", "😀"])
def test_a_text_without_spaces_is_cut_to_what_can_be_stored(letter):
    found = made(Paragraph(text=letter * 50_000))
    assert "".join(each.text for each in found) == letter * 50_000
    assert max(len(each.text.encode()) for each in found) <= 4000


def test_a_long_text_without_full_stops_is_cut_at_words():
    words = [f"word{n}" for n in range(5000)]
    found = made(Paragraph(text=" ".join(words)))
    assert [word for each in found for word in each.text.split()] == words


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.sampled_from(["", "Methods", "Results"]), st.integers(1, 3), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_every_word_is_in_some_passage_and_none_is_too_long(parts):
    paragraphs = []
    number = page = 0
    for words, section, sentences, turns in parts:
        page += turns
        body = text(*range(number, number + sentences), words=max(words, 2))
        number += sentences
        paragraphs.append(Paragraph(text=body, section=section, page=page + 1))
    found = list(chunks(paragraphs))
    wanted = {word for each in paragraphs for word in re.findall(r"(?:Sentence|end)\d+", each.text)}
    assert wanted == {word for each in found for word in re.findall(r"(?:Sentence|end)\d+", each.text)}
    for each in found:
        assert len(each.text.split()) <= 160
        assert each.page_start is not None
        assert each.page_start <= each.page_end
    ends = [re.search(r"end\d+\.$", each.text) is not None or len(each.text.split()) >= 40 for each in found]
    assert all(ends), "a passage ends in the middle of a sentence"
