"""Spans by OpenTelemetry's SDK: imported only where traces are configured."""

import hashlib

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tapelight.app.tracing import Attributes

SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Given(IdGenerator):
    """Give the ids that were set."""

    trace = 1
    span = 1

    def generate_trace_id(self) -> int:
        """Return the trace's."""
        return self.trace

    def generate_span_id(self) -> int:
        """Return the span's."""
        return self.span


class OtelSpans:
    """Hand spans to the SDK, which sends them on a thread of its own."""

    def __init__(self, exporter: SpanExporter, sample: float, role: str) -> None:
        self._ids = Given()
        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(sample),
            resource=Resource.create({"service.name": f"tapelight-{role}"}),
            id_generator=self._ids,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tapelight")

    def add(
        self, trace: str, name: str, parent: str, begin_ns: int, end_ns: int, more: Attributes
    ) -> None:
        """Add a span under ids that every process finds; its shown name is the first word."""
        ids, context = self._ids, Context()
        ids.trace, ids.span = trace_id(trace), span_id(trace, name)
        if parent:
            above = SpanContext(
                ids.trace, span_id(trace, parent), is_remote=True, trace_flags=SAMPLED
            )
            context = set_span_in_context(NonRecordingSpan(above), context)
        span = self._tracer.start_span(
            name.partition(" ")[0], context, attributes=dict(more),
            start_time=min(begin_ns, end_ns),
        )  # fmt: skip
        span.end(end_ns)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def exporter(url: str) -> SpanExporter:
    """Return what sends spans by OTLP over HTTP."""
    return OTLPSpanExporter(endpoint=url)


def trace_id(signal: str) -> int:
    """Return the trace's id of a signal's."""
    return _hash(signal, 16)


def span_id(signal: str, name: str) -> int:
    """Return the id of the span of a name in a signal's trace."""
    return _hash(f"{signal} {name}", 8)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest()) or 1
