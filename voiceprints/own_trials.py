"""A tenant's own recordings as trials: pairs of one speaker and pairs of two, drawn cheaply and the same each time.

Whoever has very many speakers is asked about some of them. The numbers that PostgreSQL's own hash gives to their ids
choose whom, so the same people are heard again as long as nobody comes or goes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from django.db.models import BinaryField, Count, F, Func, QuerySet
from numpy.typing import NDArray

from audio.results import Embedding
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints.calibration import Calibration, Trials, speech_feature
from voiceprints.evaluation import ClassMissing, ScoredTrials
from voiceprints.models import Library, Speaker
from voiceprints.side_by_side import Chosen, pairs_of

# Strangers are drawn within a library: in two of them the same person may have an entry each.
MOST_LIBRARIES: Final = 10
SPEAKERS_LOOKED_AT: Final = 1000
SPEAKERS_HEARD: Final = 400
HEARD_OF_EACH: Final = 4
# Four bytes in front: the dimension, and nothing.
VECTOR_HEADER_BYTES: Final = 4


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


@dataclass(frozen=True)
class _Heard:
    """A row per utterance: its id, whose it is and in which library by number, and its seconds of speech."""

    utterances: NDArray[np.int64]
    speakers: NDArray[np.int64]
    libraries: NDArray[np.int64]
    seconds: NDArray[np.float64]


def own_trials(tenant: Tenant, calibration: Calibration, library: Library | None = None) -> OwnTrials:
    """Of what the calibration's model heard of the tenant, or of one library of it."""
    with acting_as(tenant):
        sizes = _libraries(tenant, library)
        asked = sizes[:MOST_LIBRARIES]
        heard = _heard(tenant, calibration.model, _drawn(tenant, asked))
        vectors = _vectors(tenant, calibration.model, heard.utterances)
    seconds = float(np.median(heard.seconds)) if len(heard.seconds) else 0.0
    return OwnTrials(
        trials=_scored(heard, vectors, calibration, seconds),
        seconds=seconds,
        speakers=len(np.unique(heard.speakers)),
        utterances=len(heard.utterances),
        libraries=len(sizes),
        libraries_heard=len(asked),
    )


def _libraries(tenant: Tenant, library: Library | None) -> list[int]:
    """The one, or all that somebody is in, those with the most speakers first."""
    if library is not None:
        return [library.pk]
    counted = _people(tenant).order_by().values("library").annotate(count=Count("pk"))
    return list(counted.order_by("-count", "library").values_list("library", flat=True))


def _people(tenant: Tenant) -> QuerySet[Speaker]:
    people: QuerySet[Speaker] = tenant.speakers.without_probes()
    return people


def _drawn(tenant: Tenant, libraries: list[int]) -> dict[int, int]:
    """The libraries of some speakers, by speaker, in the order of the draw."""
    people = _people(tenant).filter(library__in=libraries)
    draw = people.order_by(Func(F("pk"), function="hashint8"), "pk").values_list("pk", "library")
    return dict(draw[:SPEAKERS_LOOKED_AT])


def _heard(tenant: Tenant, model: str, drawn: dict[int, int]) -> _Heard:
    """The first utterances of those who come first in the draw; those who said more than one before the others."""
    said = tenant.utterance_embeddings.filter(model=model, utterance__speaker__in=list(drawn))
    rows: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for utterance, speaker, seconds in said.order_by("utterance").values_list(
        "utterance", "utterance__speaker", "utterance__speech_seconds"
    ):
        rows[speaker].append((utterance, seconds))
    people = sorted((one for one in drawn if one in rows), key=lambda one: len(rows[one]) < 2)[:SPEAKERS_HEARD]
    chosen = [(*row, place, drawn[one]) for place, one in enumerate(people) for row in rows[one][:HEARD_OF_EACH]]
    return _Heard(
        utterances=np.array([one[0] for one in chosen], dtype=np.int64),
        seconds=np.array([one[1] for one in chosen], dtype=np.float64),
        speakers=np.array([one[2] for one in chosen], dtype=np.int64),
        libraries=np.array([one[3] for one in chosen], dtype=np.int64),
    )


def _vectors(tenant: Tenant, model: str, utterances: NDArray[np.int64]) -> Embedding:
    """Shape (utterances, D), as PostgreSQL sends them: in text they would take ten times as long to read."""
    if not len(utterances):
        return np.empty((0, 0), dtype=np.float32)
    found = tenant.utterance_embeddings.filter(model=model, utterance__in=utterances.tolist())
    sent = found.values_list("utterance", Func(F("embedding"), function="vector_send", output_field=BinaryField()))
    by_utterance = {utterance: bytes(content)[VECTOR_HEADER_BYTES:] for utterance, content in sent}
    content = b"".join(by_utterance[utterance] for utterance in utterances.tolist())
    return np.frombuffer(content, dtype=">f4").astype(np.float32).reshape(len(utterances), -1)


def _scored(heard: _Heard, vectors: Embedding, calibration: Calibration, seconds: float) -> ScoredTrials | None:
    pairs, same = pairs_of(Chosen(heard.utterances, heard.speakers, heard.libraries))
    if not len(pairs):
        return None
    one, other = pairs.T
    cosines = np.einsum("ij,ij->i", vectors[one], vectors[other]).astype(np.float64)
    trials = Trials(cosines, heard.seconds[one], heard.seconds[other], same, heard.speakers[pairs])
    weights = calibration.weights
    base = weights.offset + weights.speech * 2 * speech_feature(seconds)
    try:
        return trials.scored((trials.llrs(weights) - base) / weights.cosine)
    except ClassMissing:
        return None
