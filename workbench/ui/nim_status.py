"""The NIM panel that is on every tab, and the Status tab."""

from __future__ import annotations

import gradio as gr

from workbench.domain.nim import Service
from workbench.ui.words import esc

_ELEMENT = {service: f"nim-{service.value}" for service in Service}


def panel_html() -> str:
    """The panel's chips; the page's script fills in the states and keeps them fresh."""
    chips = "".join(
        f'<span id="{_ELEMENT[service]}" class="wb-chip" data-service="{service.value}" tabindex="0" role="status">'
        f'<svg class="wb-shape" viewBox="0 0 12 12" aria-hidden="true"></svg>'
        f'<b>{esc(service.display_name)}</b> <span class="wb-state">checking</span>'
        '<span class="wb-sr wb-why"></span></span>'
        for service in Service
    )
    return f'<div class="wb-chips" aria-label="Who answers">{chips}</div>'


def build_tab() -> None:
    """What each NIM is, as a table that the page's script keeps fresh."""
    rows = "".join(
        f'<tr data-service="{service.value}"><th scope="row">{esc(service.display_name)}</th>'
        '<td data-cell="state">checking</td><td data-cell="url"></td><td data-cell="model"></td>'
        '<td data-cell="detail"></td></tr>'
        for service in Service
    )
    gr.HTML(
        '<div class="wb-reading"><h2>Who answers now</h2>'
        '<p class="wb-quiet">Asked every few seconds. A request made now goes where this table says.</p>'
        '<table class="wb-table wb-wide"><thead><tr><th scope="col">Service</th><th scope="col">State</th>'
        '<th scope="col">Address</th><th scope="col">Model</th><th scope="col">Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
        elem_id="status-table",
    )
