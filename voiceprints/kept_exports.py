"""Exports that outlast whom they hold: people export before they delete. Erasing somebody looks through them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Min, QuerySet

from voiceprints.models import Job, Library, Speaker, Utterance


def holding_speakers(speakers: QuerySet[Speaker]) -> list[Job]:
    """Newest first, by what their rows say: nothing is opened. Who was moved since is not looked for."""
    kept = list(
        Job.all_tenants.exports_kept().filter(tenant__in=speakers.order_by().values("tenant")).select_related("tenant")
    )
    if not kept:
        return []
    enrolled = speakers.exclude(status=Speaker.Status.PROBE).order_by()
    libraries = enrolled.values_list("tenant", "library__org_id", "library__tag_id").annotate(since=Min("created"))
    oldest = {(tenant, org_id, tag_id): since for tenant, org_id, tag_id, since in libraries}
    return [job for job in kept if _is_newer(job, oldest)]


def holding_libraries(libraries: QuerySet[Library]) -> list[Job]:
    return holding_speakers(Speaker.all_tenants.filter(library__in=libraries.order_by().values("pk")))


def holding_utterances(utterances: QuerySet[Utterance]) -> list[Job]:
    return holding_speakers(Speaker.all_tenants.filter(pk__in=utterances.order_by().values("speaker")))


def _is_newer(job: Job, oldest: dict[tuple[Any, ...], datetime]) -> bool:
    """Than the oldest speaker of its library."""
    since = oldest.get((job.tenant_id, job.parameters.get("org_id"), job.parameters.get("tag_id")))
    return bool(since and job.finished and job.finished >= since)
