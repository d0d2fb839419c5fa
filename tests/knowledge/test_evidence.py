"""Whether there is evidence: the rule's every branch by hand, then real questions with the packaged model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.data import real
from tests.knowledge.conftest import ByWords
from tests.knowledge.milvus_made import NAME, document, passage
from tests.knowledge.nih import ARCHIVE, Answered, answers, passages
from tests.knowledge.questions import OTHER_SUBJECTS, SOUND_MEDICAL
from workbench.domain.library import EmbedderInfo, Evidence, Found, Scope, Vectors
from workbench.domain.progress import Silent
from workbench.knowledge.admission import indexed_text
from workbench.knowledge.calibration import calibrated, lines_between
from workbench.knowledge.evidence import LINES, PACKAGED, Lines, judge
from workbench.knowledge.memory import MemoryIndex
from workbench.knowledge.minilm import INFO, MiniLm
from workbench.knowledge.off_topic import OFF_TOPIC
from workbench.knowledge.retrieve import Retriever

RARITY = {"liver": 1.0, "volum": 2.0, "spleen": 4.0, "wombat": 8.0}


def verdict(
    question: str,
    *texts: str,
    nearness: float | None = 0.7,
    standing: float = 1.0,
    rarity: dict[str, float] | None = None,
) -> tuple[Evidence, tuple[str, ...]]:
    found = [Found(passage=passage(text, title="On"), score=0.5) for text in texts]
    judged = judge(question, found, rarity or RARITY, nearness=nearness, standing=standing)
    return judged.evidence, judged.missing


@pytest.mark.parametrize(
    ("question", "text", "nearness", "evidence"),
    [
        ("Liver volume?", "The volume of the liver.", 0.70, Evidence.STRONG),
        ("Liver volume?", "The volume of the liver.", 0.59, Evidence.WEAK),
        ("Liver volume?", "The volume of the liver.", 0.44, Evidence.WEAK),
        ("Liver volume?", "The volume of the liver.", 0.37, Evidence.NONE),
        ("Liver volume?", "The liver.", 0.44, Evidence.NONE),
        ("Wombat spleen volume?", "The volume of the liver.", 0.59, Evidence.NONE),
        ("Wombat spleen volume?", "The volume of the liver.", 0.61, Evidence.WEAK),
        ("Spleen volume?", "The volume of the liver.", 0.61, Evidence.WEAK),
        ("Spleen volume?", "The volume of the spleen.", 0.61, Evidence.STRONG),
    ],
)
def test_nearness_and_words_decide_together(question: str, text: str, nearness: float, evidence: Evidence) -> None:
    assert verdict(question, text, nearness=nearness)[0] is evidence


def test_the_rarest_words_count_as_found_in_any_passage_looked_at() -> None:
    texts = ["The liver."] * 4 + ["A wombat."]
    assert verdict("wombat spleen", *texts, nearness=0.5)[0] is Evidence.WEAK
    assert verdict("wombat spleen", *["The liver."] * 5, "A wombat.", nearness=0.5)[0] is Evidence.NONE


@pytest.mark.parametrize(
    ("question", "standing", "evidence"),
    [
        ("Spleen liver volume?", 1.0, Evidence.STRONG),
        ("Spleen liver volume?", 0.7, Evidence.WEAK),
        ("Spleen liver volume?", 0.5, Evidence.NONE),
        ("Spleen?", 1.5, Evidence.WEAK),
    ],
)
def test_without_vectors_words_decide_alone(question: str, standing: float, evidence: Evidence) -> None:
    assert verdict(question, "The volume of spleen and liver.", nearness=None, standing=standing)[0] is evidence


def test_missing_words_are_told_as_the_person_wrote_them() -> None:
    asked = "Are wombats’ T2-weighted tumours, wombats' I mean, near the LIVER?"
    assert verdict(asked, "A liver, T2 weighted.")[1] == ("wombats", "tumours", "mean")


@pytest.mark.parametrize("asked", ["", "what is it?", "…"])
def test_a_question_that_says_nothing_has_no_evidence(asked: str) -> None:
    assert verdict(asked, "The liver.", nearness=0.9) == (Evidence.NONE, ())


def test_nothing_found_is_no_evidence_and_every_word_is_missing() -> None:
    assert verdict("Liver volume", nearness=None, standing=0.0) == (Evidence.NONE, ("Liver", "volume"))


def test_nearness_puts_another_models_lines_on_the_packaged_ones() -> None:
    other = Lines(unrelated=0.80, doubtful=0.82, close=0.90)
    assert other.nearness(0.80) == pytest.approx(PACKAGED.unrelated)
    assert other.nearness(0.90) == pytest.approx(PACKAGED.close)
    assert other.nearness(0.85) == pytest.approx((PACKAGED.unrelated + PACKAGED.close) / 2)
    assert PACKAGED.nearness(0.5) == pytest.approx(0.5)


def test_lines_lie_where_they_lie_for_the_packaged_model() -> None:
    """Its medians over texts of the NIH are .22 and .79; the lines found from them are the measured ones."""
    found = lines_between(np.full(60, 0.216), np.full(40, 0.789))
    assert found.unrelated == pytest.approx(PACKAGED.unrelated, abs=0.01)
    assert found.doubtful == pytest.approx(PACKAGED.doubtful, abs=0.01)
    assert found.close == pytest.approx(PACKAGED.close, abs=0.01)


def test_a_library_too_small_to_tell_still_gets_lines_in_order() -> None:
    found = lines_between(np.full(60, 0.7), np.empty(0))
    assert 0.7 < found.unrelated < found.doubtful < found.close < 1.0


def test_a_model_that_tells_nothing_apart_gives_no_errors() -> None:
    found = lines_between(np.full(60, 0.9), np.full(40, 0.8))
    assert np.isfinite(found.nearness(0.95))


def test_an_empty_collection_cannot_be_calibrated(by_words: ByWords) -> None:
    index = MemoryIndex()
    index.create(NAME, description="", embedder=by_words.info)
    assert calibrated(index, NAME, by_words, Scope()) is None


def test_the_lists_hold_no_question_in_common() -> None:
    lists = [{each.lower() for each in questions} for questions in (OFF_TOPIC, OTHER_SUBJECTS, SOUND_MEDICAL)]
    assert [len(each) for each in lists] == [60, 60, 40]
    assert len(set.union(*lists)) == 160


class Remembering:
    """The packaged model, asked once for each text."""

    info = INFO

    def __init__(self, minilm: MiniLm) -> None:
        self._minilm = minilm
        self._known: dict[str, Vectors] = {}

    def queries(self, texts: Sequence[str], /) -> Vectors:
        new = [each for each in texts if each not in self._known]
        self._known.update(zip(new, self._minilm.queries(new), strict=True))
        return np.stack([self._known[each] for each in texts])

    passages = queries


class Lifted(Remembering):
    """The same with every cosine c turned into .7 + .3 c, as of a model that puts all texts near."""

    info = EmbedderInfo(model="lifted", dimension=INFO.dimension + 1)

    def __init__(self, packaged: Remembering) -> None:
        self._packaged = packaged

    def queries(self, texts: Sequence[str], /) -> Vectors:
        rows = self._packaged.queries(texts)
        return np.hstack([np.full((len(rows), 1), 0.7**0.5), 0.3**0.5 * rows]).astype(np.float32)

    passages = queries


@pytest.fixture(scope="module")
def packaged(minilm: MiniLm) -> Remembering:
    return Remembering(minilm)


@pytest.fixture(scope="module")
def topics() -> list[Answered]:
    """What each of some sixty topics is, by the NIH."""
    chosen: dict[str, Answered] = {}
    for each in answers(real(ARCHIVE)):
        if each.kind == "information":
            chosen.setdefault(each.topic, each)
    return list(chosen.values())[::4]


def filled(topics: list[Answered], embedder: Remembering | None) -> MemoryIndex:
    """The first passage of each topic."""
    index = MemoryIndex()
    index.create(NAME, description="", embedder=embedder.info if embedder else None)
    put = [replace(passages(each, NAME)[0], total=1) for each in topics]
    index.put(NAME, put, embedder.passages([indexed_text(each) for each in put]) if embedder else None)
    return index


def shares(retriever: Retriever, questions: Iterable[str]) -> dict[Evidence, float]:
    found = [retriever.retrieve(each, scope=Scope(), progress=Silent()).evidence for each in questions]
    return {level: found.count(level) / len(found) for level in Evidence}


@pytest.mark.parametrize("model", ["packaged", "calibrated"])
def test_questions_of_other_subjects_are_refused_and_answerable_ones_kept(
    topics: list[Answered], packaged: Remembering, model: str
) -> None:
    embedder = packaged if model == "packaged" else Lifted(packaged)
    assert (embedder.info.model in LINES) is (model == "packaged")
    retriever = Retriever(filled(topics, embedder), embedder=embedder)
    assert shares(retriever, [each.question for each in topics])[Evidence.NONE] <= 0.02
    assert shares(retriever, OTHER_SUBJECTS)[Evidence.NONE] >= 0.98
    assert shares(retriever, SOUND_MEDICAL)[Evidence.NONE] >= 0.95


def test_with_words_alone_most_are_still_told_apart(topics: list[Answered]) -> None:
    retriever = Retriever(filled(topics, None), embedder=None)
    assert shares(retriever, [each.question for each in topics])[Evidence.NONE] <= 0.02
    assert shares(retriever, OTHER_SUBJECTS)[Evidence.NONE] >= 0.90
    assert shares(retriever, OTHER_SUBJECTS)[Evidence.STRONG] <= 0.05


def test_a_document_written_for_one_question_is_evidence_for_it(minilm: MiniLm) -> None:
    index = MemoryIndex()
    index.create(NAME, description="", embedder=minilm.info)
    put = document("spleen", "The splenic index is length times width times thickness; up to 480 is usual in adults.")
    index.put(NAME, put, minilm.passages([indexed_text(each) for each in put]))
    found = Retriever(index, embedder=minilm).retrieve("What is the splenic index?", scope=Scope(), progress=Silent())
    assert found.evidence is not Evidence.NONE
    assert found.missing == ()
