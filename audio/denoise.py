"""Noise reduction by RNNoise (J.-M. Valin, 2018; BSD), a small recurrent network that tells voice from noise."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from audio.results import Samples, Waveform

# The network knows one sample rate, one frame length, and samples on the scale of 16-bit integers.
NETWORK_SAMPLE_RATE: Final = 48_000
FRAME_SAMPLES: Final = 480
FULL_SCALE: Final = np.float32(2**15)
# Overlapping windows hold back one frame, the look-ahead of the network another.
DELAY_SAMPLES: Final = 2 * FRAME_SAMPLES


class DenoiserMissing(Exception):
    """The distribution `pyrnnoise`, which carries the compiled library, is not installed."""


def denoised(waveform: Waveform) -> Waveform:
    """The same recording, of the same length, with less noise. Raises DenoiserMissing."""
    faster = soxr.resample(waveform.samples, waveform.sample_rate, NETWORK_SAMPLE_RATE)
    cleaned = soxr.resample(_cleaned(faster), NETWORK_SAMPLE_RATE, waveform.sample_rate)
    return Waveform(cleaned[: len(waveform.samples)], waveform.sample_rate)


def _cleaned(samples: Samples) -> Samples:
    frames = _frames(samples)
    process = _library().rnnoise_process_frame
    with _state() as state:
        for frame in frames:
            address = frame.ctypes.data
            process(state, address, address)
    return frames.reshape(-1)[DELAY_SAMPLES:] / FULL_SCALE


def _frames(samples: Samples) -> NDArray[np.float32]:
    """Whole frames, shape (n, 480), with room at the end for what comes out late."""
    padding = DELAY_SAMPLES + -len(samples) % FRAME_SAMPLES
    return np.pad(samples * FULL_SCALE, (0, padding)).reshape(-1, FRAME_SAMPLES)


@contextmanager
def _state() -> Iterator[int]:
    state = _library().rnnoise_create(None)
    try:
        yield state
    finally:
        _library().rnnoise_destroy(state)


@cache
def _library() -> ctypes.CDLL:
    """The compiled library alone: importing the package around it would load plotting and web clients."""
    package = find_spec("pyrnnoise")
    if package is None or package.origin is None:
        raise DenoiserMissing("pip install pyrnnoise")
    library = ctypes.CDLL(str(Path(package.origin).with_name("librnnoise.so")))
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_destroy.restype = None
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.rnnoise_process_frame.restype = ctypes.c_float
    return library
