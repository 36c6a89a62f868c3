"""List the tasks that the platform does by itself, or do one now, as the schedule would."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tenants.management.base import AttributedCommand
from tenants.models import CleanupRun
from tenants.punctuality import TOLD
from tenants.sealing import Problem


class Command(AttributedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="what", required=True)
        deeds.add_parser("list", help="each with its last run, as JSON lines")
        run = deeds.add_parser("run", help="here and now; exit status 1 if it fails")
        run.add_argument("name", choices=sorted(settings.CELERY_BEAT_SCHEDULE))

    def handle(self, *args: Any, what: str, name: str = "", **options: Any) -> str:
        if what == "list":
            return "\n".join(
                json.dumps({"name": each, "last": last_run(each)}) for each in settings.CELERY_BEAT_SCHEDULE
            )
        return done(name)


def done(name: str) -> str:
    """Raises CommandError."""
    current_app.loader.import_default_modules()
    begun = timezone.now()
    try:
        current_app.tasks[str(settings.CELERY_BEAT_SCHEDULE[name]["task"])]()
    except Exception as error:
        failed = f"{name} failed: {type(error).__name__}: {error}"
        raise CommandError("\n".join([failed, *found_since(name, begun)])) from error
    if not CleanupRun.objects.filter(job=TOLD[name], started__gte=begun).exists():
        raise CommandError(f"{name} runs already")
    return json.dumps({"name": name, "last": last_run(name)})


def found_since(name: str, begun: datetime) -> list[str]:
    """In lines, what the run found to be wrong."""
    runs = CleanupRun.objects.filter(job=TOLD[name], started__gte=begun)
    return [f"{one['chain']}: {Problem.from_wire(one)}" for run in runs for one in run.findings]


def last_run(name: str) -> dict[str, Any] | None:
    """None for what has not run."""
    run = CleanupRun.objects.filter(job=TOLD[name]).first()
    if run is None:
        return None
    finished = run.finished and run.finished.isoformat()
    told = {"started": run.started.isoformat(), "finished": finished, "problem": run.problem, "removed": run.counts}
    return told | ({"found": run.findings} if run.findings else {})
