"""What the console's page about thresholds says: what each false accept rate would cost, in words and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from django.utils.formats import localize
from django.utils.translation import gettext as _

from tenants.models import Tenant
from voiceprints.calibration import Calibration
from voiceprints.decisions import calibration_of, has_own_calibration
from voiceprints.evaluation import MeasuredPoint, det_curve, points_at
from voiceprints.histograms import Drawing, Scale, drawing_of, scale_of
from voiceprints.models import Library
from voiceprints.own_trials import OwnTrials, own_trials
from voiceprints.side_by_side import Histogram, histogram_of
from voiceprints.threshold_words import excess, let_in, shortfall, turned_away, turned_away_elsewhere, wanted

STEPS: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
LOWEST, HIGHEST = 0.0001, 0.2
RATES: Final = tuple(
    round(step * decade, 6) for decade in (1e-4, 1e-3, 1e-2, 1e-1) for step in STEPS if step * decade <= HIGHEST
)
"""Where the slider stops, from strict to lax."""

DET_SIZE: Final = 380
DET_SHOWN: Final = (0.0005, 0.6)
DET_TICKS: Final = (0.001, 0.01, 0.05, 0.2, 0.5)
DET_POINTS: Final = 200


@dataclass(frozen=True)
class Step:
    """One false accept rate: what it means, and what it would have done on the tenant's own recordings."""

    far: float
    threshold: float
    measured: MeasuredPoint | None
    calibrated_frr: float | None

    @property
    def wanted(self) -> str:
        return wanted(self.far)

    @property
    def let_in(self) -> str:
        return let_in(self.measured, self.far)

    @property
    def turned_away(self) -> str:
        return turned_away(self.measured) if self.measured else turned_away_elsewhere(self.calibrated_frr)

    @property
    def excess(self) -> str:
        """That more got in than is wanted; "" where that may be chance."""
        return excess(self.measured, self.far)

    @property
    def shortfall(self) -> str:
        """That fewer got in; "" where that may be chance."""
        return shortfall(self.measured, self.far)

    @property
    def sentences(self) -> list[str]:
        """What is wanted, and beside it what was measured."""
        said = [self.wanted, self.let_in, self.turned_away, self.excess, self.shortfall]
        return [sentence for sentence in said if sentence]

    def words(self) -> dict[str, str]:
        """What a script changes on the page when the slider moves."""
        return {
            "value": f"{self.far:g}",
            "rate": percent(self.far),
            "threshold": figure(self.threshold),
            "spread": _(
                "How the scores of pairs of one speaker and of two speakers are spread; "
                "the dashed line is the threshold %(threshold)s."
            )
            % {"threshold": figure(self.threshold)},
            "wanted": self.wanted,
            "let_in": self.let_in,
            "turned_away": self.turned_away,
            "excess": self.excess,
            "shortfall": self.shortfall,
        }


@dataclass(frozen=True)
class Tick:
    place: str
    label: str


@dataclass(frozen=True)
class Det:
    """The DET curve in a square: false accepts to the right, false rejects upwards, both on normal deviates."""

    path: str
    ticks: list[Tick]
    """To the right."""
    rows: list[Tick]
    """Upwards."""
    size: int = DET_SIZE


