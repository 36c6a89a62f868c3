"""Speaker encoders: a waveform in, a direction in the space of voices out."""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol

import numpy as np
import onnxruntime

from audio.catalogue import GE2E, SpeakerModel, find_model
from audio.onnx import load_session
from audio.results import Embedding, Waveform
from audio.windows import mel_windows

WINDOWS_PER_RUN: Final = 8


class SpeakerEncoder(Protocol):
    """Embeddings of different encoders live in different spaces and are never compared."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, waveform: Waveform) -> Embedding:
        """L2-normalised, float32, shape (dimension,)."""


class Ge2eEncoder:
    """Generalized end-to-end loss encoder (Wan et al., 2018): the mean of the embeddings of 1.6 s windows."""

    def __init__(self, model: SpeakerModel) -> None:
        self.name = model.name
        self.dimension = model.dimension
        self._session: onnxruntime.InferenceSession = load_session(model.path, model.sha256)

    def embed(self, waveform: Waveform) -> Embedding:
        windows = mel_windows(waveform.samples)
        runs = [windows[start : start + WINDOWS_PER_RUN] for start in range(0, len(windows), WINDOWS_PER_RUN)]
        partial = [self._session.run(["embeddings"], {"mels": run})[0] for run in runs]
        return _unit_length(np.concatenate(partial).mean(axis=0))


ENCODER_CLASSES: Final = {GE2E.name: Ge2eEncoder}


@cache
def load_encoder(name: str) -> SpeakerEncoder:
    """One encoder per process and name, loaded on first use. Raises UnknownModel, WeightsChanged."""
    model = find_model(name)
    return ENCODER_CLASSES[model.name](model)


def _unit_length(vector: Embedding) -> Embedding:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
