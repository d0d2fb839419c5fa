"""The Ask tab: questions about a picture, beside the exact pixels that they are put about.

The fixed elements are here. The picture, its facts and the conversation are drawn by `assets/web/ask` over REST, for a
token must be painted as it comes, without a round trip through Gradio.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import gradio as gr

from workbench.domain.dialogue import MOST_QUESTION_CHARACTERS
from workbench.domain.image_dialogue import IMAGE_SAMPLING
from workbench.domain.picture import Modality
from workbench.imaging.slices import WINDOWS
from workbench.ui.words import esc

EXAMPLES = {
    "": (
        "What kind of picture is this?",
        "Describe this image.",
        "Which body part is shown, and from which direction?",
    ),
    Modality.CT: (
        "Describe this image.",
        "Which organs are visible?",
        "Is contrast medium in the vessels?",
        "Segment the organs of this image.",
    ),
    Modality.MRI: ("Describe this image.", "Which sequence could this be?", "Which structures are visible?"),
    Modality.CXR: (
        "Describe this image.",
        "Is this a frontal or a lateral view?",
        "Which lines, tubes or devices are visible?",
        "Are the lung bases included in the picture?",
    ),
    "mask": (
        "Which organs are visible?",
        "Where is the largest structure?",
        "How large are the structures on this slice?",
        "Describe this image.",
    ),
}
"""Questions by what made the picture; `mask` where the structures on it are known."""

_MODALITIES = {Modality.CT: "CT", Modality.MRI: "MRI", Modality.CXR: "Chest X-ray"}

_BAR = '<div data-ask="bar" class="chat-bar" role="toolbar" aria-label="Questions"></div><div data-ask="notes"></div>'
_LOG = (
    '<div data-ask="log" class="chat-scroll" role="log" aria-live="polite" aria-label="Questions and answers" '
    'tabindex="0"></div><p data-ask="told" class="wb-sr" role="status"></p>'
)
_PICTURE = """<div class="ask-panel"><div class="ask-source">
<label class="ask-drop"><input type="file" class="wb-sr" aria-label="Choose a picture: PNG, JPEG or DICOM">
<span>Drop a picture here, or click to choose</span><small>PNG, JPEG or one DICOM image</small></label>
<div class="ask-view"><button type="button" id="ask-from-viewer" class="chat-plain"
aria-describedby="ask-on-screen">From the viewer</button><p id="ask-on-screen" data-ask="on-screen"></p></div></div>
<div data-ask="options" class="ask-options" role="group" aria-label="How the slice is drawn"></div>
<div data-ask="trouble"></div><figure data-ask="preview" class="ask-preview"></figure>
<div data-ask="facts" class="ask-facts" role="region" aria-label="What is known of the picture" tabindex="0"></div>
</div>"""


def build_tab() -> None:
    """Build the tab's elements; the page's script fills them."""
    about = {
        "settings": {key: value for key, value in asdict(IMAGE_SAMPLING).items() if key != "seed"},
        "most": MOST_QUESTION_CHARACTERS,
        "examples": EXAMPLES,
        "modalities": _MODALITIES,
        "windows": {name: [window.center, window.width] for name, window in WINDOWS.items()},
    }
    with gr.Row(elem_id="ask-room", elem_classes=["wb-room", "chat-room"]):
        with gr.Column(elem_id="ask-talk", elem_classes="chat-talk", scale=1):
            _part(_BAR, "ask-bar", "chat-fixed")
            _part(_LOG, "ask-answer", "chat-scrolls")
            with gr.Column(elem_id="ask-composer", elem_classes=["chat-composer", "chat-fixed"]):
                with gr.Row(elem_classes="chat-line"):
                    gr.Textbox(
                        label="Question about the picture",
                        placeholder="Ask about the picture. Enter sends.",
                        lines=1,
                        max_lines=8,
                        elem_id="ask-question",
                        elem_classes="chat-field",
                        container=False,
                        interactive=True,
                        scale=1,
                    )
                    gr.Button(
                        "Ask", variant="primary", elem_id="ask-send", elem_classes="chat-send", size="sm", scale=0
                    )
                tools = f'<div data-ask="tools" data-about="{esc(json.dumps(about))}"></div>'
                _part(tools, "ask-tools", "chat-scope", "chat-fixed")
        with gr.Column(elem_id="ask-side", elem_classes="chat-side", scale=0):
            _part(_PICTURE, "ask-image", "chat-scrolls")
    _part('<span class="wb-badge" data-kind="none"><b></b> No picture chosen</span>', "ask-badge")


def _part(html: str, elem_id: str, *classes: str) -> None:
    gr.HTML(html, elem_id=elem_id, elem_classes=[*classes], padding=False, apply_default_css=False, js_on_load=None)
