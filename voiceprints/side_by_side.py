"""Two models on a tenant's own recordings: what each would do with them, before one takes the other's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db.models import Count, Exists, OuterRef
from numpy.typing import NDArray

from audio.results import Embedding
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.errors import GenerationNotFound
from voiceprints.evaluation import (
    ClassMissing,
    Interval,
    MeasuredPoint,
    ScoredTrials,
    det_curve,
    equal_error_interval,
    error_table,
)

MOST_SPEAKERS: Final = 1000
MOST_PER_SPEAKER: Final = 10
MOST_PAIRS: Final = 20_000
# Of smaller libraries every pair is looked at.
ALL_PAIRS_UP_TO: Final = 200
BINS: Final = 50

FEW_TARGETS: Final = 100
FEW_IMPOSTORS: Final = 1000
FEW_SPEAKERS: Final = 20

Pairs = NDArray[np.int64]


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


def report(tenant: Tenant, old: str, new: str) -> Report:
    """Both models on the same pairs, the same ones each time as long as nobody says more. Raises GenerationNotFound."""
    with acting_as(tenant):
        for model in (old, new):
            if not tenant.utterance_embeddings.filter(model=model).exists():
                raise GenerationNotFound(model=model)
        chosen = _utterances(tenant, old, new)
        embeddings = {model: _embeddings(tenant, chosen, model) for model in (old, new)}
    pairs, same = _pairs(chosen)
    return Report(
        old=old,
        new=new,
        speakers=len(np.unique(chosen.speakers)),
        utterances=len(chosen.numbers),
        targets=int(same.sum()),
        impostors=int((~same).sum()),
        far=tenant.false_accept_rate,
        sides=_sides(_all_scored(chosen, embeddings, pairs, same), tenant.false_accept_rate),
    )


@dataclass(frozen=True)
class Chosen:
    """A row per utterance: its id, the number of its speaker from 0, and its library."""

    numbers: Pairs
    speakers: Pairs
    libraries: Pairs


def _utterances(tenant: Tenant, old: str, new: str) -> Chosen:
    """Some of those that both models have heard, of speakers drawn at random; those who said more come first."""
    said = tenant.utterances.exclude(speaker__status="probe")
    for model in (old, new):
        said = said.filter(Exists(tenant.utterance_embeddings.filter(utterance=OuterRef("pk"), model=model)))
    counted = list(
        said.order_by("speaker").values("speaker").annotate(count=Count("pk")).values_list("speaker", "count")
    )
    generator = np.random.default_rng(0)
    drawn = [counted[index] for index in generator.permutation(len(counted))]
    drawn.sort(key=lambda one: one[1] < 2)
    wanted = [speaker for speaker, _ in drawn[:MOST_SPEAKERS]]
    rows = said.filter(speaker__in=wanted).order_by("speaker", "pk").values_list("pk", "speaker", "speaker__library")
    table = np.array(list(_first_of_each(rows)), dtype=np.int64).reshape(-1, 3)
    return Chosen(table[:, 0], np.unique(table[:, 1], return_inverse=True)[1], table[:, 2])


def _first_of_each(rows: Any) -> Iterator[tuple[int, int, int]]:
    last, count = None, 0
    for row in rows:
        count = count + 1 if row[1] == last else 1
        last = row[1]
        if count <= MOST_PER_SPEAKER:
            yield row


def _embeddings(tenant: Tenant, chosen: Chosen, model: str) -> Embedding:
    """Shape (utterances, D)."""
    found = tenant.utterance_embeddings.filter(model=model, utterance__in=chosen.numbers.tolist())
    by_utterance = dict(found.values_list("utterance_id", "embedding"))
    return np.array([by_utterance[number] for number in chosen.numbers.tolist()], dtype=np.float32)


def _pairs(chosen: Chosen) -> tuple[Pairs, NDArray[np.bool_]]:
    """Of rows, shape (n, 2), inside libraries, and which are of one speaker."""
    generator = np.random.default_rng(0)
    found = [np.empty((0, 2), dtype=np.int64)]
    for library in np.unique(chosen.libraries):
        rows = np.flatnonzero(chosen.libraries == library)
        found.extend([_within_speakers(rows, chosen.speakers), _between(rows, generator)])
    pairs = np.unique(np.concatenate(found), axis=0)
    same = chosen.speakers[pairs[:, 0]] == chosen.speakers[pairs[:, 1]]
    kept = np.concatenate([_some(np.flatnonzero(same), generator), _some(np.flatnonzero(~same), generator)])
    return pairs[kept], same[kept]


def _within_speakers(rows: Pairs, speakers: Pairs) -> Pairs:
    _, starts = np.unique(speakers[rows], return_index=True)
    return np.concatenate([_all_pairs(group) for group in np.split(rows, starts[1:])])


def _between(rows: Pairs, generator: np.random.Generator) -> Pairs:
    if len(rows) <= ALL_PAIRS_UP_TO:
        return _all_pairs(rows)
    drawn = np.sort(generator.choice(rows, size=(MOST_PAIRS, 2)), axis=1)
    return np.asarray(drawn[drawn[:, 0] != drawn[:, 1]])


def _all_pairs(rows: Pairs) -> Pairs:
    one, other = np.triu_indices(len(rows), k=1)
    return np.stack([rows[one], rows[other]], axis=1)


def _some(indices: Pairs, generator: np.random.Generator) -> Pairs:
    return indices if len(indices) <= MOST_PAIRS else np.sort(generator.choice(indices, MOST_PAIRS, replace=False))


def _all_scored(
    chosen: Chosen, embeddings: dict[str, Embedding], pairs: Pairs, same: NDArray[np.bool_]
) -> dict[str, ScoredTrials]:
    """By model; empty where one kind of pairs is missing."""
    try:
        return {model: _scored(chosen, vectors, pairs, same) for model, vectors in embeddings.items()}
    except ClassMissing:
        return {}


def _sides(scored: dict[str, ScoredTrials], far: float) -> tuple[Side, ...]:
    return tuple(_side(model, trials, far) for model, trials in scored.items())


def _scored(chosen: Chosen, vectors: Embedding, pairs: Pairs, same: NDArray[np.bool_]) -> ScoredTrials:
    """Raises ClassMissing."""
    cosines = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]]).astype(np.float64)
    return ScoredTrials(cosines, same, chosen.speakers[pairs])


def _side(model: str, trials: ScoredTrials, far: float) -> Side:
    equal = det_curve(trials).equal_error()
    (at_far,) = error_table(trials, (far,))
    return Side(model, equal.rate, equal_error_interval(trials), equal.threshold, at_far, _histogram(trials))


def _histogram(trials: ScoredTrials) -> Histogram:
    edges = np.linspace(min(-0.2, trials.scores.min()), 1.0 + 1e-6, BINS + 1)
    targets, _ = np.histogram(trials.scores[trials.same], edges)
    impostors, _ = np.histogram(trials.scores[~trials.same], edges)
    return Histogram(tuple(edges.tolist()), tuple(targets.tolist()), tuple(impostors.tolist()))
