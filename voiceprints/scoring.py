"""Pure numpy on embeddings: shape (D,), float32, L2-normalised unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio.results import Embedding

Vector = Embedding | Sequence[float]
Figures = NDArray[np.float64]

# A cohort of one recording, or of the same one many times, has no spread to divide by.
LEAST_SPREAD = 1e-6


def normalised(vector: Vector) -> Embedding:
    """Raises ValueError for a vector without direction, which could be compared with nothing."""
    direction = np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(direction))
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("an embedding needs a finite, non-zero length")
    return direction / length


def voiceprint_of(embeddings: Sequence[Vector]) -> Embedding:
    """The normalised mean of a speaker's utterance embeddings of one model."""
    return normalised(np.mean(np.stack(embeddings), axis=0))


def calibrated(score: float, threshold: float) -> float:
    """A cosine as a figure in [0, 1] that means the same for every model: 0.5 is where its threshold lies.

    Strictly monotone in the cosine, so no decision and no order changes.
    """
    if score < threshold:
        return 0.5 * (score + 1) / (threshold + 1)
    return min(1.0, 0.5 + 0.5 * (score - threshold) / (1 - threshold))


def cosine_at(calibrated: float, threshold: float) -> float:
    """The inverse of `calibrated`: what another model, whose threshold this is, would have called as alike."""
    if calibrated < 0.5:
        return 2 * calibrated * (threshold + 1) - 1
    return threshold + (2 * calibrated - 1) * (1 - threshold)


def cohort_statistics(embeddings: Embedding, cohort: Embedding, nearest: int) -> tuple[Figures, Figures]:
    """Mean and standard deviation of each embedding's cosines with those of the cohort that lie nearest to it.

    `embeddings` has shape (n, D), `cohort` (m, D), both answers (n,).
    """
    cosines = embeddings.astype(np.float64) @ cohort.T.astype(np.float64)
    top = np.partition(cosines, -min(nearest, len(cohort)), axis=1)[:, -nearest:]
    return top.mean(axis=1), np.maximum(top.std(axis=1), LEAST_SPREAD)


def as_norm(scores: Figures, enrolled: tuple[Figures, Figures], test: tuple[Figures, Figures]) -> Figures:
    """Adaptive symmetric score normalisation (Matějka et al., 2017): how far a score lies above what strangers get.

    `enrolled` and `test`: the cohort statistics of both sides of each score.
    """
    return ((scores - enrolled[0]) / enrolled[1] + (scores - test[0]) / test[1]) / 2


def cosine(one: Vector, other: Vector) -> float:
    """In [-1, 1], also where the rounding of single precision would go beyond."""
    return float(np.clip(np.dot(normalised(one), normalised(other)), -1.0, 1.0))
