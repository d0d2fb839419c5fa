"""The published field names of the library."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Indexing(BaseModel):
    """How many articles of the starter library are there already."""

    done: int
    of: int


class CollectionRow(BaseModel):
    """A collection. `embedder` and `dimension` are null where only words are searched.

    `needs_reindex` says why its vectors cannot be searched now. `shared`: what the asker adds, everybody reads.
    """

    name: str
    description: str
    documents: int
    passages: int
    embedder: str | None
    dimension: int | None
    needs_reindex: str | None
    shared: bool
    indexing: Indexing | None = None


class NewCollection(BaseModel):
    """A collection to make."""

    name: str = Field(description="letters, digits and underscores, a letter first, at most 64")
    description: str = Field("", max_length=500)


class DocumentRow(BaseModel):
    """A document. `passages` counts them; `shared` where everybody reads it."""

    id: str
    title: str
    source: str
    collection: str
    passages: int
    added: str
    year: int | None
    url: str | None
    references: list[str]
    has_pages: bool
    shared: bool


class DocumentsAnswer(BaseModel):
    """Documents, newest first."""

    documents: list[DocumentRow]


class DeletedPassages(BaseModel):
    """How many passages went."""

    deleted_passages: int


class Accepted(BaseModel):
    """A job that was begun; look at it under `/documents/jobs/{job_id}`."""

    job_id: str


class IngestedRow(BaseModel):
    """What became of one document, and why it failed."""

    name: str
    outcome: Literal["new", "replaced", "unchanged", "failed"]
    passages: int
    document_id: str | None
    why: str | None
    notes: list[str]


class ReportAnswer(BaseModel):
    """What an ingest did, document by document; `stopped` where it did not come to its end."""

    collection: str
    new: int
    replaced: int
    unchanged: int
    failed: int
    passages: int
    stopped: bool
    documents: list[IngestedRow]


class ProgressAnswer(BaseModel):
    """Files and passages, done and in all; passages in all are known once every file is read."""

    files: int
    files_done: int
    documents_done: int
    passages: int
    passages_done: int


class IngestJobAnswer(BaseModel):
    """A job of the library as it stands. `fraction` runs 0..1 over the present stage."""

    job_id: str
    kind: str
    collection: str
    state: str
    stage: str
    fraction: float | None
    elapsed_s: float
    progress: ProgressAnswer
    report: ReportAnswer | None
    error: str | None
    hint: str | None
    trace_id: str | None


class PassageInPlaceRow(BaseModel):
    """A passage. `url` opens it on the page, `source_url` is the document's own address."""

    passage_id: str
    document_id: str
    collection: str
    title: str
    source: str
    page: str | None
    section: str | None
    year: int | None
    text: str
    ordinal: int
    total: int
    url: str
    source_url: str | None
    references: list[str]
    page_image: str | None


class PassageAnswer(BaseModel):
    """A passage, its neighbours and its document."""

    passage: PassageInPlaceRow
    before: PassageInPlaceRow | None
    after: PassageInPlaceRow | None
    document: DocumentRow
