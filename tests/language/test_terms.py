"""Words that mean the same give the same terms, and every term points back at what was written."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snowballstemmer.english_stemmer import EnglishStemmer

from workbench.language.terms import analyse, spans, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("haematoma", "hematoma"),
        ("tumours", "tumor"),
        ("oesophageal varices", "esophageal varices"),
        ("oedema", "edema"),
        ("paediatric anaemia", "pediatric anemia"),
        ("ischaemia", "ischemia"),
        ("leucocyte", "leukocyte"),
        ("centre", "center"),
        ("fibres", "fibers"),
        ("millilitres", "milliliter"),
        ("centred", "centered"),
        ("labelled", "labeled"),
        ("catheterisation", "catheterization"),
        ("analyse", "analyze"),
        ("artefacts", "artifact"),
        ("discs", "disk"),
        ("colour", "color"),
        ("catalogue", "catalog"),
        ("metastases", "metastasis"),
        ("diagnoses", "diagnosis"),
        ("vertebrae", "vertebra"),
        ("bronchi", "bronchus"),
        ("calculi", "calculus"),
        ("diverticula", "diverticulum"),
        ("sarcomata", "sarcoma"),
        ("kidneys", "kidney"),
        ("biopsies", "biopsy"),
        ("Crohn’s disease", "Crohn's disease"),
        ("patients' kidneys", "patient's kidney"),
        ("β-blocker", "beta-blocker"),
        ("120kVp", "120 kVp"),
        ("5mm", "5 mm"),
        ("1,200.5 mL", "1200.5mL"),
        ("0·5 mm", "0.5 mm"),
        ("10 µSv", "10 \u03bcSv"),
        ("10 µm", "10 um"),
        ("10 cm³", "10cm3"),
        ("contrast–enhanced", "contrast-enhanced"),
        ("Sjögren", "Sjogren"),
        ("e\u0301chographie", "échographie"),
        ("ﬁbrosis", "fibrosis"),
        ("seg\u00admen\u200btation", "segmentation"),
        ("SEGMENTATION", "segmentation"),
        ("organ_volume", "organ volume"),
    ],
)
def test_both_spellings_give_the_same_terms(one: str, other: str) -> None:
    assert analyse(one) == analyse(other) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("T1", "T2"),
        ("5", "50"),
        ("0.5", "5"),
        ("99mTc", "99 m"),
        ("hypertension", "hypotension"),
        ("ileum", "ilium"),
        ("renal", "adrenal"),
        ("abduction", "adduction"),
        ("mesenteric", "mesenchymal"),
        ("perineal", "peroneal"),
        ("size", "prise"),
        ("basis", "base"),
    ],
)
def test_words_that_differ_give_different_terms(one: str, other: str) -> None:
    assert not set(analyse(one)) & set(analyse(other))


def test_a_hyphenated_word_gives_its_parts_and_the_joined_form() -> None:
    assert spans("a T2-weighted scan") == [("t2", 2, 4), ("weight", 5, 13), ("t2weight", 2, 13), ("scan", 14, 18)]


@pytest.mark.parametrize("written", ["x-ray", "xray", "X‑ray"])
def test_however_x_ray_is_written_it_is_found(written: str) -> None:
    assert "xray" in analyse(written)


def test_a_range_of_numbers_is_not_joined() -> None:
    assert analyse("5-10 mm") == ["5", "10", "mm"]


def test_a_dash_with_spaces_joins_nothing() -> None:
    assert analyse("liver - spleen") == ["liver", "spleen"]


def test_a_sign_is_no_part_of_a_number() -> None:
    assert analyse("−1000 HU") == analyse("1000 HU") == ["1000", "hounsfield"]


@pytest.mark.parametrize("text", ["", "   ", "what is it?", "can't don't WON'T", "\x00\x01", "…—!?", "\ud800"])
def test_a_text_of_nothing_but_small_words_has_no_terms(text: str) -> None:
    assert analyse(text) == []


def test_capitals_tell_an_acronym_from_a_small_word() -> None:
    assert analyse("US of the liver at the WHO") == ["us", "liver", "who"]
    assert analyse("tell us who") == ["tell"]


def test_endless_runs_of_letters_are_no_words() -> None:
    assert analyse("A" * 65 + " liver " + "9" * 5000) == ["liver"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_every_term_stands_where_it_says_and_analysis_agrees_with_the_spans(text: str) -> None:
    found = spans(text)
    assert [term for term, _, _ in found] == analyse(text)
    for term, start, end in found:
        assert 0 <= start < end <= len(text)
        assert term
    for word in words(text):
        assert all(word.start <= each.start < each.end <= word.end for each in word.terms)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["haematoma", "T2-weighted", "120kVp", "Crohn’s", "liver", "1,200"]), max_size=8))
def test_the_text_under_a_span_gives_its_term_again(chosen: list[str]) -> None:
    text = " ".join(chosen)
    for term, start, end in spans(text):
        assert term in analyse(text[start:end])


def test_threads_do_not_mix_up_their_words() -> None:
    """The stemmer keeps the word in hand as its own state; the expected stems come from one nobody shares."""
    letters = "bcdfglmnprst"
    lists = [[f"{a}{b}{c}{end}" for a in letters for b in "aeiou" for c in letters] for end in ("ations", "fulness")]
    alone = EnglishStemmer()
    found: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda n=number: found.update({n: analyse(" ".join(lists[n % 2]))}))
        for number in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for number in range(4):
        assert found[number] == [alone.stemWord(word) for word in lists[number % 2]]


def test_hounsfield_units_are_found_however_they_are_written() -> None:
    assert analyse("40 HU")[1] == analyse("40HU")[1] == analyse("Hounsfield")[0]
