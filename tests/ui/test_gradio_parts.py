"""Parts inside Gradio that the page adjusts: another release may move them, and nothing else would tell."""

from __future__ import annotations

import asyncio

import gradio as gr


def test_the_queue_still_looks_for_work_at_the_pace_that_the_page_slows_down() -> None:
    async def made() -> object:
        # Inside a loop, for outside of one Gradio makes one and leaves it open.
        with gr.Blocks(analytics_enabled=False) as page:
            page.queue()
        return page._queue

    assert vars(asyncio.run(made()))["sleep_when_free"] < 0.01
