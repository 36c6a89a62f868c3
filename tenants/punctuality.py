"""Whether what is scheduled succeeds in time. A task that is switched off, or dies each time, does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Case, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Least
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from tenants.models import CleanupRun

Job = CleanupRun.Job

TOLD: Final = {
    "expire-recordings": Job.RECORDINGS,
    "expire-probes": Job.PROBES,
    "expire-enrollments": Job.ENROLLMENTS,
    "sweep-storage": Job.STORAGE,
    "sweep-recordings": Job.FILES,
    "note-sizes": Job.SIZES,
    "fold-stock": Job.STOCK,
    "sweep-answers": Job.ANSWERS,
    "sweep-sign-ins": Job.SIGN_INS,
    "seal-trail": Job.SEALS,
    "check-trail": Job.AUDIT,
    "tend-jobs": Job.WAITING_JOBS,
    "tend-erasures": Job.ERASURES,
    "vacuum-erased": Job.VACUUM,
    "sweep-jobs": Job.JOBS,
}
"""As what each task of the schedule tells of its runs."""
SCHEDULED_AS: Final = {str(job): task for task, job in TOLD.items()}
NEVER: Final = (ValueError, OverflowError)
"""What Celery raises of times that do not come: 31 February, or in a million years."""
LATE_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Cleanup:
    """`succeeded`: when a run last came to a good end. `late`: how long ago the next one should have begun."""

    job: str
    succeeded: datetime | None
    failed: bool
    late: timedelta

    @property
    def is_overdue(self) -> bool:
        return self.late > LATE_AFTER


def cleanups() -> list[Cleanup]:
    """As they are scheduled now, in one query.

    What never succeeded is late by its first run that is known or by the last migration, which may have brought it,
    whichever is earlier: of what is done all the time only the last failure is known.
    """
    jobs = Case(*(When(name=name, then=Value(str(job))) for name, job in TOLD.items()))
    finished = CleanupRun.objects.filter(job=OuterRef("job")).exclude(finished=None).order_by("-started")
    tried = CleanupRun.objects.filter(job=OuterRef("job")).order_by("started")
    migrated = MigrationRecorder.Migration.objects.order_by("-applied")
    tasks = PeriodicTask.objects.filter(name__in=TOLD).select_related("interval", "crontab").annotate(job=jobs)
    found = tasks.annotate(
        succeeded=_first(finished.filter(problem=""), "finished"),
        problem=_first(finished, "problem"),
        began=Least(_first(tried, "started"), _first(migrated, "applied")),
    )
    return [
        Cleanup(task.job, task.succeeded, bool(task.problem), _late(task, task.succeeded or task.began))
        for task in found.order_by("name")
    ]


def comes(times: CrontabSchedule) -> bool:
    """Whether there is any such moment."""
    try:
        _due_in(times, timezone.now())
    except NEVER:
        return False
    return True


def _first(rows: QuerySet[Any], column: str) -> Subquery:
    return Subquery(rows.values(column)[:1])


def _late(task: PeriodicTask, since: datetime) -> timedelta:
    """By its own schedule, whether or not it is switched on."""
    try:
        return max(-_due_in(task, since), timedelta())
    except NEVER:
        return timezone.now() - since


def _due_in(row: PeriodicTask | CrontabSchedule, since: datetime) -> timedelta:
    """Raises NEVER."""
    schedule = row.schedule
    left: timedelta = schedule.remaining_estimate(since.astimezone(schedule.tz))
    return left
