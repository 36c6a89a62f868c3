"""Mel power spectrograms as the GE2E encoder was trained on, in plain numpy.

Equal, to float32 rounding, to `librosa.feature.melspectrogram(y, sr=16000, n_fft=400, hop_length=160, n_mels=40)`:
periodic Hann window, frames centred with zero padding, power spectrum, Slaney mel scale with area normalisation,
no logarithm.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.results import SAMPLE_RATE, Samples

WINDOW_SAMPLES: Final = SAMPLE_RATE * 25 // 1000
HOP_SAMPLES: Final = SAMPLE_RATE * 10 // 1000
MEL_BANDS: Final = 40
# Spectra are 16 times the size of the samples they come from: few at a time keep memory and caches small.
FRAMES_PER_BLOCK: Final = 256

# Slaney's scale (Auditory Toolbox, 1998): linear up to 1 kHz, then 27 bands for each factor of 6.4.
LINEAR_HZ_PER_MEL: Final = 200 / 3
LOG_BEGINS_HZ: Final = 1000.0
LOG_BEGINS_MEL: Final = LOG_BEGINS_HZ / LINEAR_HZ_PER_MEL
LOG_STEP: Final = math.log(6.4) / 27

Mels = NDArray[np.float32]


def ge2e_mels(samples: Samples) -> Mels:
    """Mel power of shape (1 + n // 160, 40), one row per 10 ms."""
    padded = np.pad(samples, WINDOW_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    blocks = (frames[start : start + FRAMES_PER_BLOCK] for start in range(0, len(frames), FRAMES_PER_BLOCK))
    return np.concatenate([_mel_power(block) for block in blocks])


def _mel_power(frames: NDArray[np.float32]) -> Mels:
    spectrum = np.fft.rfft(frames * _hann_window(), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mels: Mels = power @ mel_filterbank().T
    return mels


@cache
def _hann_window() -> NDArray[np.float32]:
    phase = 2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@cache
def mel_filterbank() -> NDArray[np.float32]:
    """Triangles of unit area, shape (40, 201): mel band × frequency bin."""
    bins_hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE)
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(SAMPLE_RATE / 2), MEL_BANDS + 2))
    lower, centre, upper = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    triangles = np.minimum((bins_hz - lower) / (centre - lower), (upper - bins_hz) / (upper - centre))
    return (np.maximum(triangles, 0) * 2 / (upper - lower)).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    """For frequencies above 1 kHz."""
    return LOG_BEGINS_MEL + math.log(hz / LOG_BEGINS_HZ) / LOG_STEP


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = LOG_BEGINS_HZ * np.exp(LOG_STEP * (mels - LOG_BEGINS_MEL))
    return np.where(mels < LOG_BEGINS_MEL, mels * LINEAR_HZ_PER_MEL, logarithmic)
