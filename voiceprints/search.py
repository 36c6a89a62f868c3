"""Who sounds most like a voice: the one statement that a search waits for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pgvector import Vector

from audio.results import Embedding
from tenants.models import Tenant
from voiceprints.calibration import EXTREME_THRESHOLD, LEAST_SPEECH_SECONDS, MOST_SPEECH_SECONDS, Bar
from voiceprints.models import Library, Speaker
from voiceprints.results import Candidate

# Nothing is joined before the best are known: PostgreSQL would join every row and only then sort. `OFFSET 0` keeps it
# from measuring each distance again wherever the score is named. The best are those highest on the scale of
# `scoring.calibrated`, on which everybody's threshold lies at the same place.
NEAREST = """
SELECT speaker.*, nearest.score, nearest.threshold, COALESCE(newest.recording, '') AS recording
FROM (
    SELECT speaker_id, score, threshold, CASE
        WHEN score >= threshold THEN 0.5 + 0.5 * (score - threshold) / (1 - threshold)
        ELSE 0.5 * (score + 1) / (threshold + 1)
    END AS calibrated
    FROM (
        SELECT
            speaker_id,
            LEAST(GREATEST(-(embedding <#> %(probe)s::vector), -1), 1) AS score,
            LEAST(GREATEST(
                %(base)s + %(per_log_second)s * ln(LEAST(GREATEST(speech_seconds, %(least)s), %(most)s)), -%(extreme)s
            ), %(extreme)s) AS threshold
        FROM voiceprints_voiceprint AS voiceprint
        WHERE tenant_id = %(tenant)s AND model = %(model)s AND library_id = ANY(%(libraries)s){others}
        OFFSET 0
    ) AS scored
    ORDER BY calibrated DESC, speaker_id
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
ORDER BY nearest.calibrated DESC, nearest.speaker_id
"""


NOT_KNOWN_TO = """
        AND NOT EXISTS (
            SELECT 1 FROM voiceprints_voiceprint AS known
            WHERE known.speaker_id = voiceprint.speaker_id AND known.model = ANY(%(not_known_to)s)
        )"""


def nearest_speakers(
    tenant: Tenant,
    libraries: Iterable[Library],
    model: str,
    probe: Embedding,
    bar: Bar,
    *,
    limit: int,
    not_known_to: Sequence[str] = (),
) -> tuple[Candidate, ...]:
    """Best first, exact; equal ones in the order of enrollment. Whom one of `not_known_to` knows is left out."""
    known = {library.pk: library for library in libraries}
    values = {
        "tenant": tenant.pk,
        "libraries": list(known),
        "model": model,
        "probe": Vector(probe).to_text(),
        "limit": limit,
        "not_known_to": list(not_known_to),
        "base": bar.base,
        "per_log_second": bar.per_log_second,
        "least": LEAST_SPEECH_SECONDS,
        "most": MOST_SPEECH_SECONDS,
        "extreme": EXTREME_THRESHOLD,
    }
    # Speakers, each with a score, a threshold and a recording beside its own columns.
    nearest: Any = Speaker.all_tenants.raw(NEAREST.format(others=NOT_KNOWN_TO if not_known_to else ""), values)
    candidates = []
    for speaker in nearest:
        speaker.tenant, speaker.library = tenant, known[speaker.library_id]
        candidates.append(Candidate(speaker.score, speaker.threshold, speaker, speaker.recording, model))
    return tuple(candidates)
