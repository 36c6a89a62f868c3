"""Who sounds most like a voice: the one statement that a search waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pgvector import Vector

from audio.catalogue import find_model
from audio.results import Embedding
from tenants.models import Tenant
from voiceprints.models import Library, Speaker
from voiceprints.results import Candidate

# Nothing is joined before the best are known: PostgreSQL would join every row and only then sort.
NEAREST = """
SELECT speaker.*, -nearest.distance AS score, COALESCE(newest.recording, '') AS recording
FROM (
    SELECT speaker_id, embedding <#> %(probe)s::vector AS distance
    FROM voiceprints_voiceprint
    WHERE tenant_id = %(tenant)s AND model = %(model)s AND library_id = ANY(%(libraries)s)
    ORDER BY distance, speaker_id
    LIMIT %(limit)s
) AS nearest
JOIN voiceprints_speaker AS speaker ON speaker.id = nearest.speaker_id
LEFT JOIN LATERAL (
    SELECT recording
    FROM voiceprints_utterance
    WHERE speaker_id = speaker.id AND recording <> ''
    ORDER BY id DESC
    LIMIT 1
) AS newest ON true
ORDER BY nearest.distance, nearest.speaker_id
"""


def nearest_speakers(
    tenant: Tenant, libraries: Iterable[Library], model: str, probe: Embedding, *, limit: int
) -> tuple[Candidate, ...]:
    """Best first, exact; equal scores in the order of enrollment."""
    known = {library.pk: library for library in libraries}
    values = {
        "tenant": tenant.pk,
        "libraries": list(known),
        "model": model,
        "probe": Vector(probe).to_text(),
        "limit": limit,
    }
    # Speakers, each with a score and a recording beside its own columns.
    nearest: Any = Speaker.all_tenants.raw(NEAREST, values)
    candidates = []
    for speaker in nearest:
        speaker.tenant, speaker.library = tenant, known[speaker.library_id]
        candidates.append(Candidate(speaker.score, find_model(model).accept_threshold, speaker, speaker.recording))
    return tuple(candidates)
