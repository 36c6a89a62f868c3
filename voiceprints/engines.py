"""From the name of a model to the encoder that a worker embeds with."""

from __future__ import annotations

from audio.encoders import SpeakerEncoder, load_encoder


def encoder(name: str) -> SpeakerEncoder:
    """Loaded on first use. Raises UnknownModel, WeightsChanged."""
    return load_encoder(name)
