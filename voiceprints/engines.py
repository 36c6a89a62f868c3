"""From the name of a model to the encoder that embeds with it. No database is asked, and no model loaded until used.

Processes that know no Django app import this to measure lists of recordings, so it must not lead to tables.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audio.encoders import SpeakerEncoder, open_encoder
from audio.onnx import Execution
from audio.store import ENCODERS_KEPT, ModelStore


def encoder(name: str) -> SpeakerEncoder:
    """Loaded on first use, and again when other weights were installed. Raises ModelError."""
    store = ModelStore(settings.MODELS)
    card = store.find(name)
    return _loaded(card.engine, card.name, store.weights_of(name), card.sha256, execution())


@lru_cache(ENCODERS_KEPT)
def _loaded(engine: str, name: str, path: Path, sha256: str, execution: Execution) -> SpeakerEncoder:
    return open_encoder(engine, name, path, sha256, execution)


def execution() -> Execution:
    return Execution(tuple(settings.ONNX_PROVIDERS), settings.ONNX_THREADS)
