"""One id for a request and all it does, its threads included."""

from __future__ import annotations

import contextvars
import threading
from contextlib import contextmanager

from workbench.domain.trace import LocalTracer, span, trace_id, tracing


class Listing:
    """A tracer that lists the spans it was given, with their depth."""

    def __init__(self):
        self.spans = []
        self.depth = 0

    @contextmanager
    def span(self, name, attributes):
        self.spans.append((self.depth, name, dict(attributes)))
        self.depth += 1
        try:
            yield "0" * 31 + "7"
        finally:
            self.depth -= 1

    def new_id(self):
        raise AssertionError("the tracer gave an id already")


def test_outside_a_trace_there_is_no_id_and_spans_cost_nothing():
    with span("read"):
        assert trace_id() is None


def test_an_id_is_drawn_when_first_asked_for_and_stays():
    drawn = iter(["a" * 32, "b" * 32])
    tracer = LocalTracer(lambda: next(drawn))
    with tracing(tracer, "request"):
        pass
    with tracing(tracer, "request") as trace:
        assert trace_id() == trace.id == "a" * 32
        assert trace_id() == "a" * 32
    with tracing(tracer, "request") as other:
        assert other.id == "b" * 32
    assert trace_id() is None


def test_a_trace_within_a_trace_is_a_span_of_it():
    tracer = Listing()
    with tracing(tracer, "request") as outer, tracing(LocalTracer(), "job read", kind="read") as inner, span("parse"):
        assert inner.id == outer.id == "0" * 31 + "7"
    assert tracer.spans == [(0, "request", {}), (1, "job read", {"kind": "read"}), (2, "parse", {})]


def test_a_thread_given_the_context_keeps_the_id():
    seen = []
    with tracing(LocalTracer(), "request") as trace:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: seen.append(trace_id()),))
        thread.start()
        thread.join()
    assert seen == [trace.id]


def test_an_id_is_32_hexadecimal_digits_and_never_the_same():
    ids = {LocalTracer().new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)
