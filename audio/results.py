"""What the audio library hands out: plain values, importable without a decoder or a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.2
MAX_SECONDS = 300.0

NOISY_BELOW_SNR_DB = 15.0
LOW_LEVEL_BELOW_DBFS = -50.0
CLIPPED_ABOVE_RATIO = 0.01
DROPOUTS_ABOVE_RATIO = 0.02

Samples = NDArray[np.float32]
Embedding = NDArray[np.float32]
Overlong = Literal["cut", "refuse"]


@dataclass(frozen=True)
class Waveform:
    """Mono samples, nominally in [-1, 1], shape (n,)."""

    samples: Samples
    sample_rate: int = SAMPLE_RATE

    @property
    def duration_seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class RawPcm:
    """The layout of headerless PCM, which only the sender can know."""

    sample_rate: int = SAMPLE_RATE
    channels: int = 1
    big_endian: bool = False


@dataclass(frozen=True)
class RecordingForm:
    """What a recording must be like to be taken; None or nothing stands for whatever we can read.

    `containers` are FFmpeg's names, such as "wav"; headerless PCM has none and is not asked. `sample_bits` asks for
    linear PCM of so many bits. What is longer than `max_seconds` is cut there or refused.
    """

    containers: tuple[str, ...] = ()
    sample_rate: int | None = None
    channels: int | None = None
    sample_bits: int | None = None
    min_seconds: float = MIN_SECONDS
    max_seconds: float = MAX_SECONDS
    overlong: Overlong = "cut"


ANY_FORM = RecordingForm()


@dataclass(frozen=True)
class SpeechQuality:
    """Figures of one recording. Levels are relative to digital full scale; the ratios are shares of the speech."""

    duration_seconds: float
    speech_seconds: float
    snr_db: float
    level_dbfs: float
    clipped_ratio: float
    dropout_ratio: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which of `noisy`, `low_level`, `clipped`, `dropouts` make a comparison with this recording less sure."""
        findings = {
            "noisy": self.snr_db < NOISY_BELOW_SNR_DB,
            "low_level": self.level_dbfs < LOW_LEVEL_BELOW_DBFS,
            "clipped": self.clipped_ratio > CLIPPED_ABOVE_RATIO,
            "dropouts": self.dropout_ratio > DROPOUTS_ABOVE_RATIO,
        }
        return tuple(name for name, found in findings.items() if found)

    def as_dict(self) -> dict[str, float]:
        return dict(vars(self))


@dataclass(frozen=True)
class Analysis:
    """One measured recording.

    `embeddings` are L2-normalised, of shape (D,), by the names of the models that made them, in the order in which
    they were asked for; `flac` is the 16 kHz mono copy to keep, or empty; `source_digest` is the SHA-256 of the
    recording as it came, in hex. What was embedded was `denoised`, or `trimmed` of long pauses.
    """

    embeddings: Mapping[str, Embedding]
    quality: SpeechQuality
    flac: bytes
    source_digest: str
    denoised: bool = False
    trimmed: bool = True

    @property
    def model(self) -> str:
        """The first that was asked for."""
        return next(iter(self.embeddings))

    @property
    def embedding(self) -> Embedding:
        return self.embeddings[self.model]

    def by(self, models: Iterable[str]) -> Analysis:
        """The same, embedded with these alone, in their order. Raises KeyError for one that was not asked for."""
        return replace(self, embeddings={model: self.embeddings[model] for model in models})

    def to_wire(self) -> dict[str, Any]:
        """A message of plain types and bytes; `from_wire` reads it back."""
        return {
            "embeddings": {name: one.astype("<f4").tobytes() for name, one in self.embeddings.items()},
            "quality": self.quality.as_dict(),
            "flac": self.flac,
            "source_digest": self.source_digest,
            "denoised": self.denoised,
            "trimmed": self.trimmed,
        }

    @classmethod
    def from_wire(cls, message: dict[str, Any]) -> Analysis:
        read = {
            "embeddings": {name: np.frombuffer(one, "<f4") for name, one in message["embeddings"].items()},
            "quality": SpeechQuality(**message["quality"]),
        }
        return cls(**message | read)


@dataclass(frozen=True)
class Picture:
    """What a recording looks like, in columns of equal time.

    `lows` and `highs`: how far it swings in each column, int8, where 127 is its peak. `levels`: how loud it is in each
    of the `bands` from 8 kHz down to 0, uint8 of shape (bands, columns), where 255 is the loudest, 0 lies 70 dB below.
    """

    lows: bytes
    highs: bytes
    bands: int
    levels: bytes
