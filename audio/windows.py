"""Cutting a long spectrogram into the windows a GE2E encoder was trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.features import HOP_SAMPLES, ge2e_mels
from audio.results import Samples

WINDOW_FRAMES: Final = 160
# Three quarters of overlap rather than the original half: measured, it lowers the error rate of short recordings.
STEP_FRAMES: Final = WINDOW_FRAMES // 4
# A last window of which less than this is sound, the rest padding, says little.
MIN_COVERAGE: Final = 0.75
# Of a longer recording more windows cost time and hardly move the mean.
MAX_WINDOWS: Final = 48


def mel_windows(samples: Samples, step_frames: int = STEP_FRAMES) -> NDArray[np.float32]:
    """Shape (windows, 160, 40); the windows of a very long recording are picked evenly from all of it."""
    starts = _window_starts(len(samples), step_frames)
    missing = (starts[-1] + WINDOW_FRAMES) * HOP_SAMPLES - len(samples)
    mels = ge2e_mels(np.pad(samples, (0, max(0, missing))))
    windows: NDArray[np.float32] = mels[starts[:, None] + np.arange(WINDOW_FRAMES)]
    return windows


def _window_starts(count: int, step_frames: int) -> NDArray[np.intp]:
    frames = count // HOP_SAMPLES + 1
    starts = np.arange(0, max(1, frames - WINDOW_FRAMES + step_frames + 1), step_frames)
    covered = (count / HOP_SAMPLES - starts[-1]) / WINDOW_FRAMES
    if covered < MIN_COVERAGE and len(starts) > 1:
        starts = starts[:-1]
    picked = np.linspace(0, len(starts) - 1, min(len(starts), MAX_WINDOWS)).round()
    chosen: NDArray[np.intp] = starts[picked.astype(np.intp)]
    return chosen
