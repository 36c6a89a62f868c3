"""Spans of OpenTelemetry: what took how long, across processes. Who collects none pays next to nothing for them.

Like the log, they tell nothing that anybody said: no address, no text of an error, no value of a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Of whatever provider there is in the end; the usual way would load one that a variable names, or fail.
TRACER = trace.ProxyTracerProvider().get_tracer("openvpr")
HEADERS = TraceContextTextMapPropagator()
"""Of W3C Trace Context, in requests and in messages to workers."""
TRACEPARENT = "traceparent"
"""The one of them that holds nothing but numbers; a `tracestate` is the caller's own words, and not passed on."""


@contextmanager
def spanned(
    name: str, kind: SpanKind = SpanKind.INTERNAL, *, caller: Mapping[str, str] | None = None
) -> Iterator[Span]:
    """What is done in here, as a part of what surrounds it, or of what a `caller` says in its headers, if it does."""
    parent = None if caller is None else HEADERS.extract({TRACEPARENT: caller.get(TRACEPARENT, "")})
    with TRACER.start_as_current_span(
        name, parent, kind, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


@contextmanager
def part_of_nothing() -> Iterator[None]:
    """What is done in here was asked for by others than what surrounds it."""
    token = context.attach(context.Context())
    try:
        yield
    finally:
        context.detach(token)


def carried() -> dict[str, str]:
    """The headers that tell another process of what it does a part."""
    headers: dict[str, str] = {}
    HEADERS.inject(headers)
    return headers


def trace_id() -> str:
    """As collectors write it; empty outside every span."""
    its = trace.get_current_span().get_span_context()
    return trace.format_trace_id(its.trace_id) if its.is_valid else ""
