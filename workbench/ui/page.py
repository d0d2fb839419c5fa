"""The page: five tabs under one bar, mounted on the app that serves REST.

Call `keep_gradio_private` before this module is imported: Gradio reads the environment once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import gradio as gr
from fastapi import FastAPI

from workbench.assets import asset
from workbench.ui import ask_image, chat, nim_status, review_ct, synthesise_ct
from workbench.ui.badge import badge_html
from workbench.usecases.workbench import Workbench

_STYLES = ("workbench.css", "status.css", "synthesise.css", "talk.css", "chat.css", "ask.css")
_TABS = ("Segment", "Synthesize", "Ask", "Chat", "Status")
_FOOT = """<footer class="wb-foot" aria-label="Status line"><span id="wb-at"></span><span id="wb-under"></span>
<span id="wb-grid"></span><span id="wb-memory"></span>
<span class="wb-use">Research use. Not for clinical decisions.</span></footer>"""
_TOP = """<header class="wb-top"><h1>Imaging Workbench</h1>{panel}
<button type="button" id="wb-drawer" aria-expanded="true" aria-controls="seg-inspector">Hide controls</button>
<button type="button" id="wb-theme" aria-label="Switch between dark and light"><svg viewBox="0 0 16 16"
aria-hidden="true"><path d="M8 1a7 7 0 1 0 0 14z"/><circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor"/>
</svg></button></header>"""


def mount_page(app: FastAPI, workbench: Workbench, *, max_upload_mb: int) -> FastAPI:
    """Build the page and mount it at `/`."""
    facts = {"maxUploadBytes": max_upload_mb * 1_000_000, "still": workbench.is_test}
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(workbench),
        path="",
        max_file_size=f"{max_upload_mb}mb",
        run_history=False,
        footer_links=[],
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=[asset("web", name) for name in _STYLES],
        js=_start_script(facts),
        show_error=False,
    )
    return mounted


_QUEUE_LOOKS_EVERY_S = 0.01
"""How often Gradio's queue looks for work. Its own millisecond costs an idle workbench a twentieth of a core."""


def build_page(workbench: Workbench) -> gr.Blocks:
    """The page's components."""
    page = gr.Blocks(
        title="Imaging Workbench", analytics_enabled=False, fill_height=True, fill_width=True, delete_cache=(600, 3600)
    )
    with page:
        gr.HTML(_TOP.replace("{panel}", nim_status.panel_html()), elem_id="nim-panel", padding=False)
        badge = gr.HTML(badge_html(None), elem_id="origin-badge", padding=False)
        with gr.Tabs(elem_id="wb-tabs"):
            for name in _TABS:
                with gr.Tab(name, id=name.lower()):
                    if name == "Segment":
                        review_ct.build_tab(workbench, page, badge)
                    elif name == "Synthesize":
                        synthesise_ct.build_tab(workbench)
                    elif name == "Ask":
                        ask_image.build_tab()
                    elif name == "Chat":
                        chat.build_tab()
                    else:
                        nim_status.build_tab(workbench)
        gr.HTML(_FOOT, elem_id="wb-foot", padding=False)
    page.queue(default_concurrency_limit=None, api_open=False)
    page._queue.sleep_when_free = _QUEUE_LOOKS_EVERY_S
    return page


def _start_script(facts: Mapping[str, object]) -> str:
    return (
        "() => { import(new URL('assets/web/page.js', document.baseURI).href)"
        f".then((page) => page.start({json.dumps(facts)})); }}"
    )
