"""Two models side by side as a person reads them: figures in per cent, and the histograms of their scores drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from voiceprints.side_by_side import Histogram, Report, Side

WIDTH, HEIGHT = 480, 200
"""Of the drawing's plane, in its own units."""
TICK_STEP = 0.2

WARNINGS = {
    "few_targets": _("There are few pairs of recordings of one speaker: let speakers say more."),
    "few_impostors": _("There are few pairs of recordings of two speakers."),
    "few_speakers": _("There are few speakers."),
}


@dataclass(frozen=True)
class Tick:
    x: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """Outlines of both kinds, each as its share of the pairs of the kind, on one scale for both models."""

    targets: str
    impostors: str
    threshold_x: str
    ticks: list[Tick]


@dataclass(frozen=True)
class SideInWords:
    """Rates in per cent; `drawing` with the threshold at the tenant's rate."""

    model: str
    eer: float
    eer_interval: tuple[float, float]
    threshold: float
    frr: float
    frr_interval: tuple[float, float]
    drawing: Drawing


@dataclass(frozen=True)
class Comparison:
    report: Report
    far_percent: float
    warnings: list[str]
    sides: list[SideInWords]


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


def comparison_of(report: Report) -> Comparison:
    scale = _scale([side.histogram for side in report.sides]) if report.sides else None
    return Comparison(
        report=report,
        far_percent=100 * report.far,
        warnings=[str(WARNINGS[name]) for name in report.warnings],
        sides=[_side(side, scale) for side in report.sides] if scale else [],
    )


def _scale(histograms: Sequence[Histogram]) -> Scale:
    shares = [share for one in histograms for counts in (one.targets, one.impostors) for share in _shares(counts)]
    return Scale(min(one.edges[0] for one in histograms), max(one.edges[-1] for one in histograms), max(shares))


def _side(side: Side, scale: Scale) -> SideInWords:
    point = side.at_far.point
    return SideInWords(
        model=side.model,
        eer=100 * side.eer,
        eer_interval=_percent(side.eer_interval),
        threshold=side.at_far.point.threshold,
        frr=100 * point.frr,
        frr_interval=_percent(side.at_far.frr_interval),
        drawing=_drawing(side, scale),
    )


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return 100 * low, 100 * high


def _drawing(side: Side, scale: Scale) -> Drawing:
    edges, histogram = side.histogram.edges, side.histogram
    threshold = min(max(side.at_far.point.threshold, scale.lowest), scale.highest)
    return Drawing(
        targets=_outline(edges, _shares(histogram.targets), scale),
        impostors=_outline(edges, _shares(histogram.impostors), scale),
        threshold_x=scale.x(threshold),
        ticks=_ticks(scale),
    )


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _outline(edges: Sequence[float], shares: Sequence[float], scale: Scale) -> str:
    """The steps of a histogram as the path of an SVG, closed along the bottom."""
    steps = [f"V{scale.y(share)}H{scale.x(right)}" for share, right in zip(shares, edges[1:], strict=True)]
    return f"M{scale.x(edges[0])},{HEIGHT}{''.join(steps)}V{HEIGHT}Z"


def _ticks(scale: Scale) -> list[Tick]:
    first, last = round(scale.lowest / TICK_STEP + 0.499), int(scale.highest / TICK_STEP)
    return [Tick(scale.x(number * TICK_STEP), f"{number * TICK_STEP:.1f}") for number in range(first, last + 1)]
