"""Sounds for tests: the sample voices, synthetic noises, and any container that FFmpeg can write."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from audio.decode import decode
from audio.results import SAMPLE_RATE, Samples

SAMPLES: Final = Path(__file__).parents[2] / "voiceprints" / "samples"
VOICES: Final = sorted(folder.name for folder in SAMPLES.iterdir() if (folder / "1.opus").exists())


def sample(voice: str, number: int = 1) -> bytes:
    return (SAMPLES / voice / f"{number}.opus").read_bytes()


def spoken(voice: str = "susan", number: int = 1) -> Samples:
    return decode(sample(voice, number)).samples


def noise(seconds: float, level: float = 0.1) -> Samples:
    generator = np.random.default_rng(1)
    return (level * generator.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3, rate: int = SAMPLE_RATE) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(
    channels: NDArray[np.float32],
    container: str = "wav",
    codec: str = "pcm_s16le",
    rate: int = SAMPLE_RATE,
    layout: str | None = None,
) -> bytes:
    """A media file of samples of shape (n,) or (channels, n)."""
    planes = np.atleast_2d(channels)
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(planes)]
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return _written([frame], container, codec, rate, layout)


def converted(
    content: bytes,
    container: str = "wav",
    codec: str = "pcm_s16le",
    rate: int = SAMPLE_RATE,
    layout: str = "mono",
) -> bytes:
    """A media file out of another."""
    with av.open(io.BytesIO(content)) as source:
        return _written(source.decode(audio=0), container, codec, rate, layout)


def _written(frames: Iterable[AudioFrame], container: str, codec: str, rate: int, layout: str) -> bytes:
    output = io.BytesIO()
    with av.open(output, "w", format=container, options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        resampler = AudioResampler(stream.format, layout, rate, stream.frame_size or None)
        for frame in [*frames, None]:
            for resampled in resampler.resample(frame):
                file.mux(stream.encode(resampled))
        file.mux(stream.encode(None))
    return output.getvalue()


def silent_film() -> bytes:
    """Matroska with one black picture and no sound."""
    output = io.BytesIO()
    with av.open(output, "w", format="matroska") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for packet in [*stream.encode(VideoFrame(16, 16, "yuv420p")), *stream.encode(None)]:
            file.mux(packet)
    return output.getvalue()


def pcm(samples: Samples, byte_order: str = "<") -> bytes:
    return np.rint(samples * 32767).astype(f"{byte_order}i2").tobytes()


def correlation(one: Samples, other: Samples) -> float:
    shorter = min(len(one), len(other))
    return float(np.corrcoef(one[:shorter], other[:shorter])[0, 1])


def resampled(samples: Samples, rate: int) -> Samples:
    return np.asarray(soxr.resample(samples, SAMPLE_RATE, rate), np.float32)
