"""Parts inside Gradio that the page adjusts: another release may move them, and nothing else would tell."""

from __future__ import annotations

import gradio as gr

from tests.serving import in_a_loop


async def made() -> object:
    """The queue of a page that is made inside a loop; outside of one Gradio makes a loop and leaves it open."""
    with gr.Blocks(analytics_enabled=False) as page:
        page.queue()
    return page._queue


def test_the_queue_still_looks_for_work_at_the_pace_that_the_page_slows_down() -> None:
    assert vars(in_a_loop(made()))["sleep_when_free"] < 0.01
