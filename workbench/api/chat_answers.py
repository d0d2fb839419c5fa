"""From answers of the library to their published form."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from workbench.api import chat_schemas as schemas
from workbench.domain.dialogue import Answer, ChatEvent, Finished, PassagesFound, Searching, Token
from workbench.domain.library import Found, Retrieval


def query_answer(answer: Answer) -> schemas.QueryAnswer:
    """The whole answer."""
    made = answer.provenance
    return schemas.QueryAnswer(
        question=answer.question,
        answer=answer.text,
        evidence=answer.evidence.value,
        rewritten=answer.rewritten,
        citations=[
            schemas.CitationRow(n=each.n, highlights=list(each.highlights), **_row(each.found))
            for each in answer.citations
        ],
        sentences=[
            schemas.SentenceRow(
                text=each.text,
                start=each.start,
                end=each.end,
                cites=list(each.cites),
                support=each.support.value,
                coverage=None if each.coverage is None else round(each.coverage, 3),
                note=each.note,
            )
            for each in answer.sentences
        ],
        uncited=list(answer.uncited),
        removed=answer.removed,
        nearest=[passage_row(each) for each in answer.nearest],
        missing=list(answer.missing),
        notices=list(answer.notices),
        case=None
        if answer.case is None
        else schemas.CaseRow(case_id=answer.case.case_id, text=answer.case.text, marks=list(answer.case.marks)),
        model=made.model,
        is_mock=answer.is_mock,
        fallback_reason=made.stands_in_because,
        finish=answer.finish.value if answer.finish else None,
        timings_ms={name: round(value, 1) for name, value in answer.timings_ms.items()},
        provenance=made.to_json(),
    )


def search_answer(retrieval: Retrieval) -> schemas.SearchAnswer:
    """The passages alone."""
    return schemas.SearchAnswer(
        passages=[passage_row(each) for each in retrieval.found],
        evidence=retrieval.evidence.value,
        missing=list(retrieval.missing),
        notices=list(retrieval.notices),
        timings_ms={name: round(value, 1) for name, value in retrieval.timings_ms.items()},
    )


def passage_row(found: Found) -> schemas.PassageRow:
    """One passage."""
    return schemas.PassageRow(**_row(found))


def event(told: ChatEvent) -> tuple[str, dict[str, Any]]:
    """The name and the content of a server-sent event."""
    if isinstance(told, Searching):
        return "searching", {"rewritten": told.rewritten}
    if isinstance(told, PassagesFound):
        made = told.provenance
        return "passages", {
            "evidence": told.evidence.value,
            "missing": list(told.missing),
            "notices": list(told.notices),
            "passages": [passage_row(each).model_dump(mode="json") for each in told.found],
            "model": made.model if made else None,
            "is_mock": made.is_mock if made else False,
            "fallback_reason": made.stands_in_because if made else None,
        }
    if isinstance(told, Token):
        return "token", {"text": told.text}
    assert isinstance(told, Finished)  # noqa: S101 - the last of the four
    return "done", query_answer(told.answer).model_dump(mode="json")


def passage_link(collection: str, passage_id: str) -> str:
    """Where the page shows a passage."""
    return f"/?tab=chat&collection={quote(collection)}&passage={quote(passage_id)}"


def web_address(url: str | None) -> str | None:
    """A document's own address where a browser may follow it; anything else than http and https is dropped."""
    return url if url and urlsplit(url).scheme in ("http", "https") else None


def _row(found: Found) -> dict[str, Any]:
    passage = found.passage
    return {
        "passage_id": passage.id,
        "document_id": passage.document_id,
        "collection": passage.collection,
        "title": passage.title,
        "source": passage.source,
        "page": passage.pages,
        "section": passage.section or None,
        "year": passage.year,
        "text": passage.text,
        "score": round(found.score, 4),
        "cosine": None if found.cosine is None else round(found.cosine, 4),
        "keyword": None if found.keyword is None else round(found.keyword, 4),
        "rerank": None if found.rerank is None else round(found.rerank, 4),
        "url": passage_link(passage.collection, passage.id),
        "source_url": web_address(passage.url),
        "references": list(passage.references),
        "page_image": f"/documents/{passage.document_id}/pages/{passage.page_start}.png"
        if passage.page_start is not None
        else None,
    }
