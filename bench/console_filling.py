"""A tenant with a hundred thousand speakers, written by PostgreSQL itself in a minute or two."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.invitations import invite
from tenants.latency import STEPS
from tenants.models import BUNDLED_MODEL, Membership, Role, Tenant
from tenants.services import create_tenant
from voiceprints.models import EmbeddingModel, Job
from voiceprints.opting_out import opt_out

SPEAKERS = 100_000
UTTERANCES_EACH = 3
LIBRARIES = 300
DIMENSION = 256
ANOTHER, A_THIRD = "another", "a-third"
UNUSABLE = 2000
"""Recordings at which the job with another model failed."""
OPENERS, MEMBERS, TENANTS = 1000, 1000, 2000
JOBS, EVENTS = 2000, 10_000
DAYS_OF_USAGE = 90

# Half of all speakers are in the first library, as in an installation with one large customer.
LIBRARY_ROWS = """
INSERT INTO voiceprints_library (tenant_id, org_id, tag_id, name, info, created)
SELECT %(tenant)s, 'organisation ' || n / 3, 'tag ' || n %% 3, 'Branch ' || n, '', now() - n * interval '1 hour'
FROM generate_series(1, %(libraries)s) AS n
"""
SPEAKER_ROWS = """
INSERT INTO voiceprints_speaker (tenant_id, library_id, external_id, info, status, created)
SELECT %(tenant)s, first.id + CASE WHEN n %% 2 = 0 THEN 0 ELSE n %% %(libraries)s END,
       'speaker-' || lpad(n::text, 6, '0'), 'Customer ' || md5(n::text),
       CASE WHEN n %% 100 = 0 THEN 'probe' WHEN n %% 100 = 1 THEN 'enrolling' ELSE 'enrolled' END,
       now() - n * interval '1 minute'
FROM generate_series(1, %(speakers)s) AS n, (SELECT min(id) AS id FROM voiceprints_library) AS first
"""
# One in two hundred came without a recording, from another installation.
UTTERANCE_ROWS = """
INSERT INTO voiceprints_utterance (tenant_id, speaker_id, recording, source_digest, denoised, trimmed, created,
       size_bytes, duration_seconds, speech_seconds, snr_db, level_dbfs, clipped_ratio, dropout_ratio)
SELECT %(tenant)s, speaker.id,
       CASE WHEN speaker.id %% 200 = 0 THEN '' ELSE 'tenant/2026/bench/' || speaker.id || '-' || n || '.flac' END,
       md5(speaker.id::text) || md5(n::text), false, true, speaker.created, 90000, 5, 4, 20, -20, 0, 0
FROM voiceprints_speaker AS speaker, generate_series(1, %(each)s) AS n ORDER BY n, speaker.id
"""
DIRECTIONS = """
CREATE TEMPORARY TABLE direction ON COMMIT DROP AS
SELECT n, l2_normalize(array_agg(random() - 0.5)::vector) AS v
FROM generate_series(0, 996) AS n, generate_series(1, %(dimension)s) GROUP BY n
"""
# Of each speaker a direction, and of each utterance some of another. `left_out`: share of a thousand speakers.
EMBEDDING_ROWS = """
INSERT INTO voiceprints_utteranceembedding (tenant_id, utterance_id, model, dimension, embedding)
SELECT %(tenant)s, utterance.id, %(model)s, %(dimension)s, l2_normalize(one.v + other.v + said.v)
FROM voiceprints_utterance AS utterance
JOIN direction AS one ON one.n = utterance.speaker_id %% 997
JOIN direction AS other ON other.n = utterance.speaker_id / 997 %% 997
JOIN direction AS said ON said.n = utterance.id %% 991
WHERE utterance.speaker_id %% 1000 >= %(left_out)s ORDER BY utterance.id
"""
VOICEPRINT_ROWS = """
INSERT INTO voiceprints_voiceprint (tenant_id, library_id, speaker_id, model, dimension, embedding, utterance_count,
       speech_seconds)
