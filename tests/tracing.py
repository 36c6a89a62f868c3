"""The spans of what happens in this process, as a collector would get them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tenants import tracing


@pytest.fixture
def traced(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[ReadableSpan, ...]]]:
    """What has ended so far. To be asked for before the first request."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "TRACER", provider.get_tracer("openvpr"))
    after = settings.MIDDLEWARE.index("whitenoise.middleware.WhiteNoiseMiddleware") + 1
    middleware = settings.MIDDLEWARE
    settings.MIDDLEWARE = [*middleware[:after], "config.tracing.TracingMiddleware", *middleware[after:]]
    yield exporter.get_finished_spans
    provider.shutdown()
