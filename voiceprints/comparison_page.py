"""Two models side by side as a person reads them: figures in per cent, and the histograms of their scores drawn."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from voiceprints.histograms import Drawing, Scale, drawing_of, scale_of
from voiceprints.side_by_side import Report, Side

WARNINGS = {
    "few_targets": _("There are few pairs of recordings of one speaker: let speakers say more."),
    "few_impostors": _("There are few pairs of recordings of two speakers."),
    "few_speakers": _("There are few speakers."),
}


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


def comparison_of(report: Report) -> Comparison:
    scale = scale_of([side.histogram for side in report.sides]) if report.sides else None
    return Comparison(
        report=report,
        far_percent=100 * report.far,
        warnings=[str(WARNINGS[name]) for name in report.warnings],
        sides=[_side(side, scale) for side in report.sides] if scale else [],
    )


def _side(side: Side, scale: Scale) -> SideInWords:
    point = side.at_far.point
    return SideInWords(
        model=side.model,
        eer=100 * side.eer,
        eer_interval=_percent(side.eer_interval),
        threshold=side.at_far.point.threshold,
        frr=100 * point.frr,
        frr_interval=_percent(side.at_far.frr_interval),
        drawing=drawing_of(side.histogram, point.threshold, scale),
    )


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return 100 * low, 100 * high
