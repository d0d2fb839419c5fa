"""The review record, the run log and the metrics."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from workbench.api.asking import Asker
from workbench.telemetry.metrics import CONTENT_TYPE
from workbench.usecases.record_text import record_markdown
from workbench.usecases.workbench import Workbench

_FRESH = {"Cache-Control": "private, no-store"}
_MARKDOWN = "text/markdown; charset=utf-8"


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of this use case."""
    router = APIRouter(tags=["Status"])
    records = workbench.records

    @router.get("/nim/review-record", response_class=Response)
    def review_record(visitor: Asker, format: Literal["json", "md"] = "json", id: str | None = None) -> Response:
        """The deployment record: what is observed, declared or unknown of every NIM, and since when.

        It is that of the mode in which the asking visit is; `id` gives another, as named in a result's provenance
        (`review_record`).
        """
        mode = workbench.nims.modes.mode_of(visitor)
        record = records.review.get(id) if id else records.review.current(mode.value)
        history = records.review.history(record.mode)
        name = f"review-record-{record.id[:8]}"
        if format == "md":
            headers = _FRESH | {"Content-Disposition": f'inline; filename="{name}.md"'}
            return Response(record_markdown(record, history), media_type=_MARKDOWN, headers=headers)
        told = record.to_json() | {
            "history": [{"id": each.id, "at": each.at, "changes": list(each.changes)} for each in history]
        }
        headers = _FRESH | {"Content-Disposition": f'inline; filename="{name}.json"'}
        return JSONResponse(told, headers=headers)

    @router.get("/runs.csv", response_class=Response)
    def run_log(visitor: Asker) -> Response:
        """The run log as CSV: the asking visit's own runs; everybody's for who sends the API key.

        Visits are keyed hashes. There are no pixels, questions, names or paths in it.
        """
        headers = _FRESH | {"Content-Disposition": 'attachment; filename="runs.csv"'}
        return Response(records.runs.csv(visitor), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/metrics", response_class=Response)
    def metrics(visitor: Asker) -> Response:
        """Prometheus text. Behind the same guard as everything else: send the API key where one is set."""
        return Response(records.metrics.text(), headers=_FRESH | {"Content-Type": CONTENT_TYPE})

    return router
