"""Questions, the passages an answer rests on, and answers that were held against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from workbench.domain.library import Evidence, Found
from workbench.domain.nim import NimStatus
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Provenance, Result

MOST_QUESTION_CHARACTERS = 4_000
"""As for questions about an image (the public surface)."""

CASE = "Case"
"""The citation `[Case]`: the open case's own measurements."""

NOT_IN_LITERATURE = "NOT_IN_LITERATURE"
"""What a model is told to answer, and nothing else, where the passages do not answer the question."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one side said."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the model chooses words: `temperature` 0..2, `top_p` 0..1, the longest answer in tokens."""

    temperature: float = 0.0
    top_p: float = 0.9
    max_tokens: int = 700
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a person asks, and of what. No collections means all of them; `history` is oldest first."""

    text: str
    collections: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    sources: tuple[str, ...] = ()
    top_k: int = 5
    case_id: str | None = None
    history: tuple[Turn, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One number of the open case. `value` in `unit`; `shown` as the table shows it, `at_least` where cut off."""

    structure: str
    quantity: str
    value: float
    unit: str
    shown: str
    at_least: bool = False


@dataclass(frozen=True, kw_only=True)
class CaseSheet:
    """The open case as a source: its facts, remarks and origin, nothing that names a patient or a file.

    `text` is what the model reads and the person can open; `marks` are the words MOCK and SYNTHETIC where they hold.
    """

    case_id: str
    text: str
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    marks: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What the answering model is given. `question` is self-contained; `history` is as the person sees it.

    `case` is None unless the person asked about the open case. `evidence` was judged before. `progress` is
    told while the first token is waited for; when it raises, the wait ends and the server is freed.
    """

    question: str
    passages: tuple[Found, ...]
    evidence: Evidence
    history: tuple[Turn, ...] = ()
    case: CaseSheet | None = None
    sampling: Sampling = field(default_factory=Sampling)
    progress: Progress = field(default_factory=Silent)


class Finish(StrEnum):
    """How an answer's stream ended."""

    STOP = "stop"
    LENGTH = "length"
    CUT = "cut"


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerStream(Result):
    """Who is answering, known before the first token; then the tokens.

    Iterate `tokens` to its end or call `close`, which frees the server. A `NimError` raised from it leaves what came
    before valid. `finish` is meaningful after the last token.
    """

    tokens: Iterator[str]
    finish: Callable[[], Finish]
    close: Callable[[], None]


class Talker(Protocol):
    """Somebody who answers from passages: Llama-3, the hosted catalogue, or the mock that only quotes."""

    def status(self) -> NimStatus:
        """What would answer now. Never raises."""

    def run(self, request: ChatRequest, /) -> AnswerStream:
        """Begin an answer; returns once it is known who answers.

        Raises:
            NimUnavailable: it cannot be used.
            NimRejected: it refused the request.
            NimReplyInvalid: it answered with something that is no chat.
        """

    def rewrite(self, question: str, history: Sequence[Turn], /) -> str:
        """The question made self-contained, so that it can be searched for by itself; itself where it is already.

        Raises:
            NimError: as `run`.
        """


class Support(StrEnum):
    """What code found when it held a sentence against what it cites."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNCITED = "uncited"
    NO_CLAIM = "no claim"
    WRONG_NUMBER = "wrong number"


@dataclass(frozen=True, kw_only=True)
class CheckedSentence:
    """A sentence of the answer as shown: renumbered citations, how much of it the cited text covers (0..1), and why.

    `start` and `end` are its place in the answer's text. `cites` are citation numbers after renumbering; 0 is `[Case]`.
    """

    text: str
    start: int
    end: int
    cites: tuple[int, ...]
    support: Support
    coverage: float | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A number in an answer and the passage behind it. `highlights` are (start, end) in the passage's text."""

    n: int
    found: Found
    highlights: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer(Result):
    """An answer that was checked.

    `text` is as shown, renumbered. `nearest` are the passages offered as *not* evidence where `evidence` is none.
    `removed` counts citation numbers that pointed nowhere. `rewritten` is the self-contained question where it
    differs. `finish` is None where no model was asked.
    """

    text: str
    question: str
    rewritten: str | None
    evidence: Evidence
    citations: tuple[Citation, ...]
    sentences: tuple[CheckedSentence, ...]
    nearest: tuple[Found, ...] = ()
    case: CaseSheet | None = None
    removed: int = 0
    missing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    finish: Finish | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def uncited(self) -> tuple[str, ...]:
        """The sentences that claim something without support."""
        marked = (Support.UNCITED, Support.UNSUPPORTED, Support.WRONG_NUMBER)
        return tuple(each.text for each in self.sentences if each.support in marked)


@dataclass(frozen=True, kw_only=True)
class Searching:
    """The question as it is searched for, known before anything else."""

    rewritten: str | None


@dataclass(frozen=True, kw_only=True)
class PassagesFound:
    """What the answer will rest on, and who will answer (None where nobody is asked)."""

    evidence: Evidence
    found: tuple[Found, ...]
    missing: tuple[str, ...]
    notices: tuple[str, ...]
    provenance: Provenance | None


@dataclass(frozen=True, kw_only=True)
class Token:
    """A piece of the answer, as it came."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The checked answer, always the last event."""

    answer: Answer


ChatEvent = Searching | PassagesFound | Token | Finished


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One question with its answer, as it is exported; `answer` is the published form of an `Answer`."""

    question: str
    answer: Mapping[str, Any]
