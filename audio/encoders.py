"""Speaker encoders: a waveform in, a direction in the space of voices out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime

from audio.catalogue import find_model
from audio.errors import UnusableModel
from audio.fbank import FBANK_BANDS, Window, fbank, without_channel
from audio.onnx import ONE_CORE, Execution, first_line, load_session
from audio.results import SAMPLE_RATE, Embedding, Samples, Waveform
from audio.windows import mel_windows

WINDOWS_PER_RUN: Final = 8

# A convolution's intermediate results are as long as the recording: ResNet34 takes 90 MB beside its weights for 20 s,
# and would take 920 MB for 300 s.
PIECE_SECONDS: Final = 20
PIECE_SAMPLES: Final = PIECE_SECONDS * SAMPLE_RATE
# Networks that halve the time axis three times and then ask for a deviation need more than a few frames.
SHORTEST_SAMPLES: Final = SAMPLE_RATE * 3 // 10


class SpeakerEncoder(Protocol):
    """Embeddings of different encoders live in different spaces and are never compared."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def heard_level_dbfs(self) -> float | None:
        """The loudness of speech that it wants to be brought to; None for one that wants the recording as it is."""

    def embed(self, waveform: Waveform) -> Embedding:
        """L2-normalised, float32, shape (dimension,)."""


class Ge2eEncoder:
    """Generalized end-to-end loss encoder (Wan et al., 2018): the mean of the embeddings of 1.6 s windows."""

    # It hears power without a logarithm, and so takes loudness for a trait of the voice.
    heard_level_dbfs: Final[float | None] = -27.0
    dimension: Final = 256

    def __init__(self, name: str, path: Path, sha256: str, execution: Execution = ONE_CORE) -> None:
        self.name = name
        self._session: onnxruntime.InferenceSession = load_session(path, sha256, execution)

    def embed(self, waveform: Waveform) -> Embedding:
        windows = mel_windows(waveform.samples)
        runs = [windows[start : start + WINDOWS_PER_RUN] for start in range(0, len(windows), WINDOWS_PER_RUN)]
        partial = [self._session.run(["embeddings"], {"mels": run})[0] for run in runs]
        return _unit_length(np.concatenate(partial).mean(axis=0))


class WespeakerEncoder:
    """Any runtime model of WeSpeaker: Kaldi filterbanks of shape (1, frames, 80) in, an embedding (1, D) out.

    The names of its input and output, and D, are what its file says. Of more than PIECE_SECONDS, equal pieces are
    embedded, and the mean of their unit embeddings is the answer; what is too short for a network is repeated.

    Raises WeightsChanged, ProviderUnavailable, and UnusableModel for a file with another input or output.
    """

    heard_level_dbfs: Final[float | None] = None
    window: Window = "hamming"

    def __init__(self, name: str, path: Path, sha256: str, execution: Execution = ONE_CORE) -> None:
        self.name = name
        self._path = path
        self._session: onnxruntime.InferenceSession = load_session(path, sha256, execution)
        self._input = _filterbank_input(path, self._session.get_inputs())
        self._output = _embedding_output(path, self._session.get_outputs())
        self.dimension = len(self._embedding_of(_test_sound()))

    def embed(self, waveform: Waveform) -> Embedding:
        pieces = np.array_split(waveform.samples, max(1, -(-len(waveform.samples) // PIECE_SAMPLES)))
        return _unit_length(np.mean([self._embedding_of(piece) for piece in pieces], axis=0))

    def _embedding_of(self, samples: Samples) -> Embedding:
        heard = samples if len(samples) >= SHORTEST_SAMPLES else np.resize(samples, SHORTEST_SAMPLES)
        frames = without_channel(fbank(heard, self.window))[np.newaxis]
        try:
            embedding = np.ravel(self._session.run([self._output], {self._input: frames})[0])
        except Exception as error:  # noqa: BLE001 - the runtime's exceptions have no common class of their own
            raise UnusableModel(f"{self._path} does not run: {first_line(error)}") from None
        if not np.isfinite(embedding).all() or not embedding.any():
            raise UnusableModel(f"{self._path} gives an embedding without direction for {len(heard)} samples")
        return _unit_length(embedding)


class PoveyEncoder(WespeakerEncoder):
    """Those that were trained on Kaldi's own window, as the toolkit's `campplus` and `eres2net` were."""

    window: Window = "povey"


Opener = Callable[[str, Path, str, Execution], SpeakerEncoder]
ENGINES: Final[dict[str, Opener]] = {
    "ge2e": Ge2eEncoder,
    "wespeaker": WespeakerEncoder,
    "wespeaker-povey": PoveyEncoder,
}


def open_encoder(engine: str, name: str, path: Path, sha256: str, execution: Execution = ONE_CORE) -> SpeakerEncoder:
    """Raises ModelError."""
    if engine not in ENGINES:
        raise UnusableModel(f"{path} is for an engine {engine!r} that is unknown here; there are {', '.join(ENGINES)}")
    return ENGINES[engine](name, path, sha256, execution)


@cache
def load_encoder(name: str) -> SpeakerEncoder:
    """A bundled one, once per process and name, loaded on first use. Raises UnknownModel, WeightsChanged."""
    model = find_model(name)
    return open_encoder(model.name, model.name, model.path, model.sha256)


def _filterbank_input(path: Path, inputs: list[Any]) -> str:
    shapes = [one.shape for one in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 3 or inputs[0].type != "tensor(float)":
        raise UnusableModel(f"{path} is no WeSpeaker runtime model: not one input of floats in 3 axes, but {shapes}")
    frames, bands = shapes[0][1:]
    if bands != FBANK_BANDS:
        raise UnusableModel(f"{path} wants {bands} bands in place of {FBANK_BANDS}")
    if isinstance(frames, int):
        raise UnusableModel(f"{path} wants {frames} frames each time; export it with a dynamic second axis")
    return str(inputs[0].name)


def _embedding_output(path: Path, outputs: list[Any]) -> str:
    """`embs`, as WeSpeaker exports, or the only one."""
    names = [str(one.name) for one in outputs]
    if "embs" not in names and len(names) != 1:
        raise UnusableModel(f"{path} is no WeSpeaker runtime model: its outputs are {', '.join(names)}")
    return "embs" if "embs" in names else names[0]


def _test_sound() -> Samples:
    return (0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)


def _unit_length(vector: Embedding) -> Embedding:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
