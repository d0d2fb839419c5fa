"""Answers that stream: read in a thread of their own, told as server-sent events, ended when nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse

from workbench.api.problems import problem_content
from workbench.domain.errors import WorkbenchError
from workbench.usecases.answer_under_way import AnswerUnderWay

EventT = TypeVar("EventT")

Told = tuple[str, dict[str, Any]]
"""A server-sent event: its name and its content."""

_POLL_S = 0.01


def streamed(events: AnswerUnderWay[EventT], event: Callable[[EventT], Told]) -> StreamingResponse:
    """The events as they come; a failure is the event `error` with a problem object."""
    return StreamingResponse(
        _lines(events, event),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def last_of(request: Request, events: AnswerUnderWay[EventT]) -> EventT:
    """The last event, which holds the whole answer. A client that goes away stops the model."""
    last: EventT | None = None
    async for told in Pumped(events, request.is_disconnected):
        if isinstance(told, WorkbenchError):
            raise told
        last = told
    if last is None or await request.is_disconnected():
        raise WorkbenchError("The question was given up before it was answered.")
    return last


async def _lines(events: AnswerUnderWay[EventT], event: Callable[[EventT], Told]) -> AsyncIterator[str]:
    """Starlette closes this when the client goes away, which stops the model."""
    async for told in Pumped(events, None):
        name, content = ("error", problem_content(told)) if isinstance(told, WorkbenchError) else event(told)
        yield f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"


class Pumped(Generic[EventT]):
    """Events read in one thread of their own, so that spans and clean-up stay together; stopped when nobody reads."""

    def __init__(self, events: AnswerUnderWay[EventT], gone: Callable[[], Any] | None) -> None:
        self._events = events
        self._gone = gone
        self._queue: SimpleQueue[EventT | WorkbenchError | None] = SimpleQueue()

    async def __aiter__(self) -> AsyncIterator[EventT | WorkbenchError]:
        context = copy_context()
        Thread(target=context.run, args=(self._pump,), daemon=True, name="answer").start()
        try:
            while True:
                try:
                    told = self._queue.get_nowait()
                except Empty:
                    if self._gone is not None and await self._gone():
                        return
                    await asyncio.sleep(_POLL_S)
                    continue
                if told is None:
                    return
                yield told
        finally:
            self._events.stop()

    def _pump(self) -> None:
        try:
            for told in self._events:
                self._queue.put(told)
        except WorkbenchError as error:
            self._queue.put(error)
        except Exception as error:  # noqa: BLE001 - the boundary of a thread: whoever waits must be told
            self._queue.put(WorkbenchError(f"Something unexpected went wrong ({type(error).__name__})."))
        finally:
            self._queue.put(None)
