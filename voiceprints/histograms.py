"""Histograms of scores, drawn as the paths of an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voiceprints.side_by_side import Histogram

WIDTH, HEIGHT = 480, 200
"""Of the drawing's plane, in its own units."""
TICK_STEP: Final = 0.2


@dataclass(frozen=True)
class Tick:
    x: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """Outlines of both kinds, each as its share of the pairs of the kind, on a scale that several may share."""

    targets: str
    impostors: str
    threshold_x: str
    ticks: list[Tick]


@dataclass(frozen=True)
class Scale:
    """From scores and shares to places: x grows to the right, y downwards."""

    lowest: float
    highest: float
    most: float

    def x(self, score: float) -> str:
        return f"{WIDTH * (score - self.lowest) / (self.highest - self.lowest):.1f}"

    def y(self, share: float) -> str:
        return f"{HEIGHT * (1 - share / self.most):.1f}"


def scale_of(histograms: Sequence[Histogram]) -> Scale:
    shares = [share for one in histograms for counts in (one.targets, one.impostors) for share in _shares(counts)]
    return Scale(min(one.edges[0] for one in histograms), max(one.edges[-1] for one in histograms), max(shares))


def drawing_of(histogram: Histogram, threshold: float, scale: Scale) -> Drawing:
    return Drawing(
        targets=_outline(histogram.edges, _shares(histogram.targets), scale),
        impostors=_outline(histogram.edges, _shares(histogram.impostors), scale),
        threshold_x=scale.x(min(max(threshold, scale.lowest), scale.highest)),
        ticks=_ticks(scale),
    )


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _outline(edges: Sequence[float], shares: Sequence[float], scale: Scale) -> str:
    """The steps of a histogram, closed along the bottom."""
    steps = [f"V{scale.y(share)}H{scale.x(right)}" for share, right in zip(shares, edges[1:], strict=True)]
    return f"M{scale.x(edges[0])},{HEIGHT}{''.join(steps)}V{HEIGHT}Z"


def _ticks(scale: Scale) -> list[Tick]:
    first, last = round(scale.lowest / TICK_STEP + 0.499), int(scale.highest / TICK_STEP)
    return [Tick(scale.x(number * TICK_STEP), f"{number * TICK_STEP:.1f}") for number in range(first, last + 1)]
