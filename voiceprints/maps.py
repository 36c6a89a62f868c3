"""A library seen from above: its voiceprints on a plane, who of them is almost another, and who is unlike the rest.

Pure numpy on voiceprints of one model, shape (n, D), L2-normalised. The same voiceprints make the same map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio.results import Embedding
from voiceprints.calibration import EXTREME_THRESHOLD, speech_feature
from voiceprints.decisions import Decision
from voiceprints.results import Scored
from voiceprints.scoring import Figures

BLOCK = 256
# Among fewer, nobody can be said to be unlike the rest.
FEWEST_FOR_OUTLIERS = 10
# Deviations, as of a normal distribution, by the median and the median absolute deviation (Iglewicz and Hoaglin, 1993).
OUTLYING_DEVIATIONS = 3.5
MAD_OF_NORMAL = 0.6745


@dataclass(frozen=True)
class Pair(Scored):
    """Two voiceprints that count as of one speaker, by their places."""

    one: int
    other: int


def on_a_plane(voiceprints: Embedding) -> tuple[Figures, float]:
    """The two principal components, shape (n, 2), and which share of the variance they hold.

    The sign of a component is such that its largest weight is positive.
    """
    centred = voiceprints.astype(np.float64) - voiceprints.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    plane = directions[:, :-3:-1]
    largest = np.take_along_axis(plane, np.abs(plane).argmax(axis=0)[None], axis=0)
    total = float(variances.sum())
    share = float(variances[:-3:-1].sum() / total) if total > 0 else 1.0
    return centred @ (plane * np.where(largest < 0, -1.0, 1.0)), min(1.0, share)


def near_duplicates(voiceprints: Embedding, seconds: list[float], decision: Decision) -> list[Pair]:
    """The pairs at or above their threshold, nearest first; `seconds`: of speech behind each."""
    features = np.array([speech_feature(one) for one in seconds])
    found: list[Pair] = []
    for begin in range(0, len(voiceprints), BLOCK):
        bars = [decision.bar(one) for one in seconds[begin : begin + BLOCK]]
        bases, slopes = (np.array([getattr(bar, name) for bar in bars]) for name in ("base", "per_log_second"))
        cosines = np.clip(voiceprints[begin : begin + BLOCK] @ voiceprints.T, -1, 1)
        thresholds = (bases[:, None] + slopes[:, None] * features).clip(-EXTREME_THRESHOLD, EXTREME_THRESHOLD)
        for row, other in zip(*np.nonzero(cosines >= thresholds), strict=True):
            if other > begin + row:
                pair = Pair(float(cosines[row, other]), float(thresholds[row, other]), int(begin + row), int(other))
                found.append(pair)
    return sorted(found, key=lambda pair: (-pair.calibrated, pair.one, pair.other))


def outliers(voiceprints: Embedding) -> list[int]:
    """The places of those whose cosines with the others are low beside everybody else's, the most unlike first."""
    count = len(voiceprints)
    if count < FEWEST_FOR_OUTLIERS:
        return []
    mean_cosines: NDArray[np.float64] = (voiceprints @ voiceprints.sum(axis=0, dtype=np.float64) - 1) / (count - 1)
    below = np.median(mean_cosines) - mean_cosines
    spread = float(np.median(np.abs(below)))
    if spread == 0.0:
        return []
    far = np.flatnonzero(MAD_OF_NORMAL * below / spread > OUTLYING_DEVIATIONS)
    return sorted(far.tolist(), key=lambda place: -below[place])
