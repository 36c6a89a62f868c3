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


def raised_to(target_dbfs: float, samples: Samples, max_gain_db: float) -> Samples:
    """Louder if below the target, never quieter."""
    return samples * _factor(min(max(0, target_dbfs - level_dbfs(samples)), max_gain_db))


def amplified(waveform: Waveform, gain_db: float) -> Waveform:
    return Waveform(waveform.samples * _factor(gain_db), waveform.sample_rate)


def _factor(gain_db: float) -> np.float32:
    return np.float32(10 ** (gain_db / 20))
