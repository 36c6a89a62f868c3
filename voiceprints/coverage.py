"""How far the generations of a tenant are: all figures of all of them in one query, each row looked at once at most.

What can be had by arithmetic is not counted: utterances that are neither embedded nor hopeless are still to be
embedded, and whoever is enrolled is known. With 300 000 utterances that makes the difference between a page and a wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from tenants.models import Tenant
from voiceprints.models import Speaker

# `hopeless` holds the utterances that a model cannot embed: no recording was kept, or its newest job failed at it.
HOPELESS = """
WITH kept_up AS (SELECT unnest(%(models)s::text[]) AS model),
newest AS MATERIALIZED (
    SELECT DISTINCT ON (parameters ->> 'model') parameters ->> 'model' AS model, id
    FROM voiceprints_job WHERE tenant_id = %(tenant)s AND kind = 'reembed' ORDER BY parameters ->> 'model', id DESC
),
unrecorded AS MATERIALIZED (
    SELECT model, speaker_id FROM voiceprints_utterance AS utterance, kept_up
    WHERE tenant_id = %(tenant)s AND recording = '' AND NOT EXISTS (
        SELECT FROM voiceprints_utteranceembedding AS embedding
        WHERE embedding.utterance_id = utterance.id AND embedding.model = kept_up.model
    )
),
failed AS MATERIALIZED (
    SELECT model, speaker_id FROM kept_up JOIN newest USING (model)
    JOIN voiceprints_jobrow AS line ON line.tenant_id = %(tenant)s AND line.job_id = newest.id
    JOIN voiceprints_utterance AS utterance ON utterance.tenant_id = %(tenant)s AND utterance.id = line.number
    WHERE recording <> '' AND NOT EXISTS (
        SELECT FROM voiceprints_utteranceembedding AS embedding
        WHERE embedding.utterance_id = utterance.id AND embedding.model = kept_up.model
    )
),
hopeless AS (
    SELECT model, speaker_id, count(*) FROM (TABLE unrecorded UNION ALL TABLE failed) GROUP BY model, speaker_id
),
lost AS (
    SELECT model, speaker_id FROM hopeless
    WHERE count = (
        SELECT count(*) FROM voiceprints_utterance AS said
        WHERE said.tenant_id = %(tenant)s AND said.speaker_id = hopeless.speaker_id
    ) AND EXISTS (
        SELECT FROM voiceprints_voiceprint AS voiceprint
        WHERE voiceprint.speaker_id = hopeless.speaker_id AND library_id IS NOT NULL
        AND voiceprint.model = ANY(%(models)s::text[])
    )
)
"""
FIGURES = f"""{HOPELESS},
embedded AS (
    SELECT model, count(*) FROM voiceprints_utteranceembedding WHERE tenant_id = %(tenant)s GROUP BY model
),
covered AS (
    SELECT model, count(*) FROM voiceprints_voiceprint
    WHERE tenant_id = %(tenant)s AND library_id IS NOT NULL GROUP BY model
),
known AS (
    SELECT (
        SELECT count(*) FROM voiceprints_speaker WHERE tenant_id = %(tenant)s AND status = 'enrolled'
    ) + (
        SELECT count(DISTINCT speaker.id) FROM voiceprints_speaker AS speaker
        JOIN voiceprints_voiceprint AS voiceprint ON voiceprint.speaker_id = speaker.id
        WHERE speaker.tenant_id = %(tenant)s AND status = 'enrolling' AND voiceprint.model = ANY(%(models)s::text[])
    ) AS count
)
SELECT model,
    (SELECT count(*) FROM voiceprints_utterance WHERE tenant_id = %(tenant)s) AS utterances,
    coalesce((SELECT count FROM embedded WHERE embedded.model = kept_up.model), 0) AS embedded,
    (SELECT count(*) FROM failed WHERE failed.model = kept_up.model) AS failed,
    (SELECT count(*) FROM unrecorded WHERE unrecorded.model = kept_up.model) AS unrecorded,
    (SELECT count FROM known) AS speakers,
    coalesce((SELECT count FROM covered WHERE covered.model = kept_up.model), 0) AS covered,
    (SELECT count(*) FROM lost WHERE lost.model = kept_up.model) AS must_enroll_again
FROM kept_up
"""  # noqa: S608
WHO_IS_LOST = f"{HOPELESS} SELECT speaker_id FROM lost WHERE model = %(model)s ORDER BY speaker_id LIMIT %(most)s"  # noqa: S608


@dataclass(frozen=True)
class Coverage:
    """How far a generation is. Utterances are counted once each, and so are speakers, without probes.

    `missing`: have a recording and were not embedded yet; `failed`: neither, because the recording could not be used;
    `unrecorded`: neither, because none was kept. `must_enroll_again`: speakers who are known to a model of the tenant
    and will not be to this one, whatever is still done.
    """

    model: str
    utterances: int
    embedded: int
    missing: int
    failed: int
    unrecorded: int
    speakers: int
    covered: int
    must_enroll_again: int

    @property
    def complete(self) -> bool:
        return self.missing == 0


def coverages(tenant: Tenant) -> dict[str, Coverage]:
    """By model, of all that the tenant keeps up, in their order. Inside keeping_models."""
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, {"tenant": tenant.pk, "models": list(tenant.models)})
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = {row["model"]: Coverage(**row, missing=_missing(row)) for row in rows}
    return {model: found[model] for model in tenant.models}


def must_enroll_again(tenant: Tenant, model: str, *, most: int) -> list[Speaker]:
    """Whom another model of the tenant knows, and this one cannot: the first of them. Inside acting_as."""
    models = list({*tenant.models, model})
    with connection.cursor() as cursor:
        cursor.execute(WHO_IS_LOST, {"tenant": tenant.pk, "models": models, "model": model, "most": most})
        lost = [speaker for (speaker,) in cursor.fetchall()]
    return list(tenant.speakers.filter(pk__in=lost).select_related("library").order_by("pk"))


def _missing(row: dict[str, Any]) -> int:
    missing: int = row["utterances"] - row["embedded"] - row["failed"] - row["unrecorded"]
    return missing
