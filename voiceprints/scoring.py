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


def cosine(one: Vector, other: Vector) -> float:
    return float(np.dot(normalised(one), normalised(other)))
