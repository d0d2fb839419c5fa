"""Questions and answers of the US National Institutes of Health (MedQuAD, CC BY 4.0), as passages."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from workbench.domain.library import Passage
from workbench.language.sentences import sentences

ARCHIVE = "text/medquad_nih_qa.zip"
_FEWEST_WORDS, _MOST_WORDS = 25, 900
_PASSAGE_WORDS = 120


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer under its topic, with the question it answers and that question's kind."""

    id: str
    topic: str
    kind: str
    question: str
    text: str


def answers(path: Path) -> list[Answered]:
    """Every answer of a usual length, in the archive's order."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(each for each in archive.namelist() if each.endswith(".xml")):
            root = ElementTree.fromstring(archive.read(name))  # noqa: S314 - a file we vouch for by its hash
            topic = (root.findtext("Focus") or "").strip()
            for pair in root.iter("QAPair"):
                asked, text = pair.find("Question"), pair.findtext("Answer") or ""
                if asked is not None and asked.text and _FEWEST_WORDS <= len(text.split()) <= _MOST_WORDS:
                    question = " ".join(asked.text.split()).replace(" ?", "?")
                    kind = asked.get("qtype", "")
                    found.append(
                        Answered(id=asked.get("qid", ""), topic=topic, kind=kind, question=question, text=text)
                    )
    return found


def passages(answer: Answered, collection: str) -> list[Passage]:
    """Whole sentences, some 120 words a passage, under the topic as title."""
    packed: list[list[str]] = []
    for start, end in sentences(answer.text):
        sentence = re.sub(r"\s+", " ", answer.text[start:end])
        if packed and sum(len(each.split()) for each in packed[-1]) + len(sentence.split()) <= _PASSAGE_WORDS:
            packed[-1].append(sentence)
        else:
            packed.append([sentence])
    return [
        Passage(
            id=hashlib.sha256(f"{collection} {answer.id} {number}".encode()).hexdigest()[:32],
            document_id=hashlib.sha256(answer.id.encode()).hexdigest()[:32],
            collection=collection,
            title=answer.topic,
            source=f"MedQuAD {answer.id}",
            text=" ".join(each),
            ordinal=number,
            total=len(packed),
            added="2026-01-02T03:04:05+00:00",
        )
        for number, each in enumerate(packed)
    ]
