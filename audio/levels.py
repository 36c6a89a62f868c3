"""Loudness in decibels relative to digital full scale (a constant 1.0 is 0 dBFS)."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio.results import Samples, Waveform

SILENCE_DBFS: Final = -120.0


def level_dbfs(samples: Samples) -> float:
    """Root mean square level, never below SILENCE_DBFS."""
    return decibels(float(samples @ samples) / len(samples)) if len(samples) else SILENCE_DBFS


def decibels(power: float) -> float:
    return max(SILENCE_DBFS, 10 * float(np.log10(max(power, 1e-12))))


def raised_to(target_dbfs: float, waveform: Waveform, max_gain_db: float) -> Waveform:
    """Louder if below the target, never quieter."""
    missing_db = target_dbfs - level_dbfs(waveform.samples)
    return amplified(waveform, min(missing_db, max_gain_db)) if missing_db > 0 else waveform


def amplified(waveform: Waveform, gain_db: float) -> Waveform:
    return Waveform(waveform.samples * np.float32(10 ** (gain_db / 20)), waveform.sample_rate)
