"""Cutting a long spectrogram into the windows a GE2E encoder was trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.features import HOP_SAMPLES, MEL_BANDS, ge2e_mels
from audio.results import SAMPLE_RATE, Samples

WINDOW_FRAMES: Final = 160
WINDOWS_PER_SECOND: Final = 1.3
STEP_FRAMES: Final = round(SAMPLE_RATE / WINDOWS_PER_SECOND / HOP_SAMPLES)
# A last window of which less than this is sound, the rest padding, says little.
MIN_COVERAGE: Final = 0.75
# About a minute: beyond it more windows cost time and no longer move the mean.
MAX_WINDOWS: Final = 80


def mel_windows(samples: Samples) -> NDArray[np.float32]:
    """Shape (windows, 160, 40); the windows of a very long recording are picked evenly from all of it."""
    starts = _window_starts(len(samples))
    missing = (starts[-1] + WINDOW_FRAMES) * HOP_SAMPLES - len(samples)
    mels = ge2e_mels(np.pad(samples, (0, max(0, missing))))
    return mels[starts[:, None] + np.arange(WINDOW_FRAMES)].reshape(-1, WINDOW_FRAMES, MEL_BANDS)


def _window_starts(count: int) -> NDArray[np.intp]:
    frames = count // HOP_SAMPLES + 1
    starts = np.arange(0, max(1, frames - WINDOW_FRAMES + STEP_FRAMES + 1), STEP_FRAMES)
    covered = (count / HOP_SAMPLES - starts[-1]) / WINDOW_FRAMES
    if covered < MIN_COVERAGE and len(starts) > 1:
        starts = starts[:-1]
    picked = np.linspace(0, len(starts) - 1, min(len(starts), MAX_WINDOWS)).round().astype(int)
    return starts[picked]