@dataclass(frozen=True)
class ThresholdPage:
    """`steps` are the slider's; `chosen` is the number of the one that is shown; `now` is in force.

    `own_calibration`: the tenant's, learned from pairs like those that are shown.
    """

    tenant: Tenant
    library: Library | None
    calibration: Calibration
    own_calibration: bool
    own: OwnTrials
    steps: list[Step]
    chosen: int
    now: Step

    @property
    def step(self) -> Step:
        return self.steps[self.chosen]

    @property
    def side(self) -> dict[str, Any]:
        """As the drawing of a histogram names it."""
        return {"model": self.calibration.model, "threshold": self.step.threshold}

    @property
    def calibrating(self) -> str:
        """The command that learns from the tenant's own recordings."""
        again = " --replace" if self.own_calibration else ""
        return f"tenant_model --tenant {self.tenant.slug} calibrate{again}"

    @property
    def far_percent(self) -> str:
        return percent(self.tenant.false_accept_rate)

    @property
    def shown(self) -> dict[str, str]:
        return self.step.words()

    @cached_property
    def histogram(self) -> Histogram | None:
        return histogram_of(self.own.trials) if self.own.trials else None

    @cached_property
    def scale(self) -> Scale | None:
        return scale_of([self.histogram]) if self.histogram else None

    @property
    def drawing(self) -> Drawing | None:
        return drawing_of(self.histogram, self.step.threshold, self.scale) if self.histogram and self.scale else None

    @cached_property
    def det(self) -> Det | None:
        return _det(self.own) if self.own.trials else None

    @property
    def places(self) -> list[dict[str, Any]]:
        """Of every step: its words, and where it lies in both drawings."""
        return [step.words() | self._place(step) for step in self.steps]

    @property
    def place(self) -> dict[str, str]:
        return self._place(self.step)

    @property
    def provenance_rows(self) -> list[tuple[str, str]]:
        known = self.calibration.provenance
        if known is None:
            return []
        trials = _("%(targets)s of one speaker, %(impostors)s of two") % {
            "targets": localize(known.targets),
            "impostors": localize(known.impostors),
        }
        said = [(_("Recordings"), known.data), (_("Pairs"), trials), (_("Learned"), known.date)]
        return [*said, (_("Equal error rate"), percent(known.eer)), (_("List"), known.trials)]

    @property
    def few(self) -> list[str]:
        """Why the figures say little."""
        trials = self.own.trials
        if trials is None:
            return []
        findings = {
            _("There are few pairs of recordings of one speaker: let speakers say more."): trials.targets < 100,
            _("There are few pairs of recordings of two speakers."): trials.impostors < 1000,
            _("There are few speakers."): self.own.speakers < 20,
        }
        return [words for words, found in findings.items() if found]

    def _place(self, step: Step) -> dict[str, str]:
        if not (self.scale and step.measured):
            return {}
        line = min(max(step.threshold, self.scale.lowest), self.scale.highest)
        point = step.measured.point
        return {"line": f"M{self.scale.x(line)},0V200", "x": _det_x(point.far), "y": _det_y(point.frr)}


def threshold_page(tenant: Tenant, *, library: Library | None, chosen: int | None) -> ThresholdPage:
    calibration = calibration_of(tenant, tenant.model)
    own = own_trials(tenant, calibration, library)
    *steps, now = _steps(calibration, own, [*RATES, tenant.false_accept_rate])
    nearest = min(range(len(RATES)), key=lambda number: abs(np.log(RATES[number] / tenant.false_accept_rate)))
    place = nearest if chosen is None else min(max(chosen, 0), len(RATES) - 1)
    own_calibration = has_own_calibration(tenant, tenant.model)
    return ThresholdPage(tenant, library, calibration, own_calibration, own, steps, place, now)


def step_at(tenant: Tenant, far: float) -> tuple[Step, Step]:
    """What is in force, and what a rate would be, on all that the tenant has."""
    calibration = calibration_of(tenant, tenant.model)
    now, then = _steps(calibration, own_trials(tenant, calibration), [tenant.false_accept_rate, far])
    return now, then


def _steps(calibration: Calibration, own: OwnTrials, rates: Sequence[float]) -> list[Step]:
    thresholds = [calibration.threshold(far, own.seconds, own.seconds) for far in rates]
    measured: Sequence[MeasuredPoint | None] = [None] * len(rates)
    if own.trials:
        measured = points_at(own.trials, thresholds)
    return [
        Step(far, threshold, point, calibration.frr_at(far))
        for far, threshold, point in zip(rates, thresholds, measured, strict=True)
    ]


def percent(rate: float) -> str:
    return _("%s %%") % figure(100 * rate, 2)


def figure(value: float, digits: int = 3) -> str:
    """Without a point that nothing follows."""
    rounded = round(value, digits)
    return str(localize(int(rounded) if rounded == int(rounded) else rounded))


def _det(own: OwnTrials) -> Det | None:
    if own.trials is None:
        return None
    curve = det_curve(own.trials)
    few = np.unique(np.linspace(0, len(curve.far) - 1, DET_POINTS).astype(int))
    points = [f"{_det_x(curve.far[one])},{_det_y(curve.frr[one])}" for one in few]
    columns, rows = ([Tick(place(rate), f"{100 * rate:g}") for rate in DET_TICKS] for place in (_det_x, _det_y))
    return Det(f"M{'L'.join(points)}", columns, rows)


def _det_x(rate: float) -> str:
    return f"{DET_SIZE * _part(rate):.1f}"


def _det_y(rate: float) -> str:
    return f"{DET_SIZE * (1 - _part(rate)):.1f}"


def _part(rate: float) -> float:
    """Of the axis, from 0 to 1; what is off it lies at its end."""
    low, high, at = (NormalDist().inv_cdf(one) for one in (*DET_SHOWN, min(max(rate, DET_SHOWN[0]), DET_SHOWN[1])))
    return (at - low) / (high - low)
