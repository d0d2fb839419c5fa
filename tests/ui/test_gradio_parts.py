"""Parts inside Gradio that the page adjusts: another release may move them, and nothing else would tell."""

from __future__ import annotations

import gradio as gr


def test_the_queue_still_looks_for_work_at_the_pace_that_the_page_slows_down() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        page.queue()
    assert vars(page._queue)["sleep_when_free"] < 0.01
