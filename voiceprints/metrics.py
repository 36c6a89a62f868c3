"""What Prometheus is told of measuring recordings and of scores, to see drift by. No voice, and nobody's name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Histogram

from audio.errors import AudioError
from tenants.metrics import REGISTRY, SECONDS
from voiceprints.errors import AnalysisTimedOut, EngineFailed, EngineUnreachable, ModelUnusable, TooBusy

COSINES: Final = tuple(step / 20 for step in range(21))

ANALYSIS_SECONDS: Final = Histogram(
    "openvpr_analysis_seconds",
    "How long whoever sent a recording waited for its figures, by queue and by how it ended.",
    ("queue", "result"),
    buckets=SECONDS,
    registry=REGISTRY,
)
SCORES: Final = Histogram(
    "openvpr_score",
    "Cosines by model: of verifications, of comparisons, and of the best candidate of identifications.",
    ("model", "operation"),
    buckets=COSINES,
    registry=REGISTRY,
)
RESULTS: Final = (
    (AudioError, "refused"),
    (TooBusy, "busy"),
    (AnalysisTimedOut, "late"),
    ((EngineFailed, EngineUnreachable, ModelUnusable), "failed"),
)
# What the request was refused for while its recording was measured.
GIVEN_UP: Final = "given up"


@contextmanager
def analysis(queue: str) -> Iterator[None]:
    """Counts the recording that is measured in here."""
    began, result = time.monotonic(), "measured"
    try:
        yield
    except Exception as error:
        result = next((word for kinds, word in RESULTS if isinstance(error, kinds)), GIVEN_UP)
        raise
    finally:
        ANALYSIS_SECONDS.labels(queue, result).observe(time.monotonic() - began)


def scored(model: str, operation: str, score: float) -> None:
    SCORES.labels(model, operation).observe(score)