SELECT %(tenant)s, CASE WHEN speaker.status = 'probe' THEN NULL ELSE speaker.library_id END, speaker.id, %(model)s,
       %(dimension)s, l2_normalize(one.v + other.v), %(each)s, 12
FROM voiceprints_speaker AS speaker
JOIN direction AS one ON one.n = speaker.id %% 997
JOIN direction AS other ON other.n = speaker.id / 997 %% 997
WHERE speaker.status <> 'enrolling' AND speaker.id %% 1000 >= %(left_out)s ORDER BY speaker.id
"""
FAILURE_ROWS = """
INSERT INTO voiceprints_jobrow (tenant_id, job_id, number, outcome, org_id, tag_id, external_id, problem, created)
SELECT %(tenant)s, %(job)s, utterance.id, 'failed', library.org_id, library.tag_id, speaker.external_id,
       '{"kind": "Damaged", "numbers": {"reason": "no sound"}}', now()
FROM voiceprints_utterance AS utterance
JOIN voiceprints_speaker AS speaker ON speaker.id = utterance.speaker_id
JOIN voiceprints_library AS library ON library.id = speaker.library_id
WHERE speaker.id %% 1000 < 10 AND utterance.recording <> '' ORDER BY utterance.id LIMIT %(unusable)s
"""
CREDENTIAL_ROWS = """
INSERT INTO tenants_credential (tenant_id, label, key_id, secret, enabled, created)
SELECT %(tenant)s, 'client ' || n, 'key-' || n, secret, true, now() - n * interval '1 minute'
FROM generate_series(1, %(openers)s) AS n, (SELECT secret FROM tenants_credential LIMIT 1) AS known
"""
TOKEN_ROWS = """
INSERT INTO tenants_accesstoken (tenant_id, label, scopes, digest, enabled, created)
SELECT %(tenant)s, 'token ' || n, ARRAY['read'], md5(n::text) || md5(%(tenant)s::text), true, now()
FROM generate_series(1, %(openers)s) AS n
"""
JOB_ROWS = """
INSERT INTO voiceprints_job (tenant_id, kind, state, parameters, begun_by, origin, inputs, done, total, output,
       expires, created, finished, attempts)
SELECT %(tenant)s, CASE n %% 2 WHEN 0 THEN 'import' ELSE 'export' END,
       CASE n %% 10 WHEN 0 THEN 'failed' ELSE 'succeeded' END, '{"org_id": "organisation 0", "tag_id": "tag 1"}',
       'olga', '{}', '[]', 100, 100, CASE WHEN n %% 2 = 1 AND n < 20 THEN 'export-' || n ELSE '' END,
       now() + interval '1 day', now() - n * interval '1 hour', now() - n * interval '1 hour', 0
FROM generate_series(1, %(jobs)s) AS n
"""
# The chain's trigger says number, time and digests.
EVENT_ROWS = """
INSERT INTO tenants_auditevent (tenant_id, number, at, actor_kind, actor_name, interface, address, request_id, action,
       outcome, object_kind, object_number, object_name, org_id, tag_id, details, previous, digest)
SELECT %(tenant)s, 0, now(), 'credential', 'key-' || n %% 1000, 'abcpen', '203.0.113.7', md5(n::text),
       'speaker.enrolled', 'done', 'speaker', n, 'speaker-' || lpad(n::text, 6, '0'), 'organisation 0', 'tag 1', '{}',
       '', ''
FROM generate_series(1, %(events)s) AS n
"""
# Of the tenant by every kind of request; one in ten of the others asks for two every day.
USAGE_ROWS = """
INSERT INTO tenants_usageday (tenant_id, day, operation, dialect, outcome, reason, count, latency)
SELECT tenant.id, current_date - ago, operation, dialect, outcome, CASE outcome WHEN 'refused' THEN reason ELSE '' END,
       100, array_fill(6::bigint, ARRAY[%(steps)s])
