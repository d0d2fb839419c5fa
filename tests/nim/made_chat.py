"""Passages, a case's sheet and requests made for tests, and clients of Llama-3 that ask a contract server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.nim.made import CLOCK
from workbench.domain.dialogue import AnswerStream, CaseSheet, ChatRequest, Fact
from workbench.domain.library import Evidence, Found, Passage
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.nim.http import new_client
from workbench.nim.llm import Llama
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.probe import Target

LIVER = (
    "The liver is the largest solid organ of the abdomen. In healthy adults its volume lies between 1200 and 1800 mL. "
    "The volume depends on body size, age and sex."
)
SPLEEN = "The spleen filters blood. Its volume in healthy adults is about 200 mL. A volume above 315 mL is large."
ATTENUATION = "On a scan without contrast the liver has about 60 HU. Below 40 HU steatosis is likely."
QUESTION = "What is the normal volume of the liver in adults?"
QUICK = ChatTimeouts(connect_s=2.0, quiet_s=5.0, write_s=5.0)
READY = NimStatus(
    service=Service.LLM, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="ready"
)


def found(text: str, *, title: str = "Organ volumes", at: int = 0, score: float = 0.5, **fields: Any) -> Found:
    made = Passage(
        id=f"passage{at}",
        document_id=f"document{at}",
        collection="imaging_literature",
        title=title,
        source="A textbook",
        text=text,
        ordinal=0,
        total=1,
        added="2026-01-15T12:00:00+00:00",
    )
    return Found(passage=replace(made, **fields), score=score)


PASSAGES = (
    found(LIVER, at=1, score=0.9, year=2019, page_start=3, page_end=4),
    found(SPLEEN, at=2, score=0.6),
    found(ATTENUATION, title="Attenuation", at=3, score=0.5),
)


def a_request(question: str = QUESTION, **fields: Any) -> ChatRequest:
    made = ChatRequest(question=question, passages=PASSAGES, evidence=Evidence.STRONG)
    return replace(made, **fields)


def a_sheet(*marks: str) -> CaseSheet:
    lines = [
        *(f"{mark}: told of this case." for mark in marks),
        "The CT has 512 x 512 x 200 voxels of 0.80 x 0.80 x 1.50 mm, orientation LPS.",
        "The volume of the liver is 1532.4 mL, its mean 58.1 HU and its standard deviation 14.2 HU.",
        "The volume of the left kidney is at least 120.5 mL, its mean 31.0 HU and its standard deviation 9.9 HU.",
        "The volume of the right kidney is 160.7 mL, its mean 32.0 HU and its standard deviation 9.8 HU.",
        "Looked for and not found: spleen.",
        "Warning: the scan is cut at the lower pole of the left kidney.",
    ]
    facts = tuple(
        Fact(structure=name, quantity="volume", value=value, unit="mL", shown=f"{value} mL")
        for name, value in (("liver", 1532.4), ("left kidney", 120.5), ("right kidney", 160.7))
    )
    made = Provenance(origin=Origin.LOCAL, model="vista3d", version="1", created_at="2026-01-15T12:00:00+00:00")
    return CaseSheet(case_id="case", text="\n".join(lines), facts=facts, warnings=(), marks=marks, provenance=made)


def a_target(url: str, *, hosted: bool = False, model: str = "", key: str = "") -> Target:
    where = "CLOUD" if hosted else "LLM"
    return Target(
        service=Service.LLM,
        route=Route(first=First.HOSTED if hosted else First.OWN_NIM, stand_in=True),
        url=url,
        setting=f"IMAGING_NIM_{where}_URL",
        model=model,
        model_setting="IMAGING_NIM_CLOUD_LLM_MODEL" if hosted else "IMAGING_NIM_LLM_MODEL",
        key=key,
    )


@contextmanager
def a_llama(url: str, *, timeouts: ChatTimeouts = QUICK, **target: Any) -> Iterator[Llama]:
    with new_client() as client:
        llama = Llama(a_target(url, **target), client=client, clock=CLOCK, status=lambda: READY, timeouts=timeouts)
        try:
            yield llama
        finally:
            llama.close()


def told(stream: AnswerStream) -> str:
    """The whole answer."""
    return "".join(stream.tokens)
