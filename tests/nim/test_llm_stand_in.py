"""The mock of Llama-3 quotes, and writes nothing of its own."""

from __future__ import annotations

import re
import socket

import pytest

from tests.nim.made import CLOCK
from tests.nim.made_chat import LIVER, PASSAGES, QUESTION, SPLEEN, a_request, a_sheet, found, told
from workbench.domain.dialogue import ChatRequest
from workbench.domain.library import Evidence
from workbench.nim.llm_stand_in import LEAD_IN, LlmStandIn, best_quotes, case_lines, recite

_CITED = re.compile(r" \[(\d+|Case)\]$")


def parts(request: ChatRequest) -> list[tuple[str, str]]:
    """Each part of an answer and what it cites, the lead-in left out."""
    told_parts = [each for each in recite(request).split("\n\n") if each != LEAD_IN]
    return [(_CITED.sub("", each), (_CITED.search(each) or ["", ""])[1]) for each in told_parts]


@pytest.mark.parametrize("question", [QUESTION, "How large is a spleen?", "Which attenuation suggests steatosis?"])
def test_every_sentence_stands_word_for_word_in_the_passage_that_it_cites(question: str) -> None:
    quoted = parts(a_request(question))
    assert 1 <= len(quoted) <= 3
    for words, number in quoted:
        assert words in PASSAGES[int(number) - 1].passage.text


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (QUESTION, "In healthy adults its volume lies between 1200 and 1800 mL."),
        ("Above which volume is the spleen large?", "A volume above 315 mL is large."),
        ("Which attenuation suggests steatosis?", "Below 40 HU steatosis is likely."),
    ],
)
def test_the_sentence_that_answers_is_among_them(question: str, words: str) -> None:
    assert words in [said for said, _ in parts(a_request(question))]


def test_it_begins_with_the_lead_in_and_says_nothing_else_of_its_own() -> None:
    answer = recite(a_request())
    assert answer.startswith(f"{LEAD_IN}\n\n")
    left = answer.replace(LEAD_IN, "", 1)
    for each in PASSAGES:
        for sentence in re.split(r"(?<=[.])\s", each.passage.text):
            left = left.replace(sentence, "")
    assert re.sub(r"\[\d\]|\s", "", left) == ""


def test_words_that_every_sentence_holds_decide_nothing() -> None:
    text = "The liver is large. The liver is red. The liver holds the portal vein. The liver is soft. The liver is old."
    (first, *_) = best_quotes("Which vein does the liver hold?", (found(text, title="Anatomy"),))
    assert first.text == "The liver holds the portal vein."


def test_a_title_names_what_its_sentences_do_not_repeat() -> None:
    passages = (
        found("Its symptoms include pain and fever. They come late.", title="Asthma", at=1),
        found("Its symptoms include pain and fever, and others. They come late.", title="Appendicitis", at=2),
    )
    quotes = best_quotes("What are the symptoms of appendicitis?", passages)
    assert quotes[0].number == 2


def test_the_same_sentence_in_two_passages_is_quoted_once() -> None:
    twice = (found(LIVER, at=1), found(LIVER, at=2), found(SPLEEN, at=3))
    quoted = [said for said, _ in parts(a_request(passages=twice))]
    assert len(quoted) == len(set(quoted))


def test_a_documents_own_reference_mark_is_never_taken_for_a_citation() -> None:
    marked = found("The normal volume of the liver in adults is 1500 mL [12], as others found [3, 4]. See [Case].")
    for words, number in parts(a_request(passages=(marked,))):
        assert number == "1"
        assert not re.search(r"\[", words)
        assert words in marked.passage.text
        assert "1500 mL" in words


def test_with_evidence_none_no_passage_is_quoted() -> None:
    assert recite(a_request(evidence=Evidence.NONE)) == "NOT_IN_LITERATURE"


def test_weak_evidence_is_quoted_too() -> None:
    assert recite(a_request(evidence=Evidence.WEAK)).startswith(LEAD_IN)


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("How large is the liver in this case?", ["The volume of the liver is 1532.4 mL"]),
        ("What is the mean of the liver?", ["The volume of the liver is 1532.4 mL, its mean 58.1 HU"]),
        (
            "How large are the kidneys?",
            ["left kidney is at least 120.5 mL", "right kidney is 160.7 mL", "Warning: the scan is cut"],
        ),
        ("Volume of the left kidney?", ["left kidney is at least 120.5 mL", "Warning: the scan is cut"]),
        ("Is the volume of the liver right?", ["The volume of the liver is 1532.4 mL"]),
        ("Compare liver and right kidney", ["the liver is 1532.4 mL", "right kidney is 160.7 mL"]),
        ("Was the spleen found?", ["Looked for and not found: spleen."]),
        ("How many voxels does the CT have?", ["512 x 512 x 200 voxels"]),
        ("Are there warnings for this scan?", ["Warning: the scan is cut"]),
    ],
)
def test_a_question_about_the_case_is_answered_with_its_lines_word_for_word(question: str, lines: list[str]) -> None:
    sheet = a_sheet()
    quoted = parts(a_request(question, case=sheet, passages=(), evidence=Evidence.NONE))
    assert [number for _, number in quoted] == ["Case"] * len(quoted)
    assert all(said in sheet.text.splitlines() for said, _ in quoted)
    for line in lines:
        assert any(line in said for said, _ in quoted), quoted
    assert len(quoted) == len(lines)


def test_a_side_alone_names_no_structure() -> None:
    assert case_lines(a_sheet(), "Is that right?") == ()


def test_a_question_about_nothing_in_the_case_quotes_none_of_it() -> None:
    assert case_lines(a_sheet(), "Which publishers print guidelines on aspirin?") == ()


def test_case_and_library_are_both_quoted_the_case_first() -> None:
    answer = recite(a_request("Is the volume of the liver in this case normal?", case=a_sheet()))
    assert answer.index("1532.4 mL") < answer.index(LEAD_IN) < answer.index("between 1200 and 1800 mL")


def test_it_streams_in_small_pieces_that_together_are_the_answer() -> None:
    pieces = list(LlmStandIn(clock=CLOCK).run(a_request()).tokens)
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 30
    assert "".join(pieces) == recite(a_request())


def test_it_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert told(LlmStandIn(clock=CLOCK).run(a_request(case=a_sheet())))


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "Yes.", "[1] [2] [3]", "— — —", "a" * 5000])
def test_a_passage_without_a_sentence_breaks_nothing(text: str) -> None:
    assert recite(a_request(passages=(found(text),))) == "NOT_IN_LITERATURE"
