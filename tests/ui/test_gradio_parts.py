"""Parts inside Gradio that the page adjusts: another release may move them, and nothing else would tell."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr


async def made() -> object:
    """The queue of a page that is made inside a loop; outside of one Gradio makes a loop and leaves it open."""
    with gr.Blocks(analytics_enabled=False) as page:
        page.queue()
    return page._queue


def test_the_queue_still_looks_for_work_at_the_pace_that_the_page_slows_down() -> None:
    # In a thread of its own: while a browser is driven, this one has a loop already.
    with ThreadPoolExecutor(1) as other:
        queue = other.submit(asyncio.run, made()).result()
    assert vars(queue)["sleep_when_free"] < 0.01
