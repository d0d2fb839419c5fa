"""Spans reach a collector where one is named, and tell nothing of anybody."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from workbench.domain.errors import UnreadableImage
from workbench.domain.trace import LocalTracer, span, trace_id, tracing
from workbench.telemetry.spans import OpenTelemetryTracer, build_tracer


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield OpenTelemetryTracer(provider, LocalTracer())
    provider.shutdown()


def test_spans_nest_under_one_trace_whose_id_stands_in_errors(tracer, exporter):
    with tracing(tracer, "request", method="POST"), span("read"), span("convert"):
        told = trace_id()
    convert, read, request = exporter.get_finished_spans()
    assert [each.name for each in (request, read, convert)] == ["request", "read", "convert"]
    assert convert.parent.span_id == read.context.span_id
    assert read.parent.span_id == request.context.span_id
    assert {f"{each.context.trace_id:032x}" for each in (request, read, convert)} == {told}


def test_a_failed_span_tells_the_kind_of_error_and_not_its_words(tracer, exporter):
    with pytest.raises(UnreadableImage), tracing(tracer, "request"), span("read"):
        raise UnreadableImage("DOE^JANE is not a CT.")
    for each in exporter.get_finished_spans():
        assert each.status.status_code is StatusCode.ERROR
        assert each.attributes["error.type"] == "UnreadableImage"
        assert "DOE" not in each.to_json()


def test_without_an_endpoint_nothing_is_sent_and_ids_are_local():
    local = LocalTracer()
    tracer, end = build_tracer("", version="1", local=local)
    assert tracer is local
    end()


def test_an_endpoint_without_the_extra_is_told_and_the_workbench_runs_on(monkeypatch, caplog):
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    local = LocalTracer()
    with caplog.at_level(logging.WARNING):
        tracer, _ = build_tracer("http://127.0.0.1:4318", version="1", local=local)
    assert tracer is local
    assert "extra" in caplog.text


def test_a_collector_receives_the_spans_and_no_name_of_this_machine_or_user():
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        tracer, end = build_tracer(f"http://127.0.0.1:{server.server_port}/", version="9.9", local=LocalTracer())
        with tracing(tracer, "request"), span("measure"):
            pass
        end()
        server.shutdown()
        thread.join(10)
    (path, body), *_ = received
    assert path == "/v1/traces"
    sent = ExportTraceServiceRequest.FromString(body)
    (resource,) = sent.resource_spans
    assert {each.key for each in resource.resource.attributes} == {"service.name", "service.version"}
    assert {each.name for scope in resource.scope_spans for each in scope.spans} == {"request", "measure"}
