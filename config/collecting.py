"""Where spans go: to a collector that speaks OTLP over HTTP. Loaded by processes that send any, and by no other."""

from __future__ import annotations

import threading
from typing import Final

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

PATH: Final = "/v1/traces"
SENDING_SECONDS: Final = 5.0
LAST_SECONDS: Final = 2.0
"""So long a process that ends tries to send the rest: nobody's stop waits for a collector that is away."""


def begin(process: str) -> None:
    """Raises whatever the SDK, or what its variables load into it, does not take of them."""
    resource = Resource.create({"service.namespace": "openvpr", "service.name": f"openvpr-{process}"})
    # The SDK's own default lets whoever sends a request say that it is not to be seen.
    sampler = None if settings.TRACES_SAMPLER else ALWAYS_ON
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{settings.TRACES_TO}{PATH}", timeout=SENDING_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def end() -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_SECONDS)
