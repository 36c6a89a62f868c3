"""Two models on a tenant's own recordings: what each would do with them, before one takes the other's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection
from django.db.models import Func
from numpy.typing import NDArray

from audio.results import Embedding
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.errors import GenerationNotFound
from voiceprints.evaluation import ClassMissing, Interval, MeasuredPoint, ScoredTrials, measure

MOST_SPEAKERS: Final = 1000
# Among so many drawn at random are enough whom both models know.
MOST_LOOKED_AT: Final = 2 * MOST_SPEAKERS
MOST_PER_SPEAKER: Final = 10
MOST_PAIRS: Final = 20_000
# Of smaller libraries every pair is looked at.
ALL_PAIRS_UP_TO: Final = 200
BINS: Final = 50

FEW_TARGETS: Final = 100
FEW_IMPOSTORS: Final = 1000
FEW_SPEAKERS: Final = 20

# Before its numbers pgvector sends the dimension, and two bytes that mean nothing yet.
VECTOR_HEADER_BYTES: Final = 4

# Per speaker, so that of one who said thousands of things only the first few are looked at.
HEARD_BY_BOTH = """
SELECT said.id, speaker.id, speaker.library_id FROM unnest(%(speakers)s::bigint[]) AS drawn (id)
JOIN voiceprints_speaker AS speaker ON speaker.tenant_id = %(tenant)s AND speaker.id = drawn.id
CROSS JOIN LATERAL (
    SELECT utterance.id FROM voiceprints_utterance AS utterance
    JOIN voiceprints_utteranceembedding AS one
    ON one.tenant_id = %(tenant)s AND one.model = %(old)s AND one.utterance_id = utterance.id
    JOIN voiceprints_utteranceembedding AS other
    ON other.tenant_id = %(tenant)s AND other.model = %(new)s AND other.utterance_id = utterance.id
    WHERE utterance.tenant_id = %(tenant)s AND utterance.speaker_id = speaker.id
    ORDER BY utterance.id LIMIT %(most)s
) AS said ORDER BY speaker.id, said.id
"""
# As bytes: numbers written out in decimals take many times as long to read.
VECTORS = """
SELECT embedding.model, vector_send(embedding.embedding)
FROM unnest(%(models)s::text[]) AS wanted_model
CROSS JOIN unnest(%(utterances)s::bigint[]) WITH ORDINALITY AS wanted (utterance, place)
JOIN voiceprints_utteranceembedding AS embedding ON embedding.tenant_id = %(tenant)s
    AND embedding.model = wanted_model AND embedding.utterance_id = wanted.utterance
ORDER BY place
"""

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
        chosen = _utterances(tenant, old, new)
        if not len(chosen.numbers):
            _refuse_unheard(tenant, (old, new))
        embeddings = embeddings_of(tenant, chosen, (old, new))
    pairs, same = pairs_of(chosen)
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


def _refuse_unheard(tenant: Tenant, models: Sequence[str]) -> None:
    """Raises GenerationNotFound."""
    for model in models:
        if not tenant.utterance_embeddings.filter(model=model).exists():
            raise GenerationNotFound(model=model)


def _utterances(tenant: Tenant, old: str, new: str) -> Chosen:
    """Some of those that both models have heard, of speakers drawn at random; those who said more come first."""
    said = {"tenant": tenant.pk, "old": old, "new": new, "most": MOST_PER_SPEAKER}
    table = np.array(_rows(HEARD_BY_BOTH, said | {"speakers": _some_speakers(tenant, new)}), dtype=np.int64).reshape(
        -1, 3
    )
    heard, counts = np.unique(table[:, 1], return_counts=True)
    order = np.random.default_rng(0).permutation(len(heard))
    wanted = order[np.argsort(counts[order] < 2, kind="stable")][:MOST_SPEAKERS]
    table = table[np.isin(table[:, 1], heard[wanted])]
    return Chosen(table[:, 0], np.unique(table[:, 1], return_inverse=True)[1], table[:, 2])


def _some_speakers(tenant: Tenant, model: str) -> list[int]:
    """Of those whom the model knows, drawn by a hash: the same ones each time, read out of an index alone."""
    known = tenant.voiceprints.filter(model=model, library__isnull=False)
    drawn = known.order_by(Func("speaker", function="hashint8"), "speaker")
    return list(drawn.values_list("speaker", flat=True)[:MOST_LOOKED_AT])


def embeddings_of(tenant: Tenant, chosen: Chosen, models: Sequence[str]) -> dict[str, Embedding]:
    """By model, of shape (utterances, D)."""
    said = {"tenant": tenant.pk, "models": list(models), "utterances": chosen.numbers.tolist()}
    sent: dict[str, list[bytes]] = {model: [] for model in models}
    for model, vector in _rows(VECTORS, said):
        sent[model].append(vector[VECTOR_HEADER_BYTES:])
    return {
        model: np.frombuffer(b"".join(vectors), dtype=">f4").astype(np.float32).reshape(len(vectors), -1)
        for model, vectors in sent.items()
        if vectors
    }


def _rows(statement: str, said: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, said)
        return list(cursor.fetchall())


def pairs_of(chosen: Chosen) -> tuple[Pairs, NDArray[np.bool_]]:
    """Of rows, shape (n, 2), inside libraries, and which are of one speaker."""
    generator = np.random.default_rng(0)
    found = [np.empty((0, 2), dtype=np.int64)]
    for library in np.unique(chosen.libraries):
        rows = np.flatnonzero(chosen.libraries == library)
        found.extend([_within_speakers(rows, chosen.speakers), _between(rows, generator)])
    pairs = _each_once(np.concatenate(found), len(chosen.numbers))
    same = chosen.speakers[pairs[:, 0]] == chosen.speakers[pairs[:, 1]]
    kept = np.concatenate([_some(np.flatnonzero(same), generator), _some(np.flatnonzero(~same), generator)])
    return pairs[kept], same[kept]


def _each_once(pairs: Pairs, count: int) -> Pairs:
    """As np.unique says it of rows, by one number for each pair."""
    return np.stack(np.divmod(np.unique(pairs[:, 0] * max(count, 1) + pairs[:, 1]), max(count, 1)), axis=1)


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
    found = measure(trials, far)
    equal = found.equal
    return Side(model, equal.rate, found.equal_interval, equal.threshold, found.at_far, histogram_of(trials))


def histogram_of(trials: ScoredTrials) -> Histogram:
    edges = np.linspace(min(-0.2, trials.scores.min()), 1.0 + 1e-6, BINS + 1)
    targets, _ = np.histogram(trials.scores[trials.same], edges)
    impostors, _ = np.histogram(trials.scores[~trials.same], edges)
    return Histogram(tuple(edges.tolist()), tuple(targets.tolist()), tuple(impostors.tolist()))
