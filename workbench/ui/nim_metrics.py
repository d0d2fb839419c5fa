"""What the NIMs tell about their work, and the last benches, on the Status tab."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from workbench.domain.bench import BenchReport
from workbench.ui.words import esc, grouped
from workbench.usecases.nim_metrics import Row, Told
from workbench.usecases.workbench import Workbench

_WIDE, _HIGH = 120, 20
_EVERY_S = 10.0
_BENCH_HEADS = (
    "Service",
    "When",
    "Answered",
    "At once",
    "Requests/s",
    "p50 s",
    "p95 s",
    "p99 s",
    "Tokens/s",
    "First token s",
)


def build_section(workbench: Workbench) -> None:
    """Build the tables; nothing is read before somebody asks."""
    with gr.Column(elem_id="status-metrics", elem_classes=["wb-reading", "wb-plan"]):
        gr.HTML(
            "<h2>What the NIMs tell about their work</h2><p class='wb-quiet'>Read from each NIM's metrics when asked. "
            "VISTA-3D and MAISI document none.</p>"
        )
        with gr.Row(elem_classes=["wb-buttons"]):
            read = gr.Button("Read metrics now", size="sm", elem_id="metrics-read")
            follow = gr.Checkbox(False, label=f"Read every {_EVERY_S:g} s", elem_id="metrics-follow", container=False)
        metrics = gr.HTML("", elem_id="metrics-table")
        gr.HTML("<h2>Last benches</h2>")
        benches = gr.HTML("", elem_id="bench-table")
        timer = gr.Timer(_EVERY_S, active=False)

    def shown() -> tuple[str, str]:
        return metrics_html(workbench.nim_metrics.look()), benches_html(workbench.benches())

    for event in (read.click, timer.tick):
        event(shown, None, [metrics, benches], api_visibility="private", show_progress="hidden")
    follow.change(_timer, follow, timer, api_visibility="private", show_progress="hidden")


def _timer(following: bool) -> gr.Timer:
    return gr.Timer(_EVERY_S, active=following)


def metrics_html(told: Sequence[Told]) -> str:
    """A table a NIM; one line where it exposes nothing."""
    if not told:
        return '<p class="wb-quiet">No NIM of your own is asked in this mode, so there is nothing to read.</p>'
    return "".join(_nim(each) for each in told)


def _nim(told: Told) -> str:
    head = f"<h3>{esc(told.label)}</h3>"
    if not told.rows:
        return f'{head}<p class="wb-quiet" data-exposed="false">{esc(told.why)}</p>'
    rows = "".join(_row(row) for row in told.rows)
    return (
        f'{head}<table class="wb-table wb-plan-table" data-exposed="true"><thead><tr><th scope="col">Quantity</th>'
        f'<th scope="col">Now</th><th scope="col">Lately</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(row: Row) -> str:
    label = f'<th scope="row">{esc(row.quantity.label)}</th>'
    if row.latest is None and not any(each is not None for each in row.course):
        return f'<tr>{label}<td class="wb-figure wb-quiet">not exposed</td><td></td></tr>'
    now = "–" if row.latest is None else _figure(row.latest, row.quantity.unit)
    return f'<tr>{label}<td class="wb-figure">{now}</td><td>{sparkline(row.course)}</td></tr>'


def _figure(value: float, unit: str) -> str:
    decimals = 0 if not unit else 1 if value >= 10 else 3 if unit == "s" else 2
    return f"{grouped(value, decimals)}\u202f{unit}" if unit else grouped(value, decimals)


def sparkline(values: Sequence[float | None]) -> str:
    """The course as a line of SVG from zero up; gaps where nothing was known. Nothing for fewer than two values."""
    known = [each for each in values if each is not None]
    if len(known) < 2:
        return ""
    top = max(known) or 1.0
    step = _WIDE / (len(values) - 1)
    pieces: list[list[str]] = [[]]
    for at, each in enumerate(values):
        if each is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{at * step:.1f},{_HIGH - 1 - (_HIGH - 2) * max(each, 0.0) / top:.1f}")
    lines = "".join(f'<polyline points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1)
    return (
        f'<svg class="wb-spark" viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" height="{_HIGH}" fill="none" '
        f'stroke="currentColor" role="img" aria-label="from {min(known):g} to {max(known):g}">{lines}</svg>'
    )


def benches_html(reports: Sequence[BenchReport]) -> str:
    """A row a bench, the newest first."""
    if not reports:
        return '<p class="wb-quiet">None yet. On the command line: workbench bench vista3d --requests 5.</p>'
    rows = "".join(
        f'<tr><th scope="row">{esc(each.service)}{" (MOCK)" if each.is_mock else ""}</th>'
        f"<td>{esc(each.started_at)}</td>"
        f'<td class="wb-figure">{each.answered} / {each.requests}</td><td class="wb-figure">{each.concurrency}</td>'
        + "".join(
            f'<td class="wb-figure">{"–" if number is None else grouped(number, 3)}</td>'
            for number in (
                each.requests_per_s,
                each.latency_s.p50,
                each.latency_s.p95,
                each.latency_s.p99,
                each.tokens_per_s,
                each.first_token_s.p50 if each.first_token_s else None,
            )
        )
        + "</tr>"
        for each in reports
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in _BENCH_HEADS)
    return f'<table class="wb-table wb-wide"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
