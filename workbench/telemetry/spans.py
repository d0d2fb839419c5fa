"""Spans sent to an OpenTelemetry collector, where the extra `tracing` is installed and an endpoint is set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from workbench.domain.trace import LocalTracer, Tracer

_LOG = logging.getLogger(__name__)


def build_tracer(endpoint: str, *, version: str, local: LocalTracer) -> tuple[Tracer, Callable[[], None]]:
    """The tracer and what ends it: spans to `endpoint` (OTLP over HTTP), or `local` where that cannot be.

    `endpoint` is a collector's base URL such as `http://localhost:4318`; empty means that nothing is sent.
    """
    if not endpoint:
        return local, lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        _LOG.warning("IMAGING_OTLP_ENDPOINT is set and nothing is traced: install the extra `tracing`.")
        return local, lambda: None
    # The resource is written by hand: its detectors would add the host's and the user's names.
    resource = Resource(attributes={"service.name": "imaging-workbench", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    return OpenTelemetryTracer(provider, local), provider.shutdown


class OpenTelemetryTracer:
    """Spans of an OpenTelemetry provider. A failed one carries the error's kind, never its text."""

    def __init__(self, provider: Any, local: LocalTracer) -> None:
        self._tracer = provider.get_tracer("workbench")
        self._local = local

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str]) -> Iterator[str | None]:
        """A span under the one that is open here."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

        with self._tracer.start_as_current_span(
            name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as made:
            try:
                yield f"{made.get_span_context().trace_id:032x}"
            except BaseException as error:  # a span tells every end, then lets it pass
                made.set_attribute("error.type", type(error).__name__)
                made.set_status(Status(StatusCode.ERROR))
                raise

    def new_id(self) -> str:
        """Only asked where a span had no id."""
        return self._local.new_id()
