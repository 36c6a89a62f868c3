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


@dataclass(frozen=True)
class NearDuplicates:
    """`places`: of everybody who is in one of the pairs; `nearest`: some of them, nearest first."""

    count: int
    places: list[int]
    nearest: list[Pair]


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


def near_duplicates(voiceprints: Embedding, seconds: list[float], decision: Decision, most: int) -> NearDuplicates:
    """All pairs at or above their threshold are counted; `seconds`: of speech behind each."""
    features = np.array([speech_feature(one) for one in seconds])
    bars = [decision.bar(one) for one in seconds]
    bases, slopes = (np.array([getattr(bar, name) for bar in bars]) for name in ("base", "per_log_second"))
    lowest = _thresholds(bases, slopes, np.where(slopes > 0, features.min(), features.max()))
    everybody = np.arange(len(voiceprints))
    count, doubled, nearest = 0, np.zeros(len(voiceprints), bool), list[Pair]()
    for block in np.split(everybody, range(BLOCK, len(voiceprints), BLOCK)):
        # Of each pair once: whoever comes before has been held against these already.
        rest = everybody[block[0] :]
        cosines = np.clip(voiceprints[block] @ voiceprints[rest].T, -1, 1)
        # Most pairs are below any threshold, which is soon seen.
        near = np.nonzero((cosines >= lowest[block, None]) & (rest > block[:, None]))
        ones, others, cosines = block[near[0]], rest[near[1]], cosines[near]
        thresholds = _thresholds(bases[ones], slopes[ones], features[others])
        found = cosines >= thresholds
        ones, others = ones[found], others[found]
        count += len(ones)
        doubled[ones] = doubled[others] = True
        nearest += _nearest(cosines[found], thresholds[found], ones, others, most)
    return NearDuplicates(count, np.flatnonzero(doubled).tolist(), sorted(nearest, key=_nearness)[:most])


def _thresholds(bases: Figures, slopes: Figures, features: Figures) -> Figures:
    return (bases + slopes * features).clip(-EXTREME_THRESHOLD, EXTREME_THRESHOLD)


def _nearest(
    cosines: Embedding, thresholds: Figures, ones: NDArray[np.intp], others: NDArray[np.intp], most: int
) -> list[Pair]:
    """In the order of `calibrated`, without a Pair for each of what may be millions."""
    far = (thresholds - cosines) / (1 - thresholds)
    chosen = np.flatnonzero(far <= np.partition(far, most - 1)[most - 1]) if len(far) > most else np.arange(len(far))
    order = chosen[np.argsort(far[chosen], kind="stable")[:most]]
    columns = (cosines, thresholds, ones, others)
    return [Pair(*row) for row in zip(*(column[order].tolist() for column in columns), strict=True)]


def _nearness(pair: Pair) -> tuple[float, int, int]:
    return -pair.calibrated, pair.one, pair.other


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
