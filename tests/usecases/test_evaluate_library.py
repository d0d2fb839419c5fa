"""The evaluation itself, on answers made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.case_made import made_by
from tests.passages import found
from workbench.domain.dialogue import Answer, CheckedSentence, Citation, Finish, Support
from workbench.domain.errors import InvalidRequest
from workbench.domain.library import Evidence, Retrieval
from workbench.domain.provenance import Origin
from workbench.usecases.evaluate_library import Kind, KnownQuestion, evaluate, read_questions

LIVER = found("The liver measures 55 HU.", title="liver", source="starter library/liver.md")
FAT = found("Fat measures -100 HU.", title="fat", source="starter library/fat.md")


def retrieval(*passages):
    return Retrieval(query="q", found=passages, evidence=Evidence.STRONG)


def answer(text="The liver measures 55 HU. [1]", *, evidence=Evidence.STRONG, support=Support.SUPPORTED, removed=0):
    sentence = CheckedSentence(text=text, start=0, end=len(text), cites=(1,), support=support)
    return Answer(
        provenance=made_by(Origin.MOCK, "mock Llama-3"),
        text=text,
        question="q",
        rewritten=None,
        evidence=evidence,
        citations=() if evidence is Evidence.NONE else (Citation(n=1, found=LIVER),),
        sentences=() if evidence is Evidence.NONE else (sentence,),
        removed=removed,
        finish=None if evidence is Evidence.NONE else Finish.STOP,
    )


def measured(*questions, ours=(LIVER, FAT), words=(FAT, LIVER), told=None):
    return evaluate(
        questions,
        retrieve=lambda text: retrieval(*ours),
        words_alone=lambda text: retrieval(*words),
        answer=lambda text: told if told is not None else answer(),
        tell=lambda done: None,
    )


ASKED = KnownQuestion(question="How bright is the liver?", kind=Kind.ANSWERABLE, article="liver")
OFF_TOPIC = KnownQuestion(question="How do I bake bread?", kind=Kind.OFF_TOPIC)


def test_both_searches_are_measured_and_compared():
    compared = measured(ASKED).ranking["answerable"]

    assert compared["hit@1"].library.mean == 1.0
    assert compared["hit@1"].words_alone.mean == 0.0
    assert compared["MRR"].gain.mean == 0.5
    assert compared["hit@5"].gain.mean == 0.0


def test_a_question_without_an_answer_is_not_ranked_but_its_refusal_counts():
    made = measured(OFF_TOPIC, told=answer(evidence=Evidence.NONE))

    assert made.ranking == {}
    assert made.refused["off_topic"].mean == 1.0


def test_a_quote_is_verbatim_or_it_is_not():
    assert measured(ASKED).quotes_verbatim.mean == 1.0
    assert measured(ASKED, told=answer("The liver is about 55 HU. [1]")).quotes_verbatim.mean == 0.0


def test_numbers_that_point_nowhere_and_unsupported_sentences_count_against_it():
    made = measured(ASKED, told=answer(removed=1, support=Support.UNSUPPORTED))

    assert made.citation_numbers_valid.mean == 0.0
    assert made.sentences_supported.mean == 0.0


def test_citing_another_document_is_not_citing_the_right_one():
    other = replace(answer(), citations=(Citation(n=1, found=FAT),))

    assert measured(ASKED).cites_right_document["answerable"].mean == 1.0
    assert measured(ASKED, told=other).cites_right_document["answerable"].mean == 0.0


def test_questions_are_read_from_json_lines():
    (read,) = read_questions(['{"question": "How?", "kind": "lay", "article": "a", "sentence": null}', ""])

    assert (read.kind, read.article) == (Kind.LAY, "a")


@pytest.mark.parametrize("line", ["{", '{"kind": "lay"}', '{"question": "x", "kind": "odd"}', "[]"])
def test_a_line_that_is_none_is_refused(line):
    with pytest.raises(InvalidRequest, match="Line 1"):
        read_questions([line])
