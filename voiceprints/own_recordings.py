"""Some of a tenant's own recordings, and pairs of them: drawn cheaply, and the same ones each time.

Whoever has very many speakers is asked about some of them. The numbers that PostgreSQL's own hash gives to their ids
choose whom, so the same people are heard again as long as nobody comes or goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection
from django.db.models import Count, Func, QuerySet
from numpy.typing import NDArray

from audio.results import Embedding
from tenants.models import Tenant
from voiceprints.evaluation import Figures, Labels
from voiceprints.models import Voiceprint
from voiceprints.vectors import read_vectors

# Of the largest. Strangers are drawn within a library: in two of them the same person may have an entry each.
MOST_LIBRARIES: Final = 10
MOST_PAIRS: Final = 20_000
# Of smaller libraries every pair is looked at.
ALL_PAIRS_UP_TO: Final = 200

# Per speaker, so that of one who said thousands of things only the first few are looked at.
HEARD = """
SELECT drawn.place, said.id, speaker.library_id, said.speech_seconds
FROM unnest(%(speakers)s::bigint[]) WITH ORDINALITY AS drawn (id, place)
JOIN voiceprints_speaker AS speaker ON speaker.tenant_id = %(tenant)s AND speaker.id = drawn.id
CROSS JOIN LATERAL (
    SELECT utterance.id, utterance.speech_seconds FROM voiceprints_utterance AS utterance
    WHERE utterance.tenant_id = %(tenant)s AND utterance.speaker_id = speaker.id AND %(heard)s = (
        SELECT count(*) FROM voiceprints_utteranceembedding AS embedding
        WHERE embedding.tenant_id = %(tenant)s AND embedding.model = ANY(%(models)s::text[])
        AND embedding.utterance_id = utterance.id
    )
    ORDER BY utterance.id LIMIT %(most)s
) AS said ORDER BY drawn.place, said.id
"""
# In the order in which they lie on the disk.
VECTORS = """
SELECT model, utterance_id, vector_send(embedding) FROM voiceprints_utteranceembedding
WHERE tenant_id = %(tenant)s AND model = ANY(%(models)s::text[]) AND utterance_id = ANY(%(utterances)s::bigint[])
"""

Integers = NDArray[np.int64]
ROW: Final = [("place", np.int64), ("number", np.int64), ("library", np.int64), ("seconds", np.float64)]


@dataclass(frozen=True)
class Extent:
    """How many speakers at most, out of how many that are drawn, and how many utterances of each."""

    drawn: int
    speakers: int
    each: int


THOROUGH: Final = Extent(drawn=2000, speakers=1000, each=10)
# So few that a page may ask for them, which has to read all of them from the disk.
QUICK: Final = Extent(drawn=450, speakers=300, each=4)


@dataclass(frozen=True)
class Chosen:
    """A row per utterance: its id, the number of its speaker from 0, its library, and its seconds of speech."""

    numbers: Integers
    speakers: Integers
    libraries: Integers
    seconds: Figures

    @property
    def speaker_count(self) -> int:
        return len(np.unique(self.speakers))

    @property
    def median_seconds(self) -> float:
        return float(np.median(self.seconds)) if len(self.seconds) else 0.0


@dataclass(frozen=True)
class Pairs:
    """Rows of what was chosen, shape (n, 2), and which are of one speaker."""

    rows: Integers
    same: Labels

    @property
    def targets(self) -> int:
        return int(self.same.sum())

    @property
    def impostors(self) -> int:
        return int((~self.same).sum())


def known(tenant: Tenant, model: str) -> QuerySet[Voiceprint]:
    """Read out of an index alone, as long as nothing but library and speaker is asked for."""
    found: QuerySet[Voiceprint] = tenant.voiceprints.filter(model=model, library__isnull=False)
    return found


def drawn(tenant: Tenant, model: str, libraries: Sequence[int], most: int) -> list[int]:
    """At most so many speakers of these libraries."""
    found = known(tenant, model).filter(library__in=libraries).values_list("speaker", flat=True)
    return list(found.order_by(Func("speaker", function="hashint8"), "speaker")[:most])


def libraries_of(tenant: Tenant, model: str) -> list[int]:
    """Those with somebody whom the model knows, with the most of them first."""
    counted = known(tenant, model).order_by().values("library").annotate(count=Count("*"))
    return list(counted.order_by("-count", "library").values_list("library", flat=True))


def choose(tenant: Tenant, models: Sequence[str], libraries: Sequence[int], extent: Extent) -> Chosen:
    """Of what all these models have heard. Who said more than one thing comes first, then who was drawn first."""
    said = {
        "tenant": tenant.pk,
        "models": list(models),
        "heard": len(set(models)),
        "speakers": drawn(tenant, models[-1], libraries, extent.drawn),
        "most": extent.each,
    }
    found = np.array(_rows(HEARD, said), dtype=ROW)
    people, counts = np.unique(found["place"], return_counts=True)
    wanted = people[np.argsort(counts < 2, kind="stable")][: extent.speakers]
    found = found[np.isin(found["place"], wanted)]
    speakers = np.unique(found["place"], return_inverse=True)[1]
    return Chosen(found["number"], speakers, found["library"], found["seconds"])


def embeddings_of(tenant: Tenant, chosen: Chosen, models: Sequence[str]) -> dict[str, Embedding]:
    """By model, of shape (utterances, D)."""
    said = {"tenant": tenant.pk, "models": list(models), "utterances": chosen.numbers.tolist()}
    sent: dict[str, dict[int, bytes]] = {model: {} for model in models}
    for model, utterance, vector in _rows(VECTORS, said):
        sent[model][utterance] = vector
    numbers = chosen.numbers.tolist()
    return {model: read_vectors(vectors[one] for one in numbers) for model, vectors in sent.items() if vectors}


def pairs_of(chosen: Chosen) -> Pairs:
    """Inside libraries."""
    generator = np.random.default_rng(0)
    found = [np.empty((0, 2), dtype=np.int64)]
    for library in np.unique(chosen.libraries):
        rows = np.flatnonzero(chosen.libraries == library)
        found.extend([_within_speakers(rows, chosen.speakers), _between(rows, generator)])
    rows = _each_once(np.concatenate(found), len(chosen.numbers))
    same = chosen.speakers[rows[:, 0]] == chosen.speakers[rows[:, 1]]
    kept = np.concatenate([_some(np.flatnonzero(same), generator), _some(np.flatnonzero(~same), generator)])
    return Pairs(rows[kept], same[kept])


def cosines_of(vectors: Embedding, pairs: Pairs) -> Figures:
    one, other = pairs.rows.T
    return np.asarray(np.einsum("ij,ij->i", vectors[one], vectors[other]), dtype=np.float64)


def _rows(statement: str, said: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, said)
        return list(cursor.fetchall())


def _each_once(pairs: Integers, count: int) -> Integers:
    """As np.unique says it of rows, by one number for each pair."""
    return np.stack(np.divmod(np.unique(pairs[:, 0] * max(count, 1) + pairs[:, 1]), max(count, 1)), axis=1)


def _within_speakers(rows: Integers, speakers: Integers) -> Integers:
    _, starts = np.unique(speakers[rows], return_index=True)
    return np.concatenate([_all_pairs(group) for group in np.split(rows, starts[1:])])


def _between(rows: Integers, generator: np.random.Generator) -> Integers:
    if len(rows) <= ALL_PAIRS_UP_TO:
        return _all_pairs(rows)
    drawn = np.sort(generator.choice(rows, size=(MOST_PAIRS, 2)), axis=1)
    return np.asarray(drawn[drawn[:, 0] != drawn[:, 1]])


def _all_pairs(rows: Integers) -> Integers:
    one, other = np.triu_indices(len(rows), k=1)
    return np.stack([rows[one], rows[other]], axis=1)


def _some(indices: Integers, generator: np.random.Generator) -> Integers:
    return indices if len(indices) <= MOST_PAIRS else np.sort(generator.choice(indices, MOST_PAIRS, replace=False))
