"""From the library's nouns to their published form."""

from __future__ import annotations

from workbench.api import library_schemas as schemas
from workbench.api.chat_answers import passage_link, web_address
from workbench.domain.library import COMMON, Collection, Document, Ingested, IngestReport, Passage
from workbench.usecases.add_documents import IngestJob
from workbench.usecases.library import DEFAULT_COLLECTION, PassageInPlace
from workbench.usecases.starter_library import StarterState


def collection_row(collection: Collection, *, shared: bool, starter: StarterState) -> schemas.CollectionRow:
    """A collection, with how far the starter library is in the one that it goes into."""
    indexing = None
    if collection.name == DEFAULT_COLLECTION and starter.state == "indexing":
        indexing = schemas.Indexing(done=starter.done, of=starter.of)
    return schemas.CollectionRow(
        name=collection.name,
        description=collection.description,
        documents=collection.documents,
        passages=collection.passages,
        embedder=collection.embedder.model if collection.embedder else None,
        dimension=collection.embedder.dimension if collection.embedder else None,
        needs_reindex=collection.needs_reindex,
        shared=shared,
        indexing=indexing,
    )


def document_row(document: Document) -> schemas.DocumentRow:
    """A document."""
    return schemas.DocumentRow(
        id=document.id,
        title=document.title,
        source=document.source,
        collection=document.collection,
        passages=document.passages,
        added=document.added,
        year=document.year,
        url=web_address(document.url),
        references=list(document.references),
        has_pages=document.has_pages,
        shared=document.owner == COMMON,
    )


def passage_answer(found: PassageInPlace) -> schemas.PassageAnswer:
    """A passage with its surroundings."""

    def row(passage: Passage | None) -> schemas.PassageInPlaceRow | None:
        return _passage_row(passage, found.document) if passage is not None else None

    return schemas.PassageAnswer(
        passage=_passage_row(found.passage, found.document),
        before=row(found.before),
        after=row(found.after),
        document=document_row(found.document),
    )


def job_answer(job: IngestJob) -> schemas.IngestJobAnswer:
    """A job of the library."""
    view, told = job.view, job.progress
    return schemas.IngestJobAnswer(
        job_id=view.id,
        kind=view.kind,
        collection=job.collection,
        state=view.state.value,
        stage=view.stage,
        fraction=view.fraction,
        elapsed_s=view.elapsed_s,
        progress=schemas.ProgressAnswer(
            files=told.files,
            files_done=told.files_done,
            documents_done=told.documents_done,
            passages=told.passages,
            passages_done=told.passages_done,
        ),
        report=report_answer(job.report) if job.report is not None and not view.running else None,
        error=view.error,
        hint=view.hint,
        trace_id=view.trace_id,
    )


def report_answer(report: IngestReport) -> schemas.ReportAnswer:
    """What an ingest did."""
    return schemas.ReportAnswer(
        collection=report.collection,
        new=report.count(Ingested.NEW),
        replaced=report.count(Ingested.REPLACED),
        unchanged=report.count(Ingested.UNCHANGED),
        failed=report.count(Ingested.FAILED),
        passages=sum(each.passages for each in report.documents if each.outcome is not Ingested.FAILED),
        stopped=report.stopped,
        documents=[
            schemas.IngestedRow(
                name=each.name,
                outcome=each.outcome.value,
                passages=each.passages,
                document_id=each.document_id,
                why=each.why,
                notes=list(each.notes),
            )
            for each in report.documents
        ],
    )


def _passage_row(passage: Passage, document: Document) -> schemas.PassageInPlaceRow:
    picture = f"/documents/{passage.document_id}/pages/{passage.page_start}.png"
    return schemas.PassageInPlaceRow(
        passage_id=passage.id,
        document_id=passage.document_id,
        collection=passage.collection,
        title=passage.title,
        source=passage.source,
        page=passage.pages,
        section=passage.section or None,
        year=passage.year,
        text=passage.text,
        ordinal=passage.ordinal,
        total=passage.total,
        url=passage_link(passage.collection, passage.id),
        source_url=web_address(passage.url),
        references=list(passage.references),
        page_image=picture if document.has_pages and passage.page_start is not None else None,
    )
