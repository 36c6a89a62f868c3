"""How alike the embeddings of two forms of a model are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SECOND: Final = 100

Features = NDArray[np.float32]
Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Over recordings of several lengths; `difference` is the largest length of a difference, as a share of the
    embedding's own.
    """

    lengths: int
    lowest_cosine: float
    at_seconds: float
    difference: float
    dimension: int

    def __str__(self) -> str:
        return (
            f"lowest cosine {self.lowest_cosine:.7f} (of {self.at_seconds:.1f} s), "
            f"largest difference {self.difference:.2g}, over {self.lengths} lengths"
        )


def compared(pairs: Iterable[tuple[Features, Embeddings, Embeddings]]) -> Parity:
    """Of (features (B, T, 80), embeddings (B, D), embeddings of the other form)."""
    figures = [(*_differences(one, other), features.shape[1], one.shape[1]) for features, one, other in pairs]
    lowest_cosine, _, frames, dimension = min(figures)
    return Parity(
        lengths=len(figures),
        lowest_cosine=lowest_cosine,
        at_seconds=frames / FRAMES_PER_SECOND,
        difference=max(difference for _, difference, _, _ in figures),
        dimension=dimension,
    )


def _differences(ones: Embeddings, others: Embeddings) -> tuple[float, float]:
    """The lowest cosine, and the largest length of a difference."""
    ones, others = ones.astype(np.float64), others.astype(np.float64)
    lengths = np.linalg.norm(ones, axis=1)
    cosines = (ones * others).sum(axis=1) / lengths / np.linalg.norm(others, axis=1)
    return float(cosines.min()), float((np.linalg.norm(ones - others, axis=1) / lengths).max())
