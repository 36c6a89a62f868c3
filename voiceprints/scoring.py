"""Pure numpy on embeddings: shape (D,), float32, L2-normalised unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio.results import Embedding

Vector = Embedding | Sequence[float]


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


def cosine(one: Vector, other: Vector) -> float:
    return float(np.dot(normalised(one), normalised(other)))
