"""A recording to look at: how far it swings, and how loud it is at which frequencies, over time."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio.decode import decode
from audio.results import Picture, Samples

COLUMNS: Final = 600
BANDS: Final = 64
FRAME_SAMPLES: Final = 512
SPAN_DB: Final = 70.0
SILENCE: Final = 1e-9


def drawn(content: bytes) -> Picture:
    """Raises what `decode` raises."""
    samples = decode(content).samples
    edges = np.linspace(0, len(samples), COLUMNS + 1).astype(np.int64)
    lows, highs = (extreme.reduceat(samples, edges[:-1]) for extreme in (np.minimum, np.maximum))
    peak = max(float(np.abs(samples).max()), SILENCE)
    return Picture(_as_bytes(lows / peak, np.int8), _as_bytes(highs / peak, np.int8), BANDS, _levels(samples, edges))


def _levels(samples: Samples, edges: np.ndarray) -> bytes:
    """Of each column, from frames all over it, the highest band first."""
    begins, widths = edges[:-1], np.diff(edges)
    count = -(-int(widths.max()) // FRAME_SAMPLES)
    padded = np.pad(samples, FRAME_SAMPLES // 2)
    power = sum(_power(padded, begins + (widths * (2 * n + 1)) // (2 * count)) for n in range(count)) / count
    decibels = 10 * np.log10(power + SILENCE)
    shares = np.clip((decibels - decibels.max()) / SPAN_DB + 1, 0, 1)
    return _as_bytes(shares.T[::-1], np.uint8)


def _power(padded: Samples, middles: np.ndarray) -> np.ndarray:
    """Of the frames around these samples, shape (columns, BANDS)."""
    frames = padded[middles[:, None] + np.arange(FRAME_SAMPLES)] * np.hanning(FRAME_SAMPLES).astype(np.float32)
    spectrum = np.square(np.abs(np.fft.rfft(frames, axis=1)[:, :-1]))
    power: np.ndarray = spectrum.reshape(len(middles), BANDS, -1).mean(axis=2)
    return power


def _as_bytes(shares: np.ndarray, kind: type[np.integer]) -> bytes:
    return bytes(np.rint(shares * np.iinfo(kind).max).astype(kind))
