"""When the platform does what it does by itself: rows that Celery's clock reads, changed by platform staff."""

from __future__ import annotations

from collections.abc import Collection

from django_celery_beat.models import PeriodicTask

from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.trail import Target, note


def change_schedule(task: PeriodicTask, changed: Collection[str]) -> None:
    """Store these fields; the clock reads them within seconds."""
    with acting_as_platform():
        before = _said(PeriodicTask.objects.get(pk=task.pk))
        if "enabled" in changed and task.enabled:
            # What was missed meanwhile is not made up for.
            task.last_run_at = None
        task.save()
        after = _said(task)
        changes = {field: [before[field], after[field]] for field in before if before[field] != after[field]}
        if changes:
            note(None, Action.SCHEDULE_CHANGED, Target("schedule", task.pk, task.name), changes=changes)


def _said(task: PeriodicTask) -> dict[str, str | bool]:
    return {"enabled": task.enabled, "when": str(task.interval or task.crontab)}
