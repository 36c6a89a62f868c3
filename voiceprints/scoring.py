"""Pure numpy on embeddings: shape (D,), float32, L2-normalised unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio.results import Embedding


def normalised(vector: Embedding) -> Embedding:
    """Raises ValueError for a vector without direction, which could be compared with nothing."""
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("an embedding needs a finite, non-zero length")
    return (vector / length).astype(np.float32)


def voiceprint_of(embeddings: Sequence[Embedding]) -> Embedding:
    """The normalised mean of a speaker's utterance embeddings of one model."""
    return normalised(np.mean(np.stack(embeddings), axis=0))


def cosine(one: Embedding, other: Embedding) -> float:
    return float(np.dot(normalised(one), normalised(other)))
