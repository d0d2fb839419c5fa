"""The published field names of questions to the library."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator


class Filters(BaseModel):
    """Which documents may be used. Years are inclusive; sources are exact."""

    year_from: int | None = Field(None, ge=1000, le=3000)
    year_to: int | None = Field(None, ge=1000, le=3000)
    sources: list[str] = Field(default_factory=list, max_length=100)

    @field_validator("sources", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class SamplingBody(BaseModel):
    """How the model chooses words; the longest answer in tokens."""

    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float = Field(0.9, gt=0, le=1)
    max_tokens: int = Field(700, ge=16, le=8192)
    seed: int | None = None


class TurnBody(BaseModel):
    """What one side said before."""

    role: Literal["user", "assistant"]
    text: str = Field(max_length=100_000)


class QueryBody(BaseModel):
    """A question to the library; no collections means all of them."""

    question: str = Field(description="at most 4,000 characters")
    collections: list[str] = Field(default_factory=list, max_length=100)
    filters: Filters = Field(default_factory=Filters)
    top_k: int = Field(5, ge=1, le=20, description="most passages that the answer may rest on")
    case_id: str = Field("", description="a case whose measurements become the source [Case]")
    history: list[TurnBody] = Field(default_factory=list, max_length=200, description="oldest first")
    sampling: SamplingBody = Field(default_factory=SamplingBody)
    stream: bool = Field(False, description="server-sent events: searching, passages, token, done, error")

    @field_validator("collections", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value or []

    @field_validator("filters", "sampling", "history", mode="before")
    @classmethod
    def _none_is_nothing(cls, value: Any, info: Any) -> Any:
        return ([] if info.field_name == "history" else {}) if value is None else value


class PassageRow(BaseModel):
    """A passage and how well it matches. `url` opens it on the page, `source_url` the document's own address."""

    passage_id: str
    document_id: str
    collection: str
    title: str
    source: str
    page: str | None
    section: str | None
    year: int | None
    text: str
    score: float
    cosine: float | None
    keyword: float | None
    rerank: float | None
    url: str
    source_url: str | None
    references: list[str]
    page_image: str | None


class CitationRow(PassageRow):
    """A number in an answer and its passage; `highlights` are [start, end] in its text."""

    n: int
    highlights: list[tuple[int, int]]


class SentenceRow(BaseModel):
    """A sentence of the answer and how it was held against what it cites; cites 0 is [Case]."""

    text: str
    start: int
    end: int
    cites: list[int]
    support: str
    coverage: float | None
    note: str | None


class CaseRow(BaseModel):
    """The case that the answer may cite, as the model was shown it."""

    case_id: str
    text: str
    marks: list[str]


class QueryAnswer(BaseModel):
    """An answer with what it rests on. `nearest` are passages that are not evidence."""

    question: str
    answer: str
    evidence: Literal["strong", "weak", "none"]
    rewritten: str | None
    citations: list[CitationRow]
    sentences: list[SentenceRow]
    uncited: list[str]
    removed: int
    nearest: list[PassageRow]
    missing: list[str]
    notices: list[str]
    case: CaseRow | None
    model: str
    is_mock: bool
    fallback_reason: str | None
    finish: str | None
    timings_ms: dict[str, float]
    provenance: dict[str, Any]


class SearchAnswer(BaseModel):
    """Passages, best first, one a document; `evidence` judges them for the question."""

    passages: list[PassageRow]
    evidence: Literal["strong", "weak", "none"]
    missing: list[str]
    notices: list[str]
    timings_ms: dict[str, float]


class ConsentBody(BaseModel):
    """The person's answer to whether something may leave this machine."""

    what: Literal["text", "case", "image"]
    granted: bool


class ExportBody(BaseModel):
    """A conversation as the page holds it: the answers as they were published."""

    format: Literal["md", "json", "html"]
    exchanges: list[QueryAnswer] = Field(min_length=1, max_length=500)
