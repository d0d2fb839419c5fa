"""The deployment record on the Status tab: read it, keep it, and the run log beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.domain.errors import WorkbenchError
from workbench.domain.records import FIELDS, Fact, Known, RecordNote, ReviewRecord, ServiceRecord
from workbench.ui.words import esc, trouble
from workbench.usecases.record_text import how_known
from workbench.usecases.workbench import Workbench

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_HISTORY_SHOWN = 10

_INTRO = """<div class="wb-reading"><h2>Deployment record</h2>
<p class="wb-quiet">What is known of each NIM: observed by a probe, declared by the operator, or unknown. Its id stands
in the provenance of every result made under it.</p>
<p class="wb-downloads"><a href="nim/review-record?format=json" download="review-record.json">Record as JSON</a>
<a href="nim/review-record?format=md" download="review-record.md">Record as Markdown</a>
<a href="runs.csv" download="runs.csv">My runs as CSV</a></p></div>"""


def build_section(workbench: Workbench) -> None:
    """The section of the Status tab; the record is looked up when asked for."""
    gr.HTML(_INTRO, elem_id="status-record-intro")
    with gr.Row(elem_classes="wb-buttons wb-reading"):
        show = gr.Button("Show the record", elem_id="status-record", size="sm")
    shown = gr.HTML("", elem_id="status-record-view")

    def look(request: gr.Request) -> str:
        """The button."""
        try:
            visitor = workbench.access.visitor(request.headers.get("authorization"), dict(request.cookies))
            record = workbench.records.review.current(workbench.nims.modes.mode_of(visitor).value)
            return record_html(record, workbench.records.review.history(record.mode))
        except WorkbenchError as error:
            return trouble("The record could not be made", error.message, error.hint)

    show.click(look, None, shown, concurrency_limit=None, **_PRIVATE)


def record_html(record: ReviewRecord, history: Sequence[RecordNote]) -> str:
    """A table for each service, the present record's id before, the history after."""
    services = "".join(map(_service, record.services))
    return (
        f'<div class="wb-reading wb-record" data-record="{record.id}">{changes_html(record)}'
        f"<p>Record <code>{record.id}</code>, mode {esc(record.mode)}, since <time>{esc(record.made_at)}</time>.</p>"
        f"{services}{_history(history)}</div>"
    )


def changes_html(record: ReviewRecord) -> str:
    """What changed when this record began; nothing where nothing did."""
    if not record.changes:
        return ""
    rows = "".join(f'<li><span class="wb-tag">Changed</span> {esc(each)}</li>' for each in record.changes)
    return (
        f'<ul class="wb-remarks wb-warning" role="status">{rows}'
        f"<li>Since {esc(record.made_at)}. Results made before carry the earlier record's id.</li></ul>"
    )


def _service(service: ServiceRecord) -> str:
    rows = "".join(_row(title, service.fields[name]) for name, title in FIELDS.items())
    return (
        f"<h3>{esc(service.title)}</h3>"
        f'<table class="wb-table wb-wide" data-service="{esc(service.service)}"><thead><tr>'
        '<th scope="col">Field</th><th scope="col">Value</th><th scope="col">Known</th><th scope="col">How</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(title: str, fact: Fact) -> str:
    quiet = ' class="wb-off"' if fact.known is Known.UNKNOWN else ""
    return (
        f'<tr{quiet} data-known="{fact.known.value}"><th scope="row">{esc(title)}</th><td>{esc(fact.text) or "–"}</td>'
        f"<td>{fact.known.value}</td><td>{esc(how_known(fact))}</td></tr>"
    )


def _history(history: Sequence[RecordNote]) -> str:
    if len(history) < 2:
        return ""
    rows = "".join(
        f"<li><time>{esc(note.at)}</time> "
        f'<a href="nim/review-record?format=json&amp;id={note.id}"><code>{note.id[:8]}</code></a> '
        f"{esc(' '.join(note.changes) or 'more became known')}</li>"
        for note in history[:_HISTORY_SHOWN]
    )
    return f"<h3>History</h3><ul>{rows}</ul>"
