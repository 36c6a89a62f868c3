"""A tenant's own recordings as trials: what a calibration makes of pairs of one speaker and of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.calibration import Calibration, Trials, speech_feature
from voiceprints.evaluation import ClassMissing, ScoredTrials
from voiceprints.models import Library
from voiceprints.own_recordings import (
    MOST_LIBRARIES,
    QUICK,
    Chosen,
    Pairs,
    choose,
    cosines_of,
    embeddings_of,
    libraries_of,
    pairs_of,
)


@dataclass(frozen=True)
class OwnTrials:
    """Scored by the evidence, written as the cosine that amounts to it with `seconds` of speech on both sides.

    So one threshold holds for all of them. `seconds` is what half of the utterances have at least. `trials` is None
    where one kind of pairs is missing. Of `libraries` so many were asked as `libraries_heard` says.
    """

    trials: ScoredTrials | None
    seconds: float
    speakers: int
    utterances: int
    libraries: int
    libraries_heard: int


def own_trials(tenant: Tenant, calibration: Calibration, library: Library | None = None) -> OwnTrials:
    """Of what the calibration's model heard of the tenant, or of one library of it."""
    with acting_as(tenant):
        libraries = [library.pk] if library else libraries_of(tenant, calibration.model)
        asked = libraries[:MOST_LIBRARIES]
        chosen = choose(tenant, [calibration.model], asked, QUICK)
        trials = trials_of(tenant, calibration.model, chosen, pairs_of(chosen))
    return OwnTrials(
        trials=_scored(trials, calibration, chosen.median_seconds),
        seconds=chosen.median_seconds,
        speakers=chosen.speaker_count,
        utterances=len(chosen.numbers),
        libraries=len(libraries),
        libraries_heard=len(asked),
    )


def trials_of(tenant: Tenant, model: str, chosen: Chosen, pairs: Pairs) -> Trials:
    one, other = pairs.rows.T
    vectors = embeddings_of(tenant, chosen, [model]).get(model, np.empty((0, 1), dtype=np.float32))
    cosines = cosines_of(vectors, pairs)
    return Trials(cosines, chosen.seconds[one], chosen.seconds[other], pairs.same, chosen.speakers[pairs.rows])


def _scored(trials: Trials, calibration: Calibration, seconds: float) -> ScoredTrials | None:
    weights = calibration.weights
    base = weights.offset + weights.speech * 2 * speech_feature(seconds)
    try:
        return trials.scored((trials.llrs(weights) - base) / weights.cosine)
    except ClassMissing:
        return None
