"""How long requests took, counted in fixed steps, so that days and processes add up to one distribution."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BOUNDS_MS: Final = (5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000)
"""The most milliseconds of each step. They stay as they are: days are stored by them."""
STEPS: Final = len(BOUNDS_MS) + 1
"""The last is of whatever took longer."""


def step_of(milliseconds: float) -> int:
    return bisect_left(BOUNDS_MS, milliseconds)


def percentile_ms(counts: Sequence[int], percent: float) -> float | None:
    """Within its step as if all there took evenly long; None of nothing, and the last bound for what took longer."""
    wanted = percent / 100 * sum(counts)
    if not wanted:
        return None
    passed, low = 0, 0
    for count, high in zip(counts, BOUNDS_MS, strict=False):
        if passed + count >= wanted:
            return low + (high - low) * (wanted - passed) / count
        passed, low = passed + count, high
    return float(BOUNDS_MS[-1])
