"""One id for everything that a request or job does, and the spans it is made of.

The id stands in error boxes, in the log and in the run log, so that what a person reads can be found there. It is
made here, never taken from a caller, and holds nothing about anybody.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Tracer(Protocol):
    """Where spans go. `span` gives the id of the trace that the span belongs to, None where it has none to give."""

    def span(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[str | None]:
        """A span around a piece of work. Attributes are words of this program, never what a person gave."""

    def new_id(self) -> str:
        """An id for a trace that has none yet: 32 hexadecimal digits."""


class LocalTracer:
    """Keeps no spans; only the ids that tie an error to its log line."""

    def __init__(self, draw: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._draw = draw

    def span(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[str | None]:
        """Nothing is kept."""
        return nullcontext()

    def new_id(self) -> str:
        """Drawn at random; a test run draws from a seed."""
        return self._draw()


class Trace:
    """What one request or job does. Its id is drawn when somebody first asks for it."""

    def __init__(self, tracer: Tracer, known_id: str | None) -> None:
        self.tracer = tracer
        self._id = known_id
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """32 hexadecimal digits, the same from the first time on."""
        with self._lock:
            if self._id is None:
                self._id = self.tracer.new_id()
            return self._id


_CURRENT: ContextVar[Trace | None] = ContextVar("workbench_trace", default=None)


@contextmanager
def tracing(tracer: Tracer, name: str, **attributes: str) -> Iterator[Trace]:
    """Trace what happens inside; within another trace it is a span of that one."""
    outer = _CURRENT.get()
    with (outer.tracer if outer else tracer).span(name, attributes) as known_id:
        trace = outer or Trace(tracer, known_id)
        token = _CURRENT.set(trace)
        try:
            yield trace
        finally:
            _CURRENT.reset(token)


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """A named part of the trace under way; nothing where none is."""
    trace = _CURRENT.get()
    if trace is None:
        yield
        return
    with trace.tracer.span(name, attributes):
        yield


def trace_id() -> str | None:
    """The id of the trace under way."""
    trace = _CURRENT.get()
    return trace.id if trace else None
