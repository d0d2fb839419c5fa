"""Tabs that stand already and say what they will do."""

from __future__ import annotations

import gradio as gr

from workbench.ui.words import esc

_TEXT = {
    "Ask": (
        "Questions about an image",
        "Put a question about the slice on screen, or about a picture of yours, to VILA-M3, and see exactly which "
        "pixels and words were sent.",
    ),
}


def build_tab(name: str) -> None:
    """A tab that is not built yet: it says so, and offers nothing it cannot do."""
    title, text = _TEXT[name]
    gr.HTML(
        f'<div class="wb-coming"><h2>{esc(title)}</h2><p>{esc(text)}</p>'
        '<p class="wb-quiet">Not part of this version yet.</p></div>'
    )
