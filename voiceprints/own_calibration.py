"""Calibrating a model on what a tenant's own speakers said, for that tenant alone.

It is the tenant's: nobody else decides by it, or sees where it comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.utils.translation import gettext_noop

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import calibration as calibrating
from voiceprints.calibration import Calibration, Fit, Provenance, Quality, Trials
from voiceprints.decisions import calibration_in_force, calibration_of, has_own_calibration, store_own_calibration
from voiceprints.errors import CalibratedAlready, CalibrationNoBetter, GenerationNotFound, TooFewPairs
from voiceprints.evaluation import MeasuredPoint, points_at
from voiceprints.models import EmbeddingModel
from voiceprints.own_recordings import MOST_LIBRARIES, THOROUGH, Chosen, Pairs, choose, libraries_of, pairs_of
from voiceprints.own_trials import trials_of

LEAST_TARGETS: Final = 100
LEAST_IMPOSTORS: Final = 1000
LEAST_SPEAKERS: Final = 20


@dataclass(frozen=True)
class Standing:
    """What a calibration makes of the tenant's pairs, at its false accept rate.

    `threshold` is for the median of the seconds of speech on both sides.
    """

    quality: Quality
    threshold: float
    at_far: MeasuredPoint


@dataclass(frozen=True)
class Recalibration:
    """`held_out`: what the new weights are worth on speakers that they were not learned from."""

    calibration: Calibration
    provenance: Provenance
    far: float
    seconds: float
    before: Standing
    after: Standing
    held_out: Quality | None


def calibrate(tenant: Tenant, model: str, *, replace: bool = False, accept_worse: bool = False) -> Recalibration:
    """Stored, and in force for the tenant from now on.

    Raises GenerationNotFound, CalibratedAlready, TooFewPairs, CalibrationRefused; and CalibrationNoBetter where
    speakers held out are told apart no better than by the installation's, unless that is accepted.
    """
    if model not in tenant.models:
        raise GenerationNotFound(model=model)
    if not replace and has_own_calibration(tenant, model):
        raise CalibratedAlready(model=model)
    with acting_as(tenant):
        chosen = choose(tenant, [model], libraries_of(tenant, model)[:MOST_LIBRARIES], THOROUGH)
        pairs = pairs_of(chosen)
        _refuse_few(chosen, pairs)
        trials = trials_of(tenant, model, chosen, pairs)
    before = calibration_of(tenant, model)
    fit = calibrating.fit(trials)
    provenance = _provenance(model, chosen, pairs, trials, fit)
    after = Calibration(model, fit.weights, fit.points, provenance)
    if not accept_worse:
        _refuse_no_better(calibration_in_force(model), after, trials)
    store_own_calibration(tenant, after)
    far, seconds = tenant.false_accept_rate, chosen.median_seconds
    return Recalibration(
        calibration=after,
        provenance=provenance,
        far=far,
        seconds=seconds,
        before=_standing(before, trials, far, seconds),
        after=_standing(after, trials, far, seconds),
        held_out=after.held_out,
    )


def _refuse_few(chosen: Chosen, pairs: Pairs) -> None:
    """Raises TooFewPairs."""
    figures = pairs.targets, pairs.impostors, chosen.speaker_count
    least = LEAST_TARGETS, LEAST_IMPOSTORS, LEAST_SPEAKERS
    if any(figure < wanted for figure, wanted in zip(figures, least, strict=True)):
        targets, impostors, speakers = figures
        raise TooFewPairs(targets=targets, impostors=impostors, speakers=speakers, least=least)


def _refuse_no_better(others: Calibration, own: Calibration, trials: Trials) -> None:
    """Raises CalibrationNoBetter. The installation's was learned from other speakers, and so are those held out."""
    with_others = calibrating.quality(trials.scored(trials.llrs(others.weights))).cllr
    if own.held_out and own.held_out.cllr >= with_others:
        raise CalibrationNoBetter(model=others.model, cllr=own.held_out.cllr, installations_cllr=with_others)


def _standing(calibration: Calibration, trials: Trials, far: float, seconds: float) -> Standing:
    llrs = trials.scored(trials.llrs(calibration.weights))
    (at_far,) = points_at(llrs, [calibration.llr_at(far)])
    return Standing(calibrating.quality(llrs), calibration.threshold(far, seconds, seconds), at_far)


def _provenance(model: str, chosen: Chosen, pairs: Pairs, trials: Trials, fit: Fit) -> Provenance:
    return Provenance(
        data=gettext_noop("own recordings"),
        trials=gettext_noop("pairs of them"),
        trials_sha256=_digest(chosen, pairs),
        failed=0,
        speakers=chosen.speaker_count,
        date=datetime.now(UTC).date().isoformat(),
        version=settings.VERSION,
        weights_sha256=EmbeddingModel.objects.get(pk=model).sha256,
        **calibrating.figures_of(fit, trials),
    )


def _digest(chosen: Chosen, pairs: Pairs) -> str:
    """Of the list of the pairs, a line each, with the ids of utterances for names."""
    return hashlib.sha256("".join(_lines(chosen, pairs)).encode()).hexdigest()


def _lines(chosen: Chosen, pairs: Pairs) -> Iterator[str]:
    for same, (one, other) in zip(pairs.same.tolist(), chosen.numbers[pairs.rows].tolist(), strict=True):
        yield f"{same:d} {one} {other}\n"
