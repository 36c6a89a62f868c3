"""Two models on a tenant's own recordings: what each would do with them, before one takes the other's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from audio.results import Embedding
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.errors import GenerationNotFound
from voiceprints.evaluation import ClassMissing, Interval, MeasuredPoint, ScoredTrials, measure
from voiceprints.own_recordings import (
    MOST_LIBRARIES,
    THOROUGH,
    Chosen,
    Extent,
    Pairs,
    choose,
    cosines_of,
    embeddings_of,
    libraries_of,
    pairs_of,
)

BINS: Final = 50

FEW_TARGETS: Final = 100
FEW_IMPOSTORS: Final = 1000
FEW_SPEAKERS: Final = 20


@dataclass(frozen=True)
class Histogram:
    """How many scores lie between an edge and the next; one edge more than counts."""

    edges: tuple[float, ...]
    targets: tuple[int, ...]
    impostors: tuple[int, ...]


@dataclass(frozen=True)
class Side:
    """What one model makes of the pairs. `at_far`: with the false accept rate that the tenant allows."""

    model: str
    eer: float
    eer_interval: Interval
    eer_threshold: float
    at_far: MeasuredPoint
    histogram: Histogram


@dataclass(frozen=True)
class Report:
    """`targets`: pairs of utterances of one speaker; `impostors`: of two of the same library, drawn at random.

    Both models have heard all of them. No sides where one kind of pairs is missing.
    """

    old: str
    new: str
    speakers: int
    utterances: int
    targets: int
    impostors: int
    far: float
    sides: tuple[Side, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why these figures say little: `few_targets`, `few_impostors`, `few_speakers`."""
        findings = {
            "few_targets": self.targets < FEW_TARGETS,
            "few_impostors": self.impostors < FEW_IMPOSTORS,
            "few_speakers": self.speakers < FEW_SPEAKERS,
        }
        return tuple(name for name, found in findings.items() if found)


def report(tenant: Tenant, old: str, new: str, extent: Extent = THOROUGH) -> Report:
    """Both models on the same pairs, the same ones each time as long as nobody says more. Raises GenerationNotFound."""
    with acting_as(tenant):
        chosen = choose(tenant, (old, new), libraries_of(tenant, new)[:MOST_LIBRARIES], extent)
        if not len(chosen.numbers):
            _refuse_unheard(tenant, (old, new))
        embeddings = embeddings_of(tenant, chosen, (old, new))
    pairs = pairs_of(chosen)
    return Report(
        old=old,
        new=new,
        speakers=chosen.speaker_count,
        utterances=len(chosen.numbers),
        targets=pairs.targets,
        impostors=pairs.impostors,
        far=tenant.false_accept_rate,
        sides=_sides(_all_scored(chosen, embeddings, pairs), tenant.false_accept_rate),
    )


def _refuse_unheard(tenant: Tenant, models: Sequence[str]) -> None:
    """Raises GenerationNotFound."""
    for model in models:
        if not tenant.utterance_embeddings.filter(model=model).exists():
            raise GenerationNotFound(model=model)


def _all_scored(chosen: Chosen, embeddings: dict[str, Embedding], pairs: Pairs) -> dict[str, ScoredTrials]:
    """By model; empty where one kind of pairs is missing."""
    try:
        return {
            model: ScoredTrials(cosines_of(vectors, pairs), pairs.same, chosen.speakers[pairs.rows])
            for model, vectors in embeddings.items()
        }
    except ClassMissing:
        return {}


def _sides(scored: dict[str, ScoredTrials], far: float) -> tuple[Side, ...]:
    return tuple(_side(model, trials, far) for model, trials in scored.items())


def _side(model: str, trials: ScoredTrials, far: float) -> Side:
    found = measure(trials, far)
    equal = found.equal
    return Side(model, equal.rate, found.equal_interval, equal.threshold, found.at_far, histogram_of(trials))


def histogram_of(trials: ScoredTrials) -> Histogram:
    # Converted to more speech than there was, the score of a pair may be more than 1.
    edges = np.linspace(min(-0.2, trials.scores.min()), max(1.0, trials.scores.max()) + 1e-6, BINS + 1)
    targets, _ = np.histogram(trials.scores[trials.same], edges)
    impostors, _ = np.histogram(trials.scores[~trials.same], edges)
    return Histogram(tuple(edges.tolist()), tuple(targets.tolist()), tuple(impostors.tolist()))
