"""An answer on its way: what is known of it before, and what becomes of it after, somebody was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workbench.domain.dialogue import Answer, CaseSheet, Finish, PassagesFound, Question
from workbench.domain.library import Evidence, Found, Retrieval
from workbench.domain.provenance import Provenance
from workbench.language.terms import analyse
from workbench.usecases.check_answer import Checked

LEFT_OPEN = "The model says that the passages leave a part of the question open."
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class AnswerDraft:
    """What is known of an answer before anybody is asked."""

    question: Question
    asked: str
    rewritten: str | None
    retrieval: Retrieval
    sheet: CaseSheet | None
    searched_s: float

    @property
    def case_answers(self) -> bool:
        """Whether the question names what the case's table holds."""
        if self.sheet is None:
            return False
        known = set(analyse(" ".join({each.structure for each in self.sheet.facts})))
        return bool(known & set(analyse(self.asked))) or "case" in folded(self.asked) or "scan" in folded(self.asked)

    @property
    def evidence(self) -> Evidence:
        """The library's, or strong where the table of the case is what was asked for."""
        return Evidence.STRONG if self.case_answers else self.retrieval.evidence

    @property
    def passages(self) -> tuple[Found, ...]:
        """What the answer may cite; what is no evidence is not given to anybody."""
        return () if self.retrieval.evidence is Evidence.NONE else self.retrieval.found

    def found(self, made: Provenance) -> PassagesFound:
        return PassagesFound(
            evidence=self.evidence,
            found=self.retrieval.found,
            missing=self.retrieval.missing,
            notices=self.retrieval.notices,
            provenance=made,
        )

    def unanswered(
        self,
        made: Provenance,
        *,
        elapsed_s: float,
        finish: Finish | None = None,
        timings: Mapping[str, float] | None = None,
    ) -> Answer:
        """The fixed answer: what was not found, and the nearest passages as no evidence."""
        words = ", ".join(f"“{each}”" for each in self.retrieval.missing)
        text = "The library does not answer this."
        if words:
            text += f" None of the passages looked at holds {words}."
        return self._answer(
            text, Evidence.NONE, made, elapsed_s=elapsed_s, finish=finish, timings=timings, nearest=self.retrieval.found
        )

    def answered(
        self, checked: Checked, made: Provenance, *, finish: Finish, elapsed_s: float, timings: Mapping[str, float]
    ) -> Answer:
        answer = self._answer(
            checked.text, self.evidence, made, elapsed_s=elapsed_s, finish=finish, timings=timings, nearest=()
        )
        return replace(
            answer,
            citations=checked.citations,
            sentences=checked.sentences,
            removed=checked.removed,
            notices=(*answer.notices, LEFT_OPEN) if checked.left_open else answer.notices,
        )

    def _answer(
        self,
        text: str,
        evidence: Evidence,
        made: Provenance,
        *,
        elapsed_s: float,
        finish: Finish | None,
        timings: Mapping[str, float] | None,
        nearest: Sequence[Found],
    ) -> Answer:
        return Answer(
            provenance=replace(made, elapsed_s=elapsed_s),
            text=text,
            question=self.question.text,
            rewritten=self.rewritten,
            evidence=evidence,
            citations=(),
            sentences=(),
            nearest=tuple(nearest),
            case=self.sheet,
            missing=self.retrieval.missing,
            notices=self.retrieval.notices,
            finish=finish,
            timings_ms={
                **self.retrieval.timings_ms,
                "search": self.searched_s * 1000,
                **(timings or {}),
                "total": elapsed_s * 1000,
            },
        )


def folded(text: str) -> str:
    """A text without differences of case and blanks."""
    return _BLANK.sub(" ", text).strip().casefold()
