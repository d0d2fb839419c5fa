"""The NIM panel that is on every tab, and the Status tab."""

from __future__ import annotations

import gradio as gr

from workbench.domain.nim import ROUTED, Mode
from workbench.ui import memory_planner, nim_metrics, records
from workbench.ui.words import esc
from workbench.usecases.workbench import Workbench

_ELEMENT = {service: f"nim-{service.value}" for service in ROUTED}

_MODES = {
    Mode.LOCAL: "local: your own NIMs",
    Mode.CLOUD: "cloud: the hosted catalogue",
    Mode.MOCK: "mock: demonstrations",
}

_TABLE = """<div class="wb-reading wb-status"><h2>Who answers now</h2>
<div class="wb-status-tools">
<button type="button" id="status-check">Check now</button>
<span id="status-progress" class="wb-quiet" role="status"></span>
<label class="wb-mode">Mode of this visit <select id="status-mode" disabled>{modes}</select></label>
</div>
<p class="wb-quiet" id="status-mode-note"></p>
<table class="wb-table wb-wide"><thead><tr><th scope="col">Service</th><th scope="col">State</th>
<th scope="col">A request made now goes to</th><th scope="col">Model</th><th scope="col">Answers in</th>
<th scope="col">Since</th><th scope="col"><span class="wb-sr">Details</span></th></tr></thead>
<tbody></tbody></table>
<p class="wb-quiet">Looked at every few seconds. “Check now” sends each NIM one small real request, to tell a NIM that
works from one that only says it is ready. MAISI is asked for nothing it would have to generate.</p></div>"""


def panel_html() -> str:
    """The panel's chips; the page's script fills in the states and keeps them fresh."""
    chips = "".join(
        f'<span id="{_ELEMENT[service]}" class="wb-chip" data-service="{service.value}" tabindex="0" role="status">'
        f'<svg class="wb-shape" viewBox="0 0 12 12" aria-hidden="true"></svg>'
        f'<b>{esc(service.display_name)}</b> <span class="wb-state">checking</span>'
        '<span class="wb-seconds" aria-hidden="true"></span><span class="wb-sr wb-why"></span></span>'
        for service in ROUTED
    )
    return (
        '<span id="wb-mode-switched" class="wb-switched" hidden></span>'
        f'<div class="wb-chips" aria-label="Who answers">{chips}</div>'
    )


def build_tab(workbench: Workbench) -> None:
    """Each NIM as a table with details on demand, then memory, the NIMs' own metrics and the records."""
    modes = "".join(f'<option value="{mode.value}">{esc(text)}</option>' for mode, text in _MODES.items())
    gr.HTML(_TABLE.replace("{modes}", modes), elem_id="status-table")
    memory_planner.build_section(workbench)
    nim_metrics.build_section(workbench)
    records.build_section(workbench)
