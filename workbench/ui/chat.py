"""The Chat tab: a conversation over the library, beside what it rests on.

The fixed elements are here. The log, the sources and the library are drawn by `assets/web/chat` over REST, for a
token must be painted as it comes, without a round trip through Gradio.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import gradio as gr

from workbench.domain.dialogue import MOST_QUESTION_CHARACTERS, Question, Sampling
from workbench.ui.words import esc

EXAMPLES = (
    "How many structures can VISTA-3D segment?",
    "Which window settings show the lungs?",
    "What is a normal spleen volume?",
    "How does MAISI limit the output size?",
    "What is the partial volume effect?",
)
"""Questions that the starter library answers."""

_BAR = (
    '<div data-chat="bar" class="chat-bar" role="toolbar" aria-label="Conversation"></div><div data-chat="notes"></div>'
)
_LOG = (
    '<div data-chat="log" class="chat-scroll" role="log" aria-live="polite" aria-label="Conversation" tabindex="0">'
    '</div><p data-chat="told" class="wb-sr" role="status"></p>'
)
_SIDE = """<div class="chat-side-bar" role="group" aria-label="Beside the conversation">
<button type="button" data-side="sources" id="chat-show-sources" aria-controls="chat-sources">Sources</button>
<button type="button" data-side="library" id="chat-show-library" aria-controls="chat-library">Library</button>
</div>"""
_SOURCES = '<div data-chat="sources" class="chat-scroll" role="region" aria-label="Sources" tabindex="0"></div>'
_UPLOAD = """<label class="chat-drop"><input type="file" multiple class="wb-sr"
accept=".pdf,.docx,.html,.htm,.md,.markdown,.txt,.jsonl,.zip" aria-label="Add documents to the library">
<span>Drop papers or guidelines here, or click to choose</span>
<small>PDF, DOCX, HTML, Markdown, text, JSON Lines, or a zip of these</small></label>"""


def build_tab() -> None:
    """Build the tab's elements; the page's script fills them."""
    settings = {key: value for key, value in asdict(Sampling()).items() if key != "seed"}
    settings["top_k"] = Question(text="").top_k
    about = esc(json.dumps({"settings": settings, "examples": EXAMPLES, "most": MOST_QUESTION_CHARACTERS}))
    with gr.Row(elem_id="chat-room", elem_classes=["wb-room", "chat-room"]):
        with gr.Column(elem_id="chat-talk", elem_classes="chat-talk", scale=1):
            _part(_BAR, "chat-bar", "chat-fixed")
            _part(_LOG, "chat-log", "chat-scrolls")
            with gr.Column(elem_id="chat-composer", elem_classes=["chat-composer", "chat-fixed"]):
                with gr.Row(elem_id="chat-ask", elem_classes="chat-line"):
                    gr.Textbox(
                        label="Question",
                        placeholder="Ask the library. Enter sends, Shift+Enter begins a new line.",
                        lines=1,
                        max_lines=8,
                        elem_id="chat-input",
                        elem_classes="chat-field",
                        container=False,
                        interactive=True,
                        scale=1,
                    )
                    gr.Button(
                        "Ask", variant="primary", elem_id="chat-send", elem_classes="chat-send", size="sm", scale=0
                    )
                _part(f'<div data-chat="scope" data-about="{about}"></div>', "chat-scope", "chat-scope", "chat-fixed")
        with gr.Column(elem_id="chat-side", elem_classes="chat-side", scale=0):
            _part(_SIDE, "chat-side-bar", "chat-fixed")
            _part(_SOURCES, "chat-sources", "chat-scrolls")
            with gr.Column(elem_id="chat-library"):
                _part('<div data-chat="collection"></div>', "chat-collection")
                _part(_UPLOAD, "chat-upload")
                _part('<div data-chat="jobs"></div>', "chat-jobs")
                _part('<div data-chat="documents"></div>', "chat-documents")


def _part(html: str, elem_id: str, *classes: str) -> None:
    gr.HTML(html, elem_id=elem_id, elem_classes=[*classes], padding=False, apply_default_css=False, js_on_load=None)
