"""`/query`, `/search` and what the page needs beside them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from workbench.api import chat_schemas as schemas
from workbench.api.asking import Asker, is_visit, json_body
from workbench.api.chat_answers import event, query_answer, search_answer
from workbench.api.streaming import last_of, streamed
from workbench.domain.dialogue import Finished, Question, Sampling, Turn
from workbench.usecases.consent import Leaving
from workbench.usecases.export_chat import EXPORTS, export_chat
from workbench.usecases.workbench import Workbench


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["Chat"])

    @router.post("/query", response_model=schemas.QueryAnswer, openapi_extra=_body(schemas.QueryBody))
    async def query(request: Request, visitor: Asker) -> Response:
        """Ask the library; answered from its passages or not at all, every sentence held against what it cites.

        With `stream: true` the answer is server-sent events: `searching`, `passages`, `token` …, then `done` with the
        whole answer, or `error` with a problem object.
        """
        body: schemas.QueryBody = await json_body(request, schemas.QueryBody)
        events = await run_in_threadpool(
            workbench.chat.ask, visitor, question_of(body), asks_consent=is_visit(workbench, request)
        )
        if not body.stream:
            told = await last_of(request, events)
            assert isinstance(told, Finished)  # noqa: S101 - always the last
            return JSONResponse(query_answer(told.answer).model_dump(mode="json"))
        return streamed(events, event)

    @router.get("/search")
    def search(
        visitor: Asker,
        q: Annotated[str, Query(description="what to look for")],
        k: Annotated[int, Query(ge=1, le=100)] = 10,
        collection: Annotated[list[str] | None, Query(description="repeated for several; none means all")] = None,
        year_from: int | None = None,
        year_to: int | None = None,
        source: Annotated[list[str] | None, Query()] = None,
        words_only: Annotated[bool, Query(description="search by words, without vectors")] = False,
    ) -> schemas.SearchAnswer:
        """Passages by words and meaning, best first, one a document."""
        question = Question(
            text=q,
            top_k=k,
            collections=tuple(each for each in collection or () if each),
            year_from=year_from,
            year_to=year_to,
            sources=tuple(source or ()),
        )
        return search_answer(workbench.chat.retrieve(visitor, question, words_alone=words_only))

    @router.post("/consent", status_code=204, openapi_extra=_body(schemas.ConsentBody))
    async def consent(request: Request, visitor: Asker) -> Response:
        """Say for this visit whether something may leave this machine; asked of people, not of scripts."""
        body: schemas.ConsentBody = await json_body(request, schemas.ConsentBody)
        workbench.consents.say(visitor, Leaving(body.what), granted=body.granted)
        return Response(status_code=204)

    @router.post("/query/export", openapi_extra=_body(schemas.ExportBody))
    async def export(request: Request, visitor: Asker) -> Response:
        """A conversation as a file: Markdown, JSON or HTML, with the passages it rests on."""
        body: schemas.ExportBody = await json_body(request, schemas.ExportBody)
        exchanges = [each.model_dump(mode="json") for each in body.exchanges]
        made = export_chat(exchanges, body.format, at=workbench.clock.stamp())
        return Response(
            made,
            media_type=f"{EXPORTS[body.format]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="conversation.{body.format}"'},
        )

    return router


def _body(model: type[Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def question_of(body: schemas.QueryBody) -> Question:
    """The question in a request's body."""
    return Question(
        text=body.question,
        collections=tuple(each for each in body.collections if each),
        year_from=body.filters.year_from,
        year_to=body.filters.year_to,
        sources=tuple(body.filters.sources),
        top_k=body.top_k,
        case_id=body.case_id or None,
        history=tuple(Turn(role=each.role, text=each.text) for each in body.history),
        sampling=Sampling(**body.sampling.model_dump()),
    )