FROM tenants_tenant AS tenant, generate_series(0, %(days)s - 1) AS ago,
     unnest(ARRAY['enroll', 'verify', 'identify', 'update', 'delete']) AS operation,
     unnest(ARRAY['native', 'abcpen', 'iflytek', 'console']) AS dialect,
     (VALUES ('ok', ''), ('accepted', ''), ('refused', 'NotEnoughSpeech'), ('refused', 'SpeakerNotFound'))
     AS ended (outcome, reason)
WHERE tenant.id = %(tenant)s OR (tenant.id %% 10 = 0 AND dialect = 'abcpen' AND outcome = 'ok'
      AND operation IN ('enroll', 'verify'))
"""
STATEMENTS = [LIBRARY_ROWS, SPEAKER_ROWS, UTTERANCE_ROWS, DIRECTIONS, CREDENTIAL_ROWS, TOKEN_ROWS, JOB_ROWS, EVENT_ROWS]


def filled(slug: str) -> Tenant:
    """The tenant, with two more models kept up: one that is nearly complete, and one that was just begun."""
    if found := Tenant.objects.filter(slug=slug).first():
        return found
    with transaction.atomic():
        tenant = _written(slug)
    with connection.cursor() as cursor:
        # What autovacuum does within a minute of so many rows.
        cursor.execute("VACUUM (ANALYZE)")
    return tenant


def _written(slug: str) -> Tenant:
    tenant = create_tenant(slug).tenant
    for model in (ANOTHER, A_THIRD):
        EmbeddingModel.objects.get_or_create(name=model, defaults={"dimension": DIMENSION})
    Tenant.objects.filter(pk=tenant.pk).update(other_models=[ANOTHER, A_THIRD])
    with acting_as(tenant), connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, _figures(tenant))
        for model, left_out in [(BUNDLED_MODEL, 0), (ANOTHER, 20), (A_THIRD, 990)]:
            for statement in (EMBEDDING_ROWS, VOICEPRINT_ROWS):
                cursor.execute(statement, _figures(tenant) | {"model": model, "left_out": left_out})
        cursor.execute(FAILURE_ROWS, _figures(tenant) | {"job": _job(tenant, ANOTHER, "succeeded").pk})
        _job(tenant, A_THIRD, "paused")
    _fill_platform(tenant)
    return Tenant.objects.get(pk=tenant.pk)


def _figures(tenant: Tenant) -> dict[str, int]:
    return {
        "tenant": tenant.pk,
        "libraries": LIBRARIES,
        "speakers": SPEAKERS,
        "each": UTTERANCES_EACH,
        "dimension": DIMENSION,
        "unusable": UNUSABLE,
        "openers": OPENERS,
        "jobs": JOBS,
        "events": EVENTS,
        "days": DAYS_OF_USAGE,
        "steps": STEPS,
    }


def _job(tenant: Tenant, model: str, state: str) -> Job:
    finished = None if state == "paused" else timezone.now() - timedelta(days=1)
    said = {"kind": Job.Kind.REEMBED, "parameters": {"model": model, "rate": None}, "done": 1000, "total": 300_000}
    job: Job = tenant.jobs.create(state=state, finished=finished, dispatched=timezone.now(), **said)
    return job


def _fill_platform(tenant: Tenant) -> None:
    user_model = get_user_model()
    users = user_model.objects.bulk_create(user_model(username=f"member {number}") for number in range(MEMBERS))
    invite(tenant, role=Role.VIEWER)
    opt_out(tenant, "nobody")
    with acting_as(tenant):
        Membership.all_tenants.bulk_create(Membership(tenant=tenant, user=user, role=Role.VIEWER) for user in users)
    Tenant.objects.bulk_create(
        Tenant(slug=f"tenant-{number}", name=f"Tenant {number}", app_id=f"app-{number}") for number in range(TENANTS)
    )
    with acting_as_platform(), connection.cursor() as cursor:
        cursor.execute(USAGE_ROWS, _figures(tenant))
