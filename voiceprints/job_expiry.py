"""Letting go what jobs leave once it was kept long enough: files of exports, uploads, and jobs with their lines.

A few at a time, and each time the audit trail of whoever had them tells how many went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import Tally, delete_rows
from tenants.context import acting_as_platform
from tenants.models import Tenant
from tenants.trail import note
from voiceprints import recordings
from voiceprints.models import Job, JobRow

FILES_OF_JOBS_AT_ONCE: Final = 20


@dataclass(frozen=True)
class Files:
    """Of a job; `gone` is what its row says once they are."""

    name: str
    action: Action
    of: Callable[[Job], list[str]]
    gone: dict[str, Any]


EXPORTS: Final = Files("exports", Action.EXPORTS_EXPIRED, lambda job: [job.output], {"output": ""})
UPLOADS: Final = Files("uploads", Action.UPLOADS_EXPIRED, lambda job: job.inputs, {"inputs": [], "inputs_expire": None})


def sweep(tally: Tally) -> None:
    now = timezone.now()
    exports = Job.all_tenants.filter(expires__lte=now).exclude(output="")
    uploads = Job.all_tenants.filter(inputs_expire__lte=now)
    long_over = Job.all_tenants.filter(
        output="", inputs=[], finished__lte=now - timedelta(days=settings.JOBS_KEPT_DAYS)
    )
    _until_none_is_left(lambda: _let_files_go(exports, EXPORTS, tally))
    # Unless somebody is just trying again.
    _until_none_is_left(lambda: _let_files_go(uploads, UPLOADS, tally))
    _let_jobs_go(long_over, tally)


def _until_none_is_left(some: Callable[[], int]) -> None:
    """What goes a few at a time, each in a transaction of its own."""
    gone = FILES_OF_JOBS_AT_ONCE
    while gone == FILES_OF_JOBS_AT_ONCE:
        with acting_as_platform():
            gone = some()


def _let_files_go(expired: QuerySet[Job], files: Files, tally: Tally) -> int:
    found = _some(expired)
    for job in found:
        recordings.let_go(job.tenant, files.of(job))
    Job.all_tenants.filter(pk__in=[job.pk for job in found]).update(**files.gone)
    for tenant, count in _by_tenant(found):
        told: dict[str, Any] = {files.name: count}
        note(tenant, files.action, **told)
    tally.add(**{files.name: len(found)})
    return len(found)


def _some(jobs: QuerySet[Job]) -> list[Job]:
    locked = jobs.select_for_update(skip_locked=True, of=["self"])
    return list(locked.select_related("tenant")[:FILES_OF_JOBS_AT_ONCE])


def _by_tenant(jobs: Iterable[Job]) -> Iterable[tuple[Tenant, int]]:
    return Counter(job.tenant for job in jobs).items()


def _let_jobs_go(long_over: QuerySet[Job], tally: Tally) -> None:
    """Lines first, of which a job may have very many."""
    with acting_as_platform():
        tenants = list(Tenant.objects.filter(pk__in=long_over.order_by().values("tenant")).order_by("pk"))
    for tenant in tenants:
        jobs = long_over.filter(tenant=tenant)
        for count in delete_rows(JobRow.all_tenants.filter(job__in=jobs)):
            _tell(tenant, job_lines=count)
            tally.add(lines=count)
        for count in delete_rows(jobs):
            _tell(tenant, jobs=count)
            tally.add(jobs=count)


def _tell(tenant: Tenant, **counts: Any) -> None:
    if any(counts.values()):
        note(tenant, Action.JOBS_EXPIRED, **counts)
