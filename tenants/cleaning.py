"""Running clean-up jobs: each once at a time, a little at a time, and with a row that says what came of it.

What is left to do is in the rows to be removed, so whoever comes after a crash goes on where it happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from tenants.clocks import refuse_wrong_clock
from tenants.context import acting_as_platform
from tenants.locks import alone
from tenants.models import CleanupRun
from tenants.resting import resting

logger = logging.getLogger("openvpr.cleanup")

ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Tally:
    """What a run has removed so far."""

    run: CleanupRun

    def add(self, **counts: int) -> None:
        """In the transaction that removes it, if there is one, so that a crash leaves true figures."""
        found = {what: count for what, count in counts.items() if count}
        for what, count in found.items():
            self.run.counts[what] = self.run.counts.get(what, 0) + count
        if found:
            self.run.save(update_fields=["counts"])

    def find(self, **finding: Any) -> None:
        """Something is wrong, whatever else the run comes to."""
        self.run.findings.append(finding)
        self.run.save(update_fields=["findings"])


Done = TypeVar("Done")
Deed = Callable[[Tally], object]


def clean(job: str, deed: Deed) -> CleanupRun | None:
    """Do it and tell what came of it; None when somebody else is at it. What the deed raises is noted and raised.

    Raises WrongClock before anything is done.
    """
    with resting(), alone(f"clean-up {job}") as mine:
        if not mine:
            logger.info("clean-up job=%s runs already", job)
            return None
        run = CleanupRun.objects.create(job=CleanupRun.Job(job))
        try:
            refuse_wrong_clock()
            deed(Tally(run))
        except Exception as error:
            _end(run, type(error).__name__)
            raise
        _end(run)
        return run


def keep_up(job: str, deed: Callable[[], Done]) -> Done:
    """What is done all the time, also by several at once: the last success and the last failure are kept."""
    begun = timezone.now()
    try:
        done = deed()
    except Exception as error:
        _tell_of_last(job, begun, type(error).__name__)
        raise
    _tell_of_last(job, begun)
    return done


def _tell_of_last(job: str, begun: datetime, problem: str = "") -> None:
    told: dict[str, Any] = {"started": begun, "finished": timezone.now(), "problem": problem}
    of_job = CleanupRun.objects.filter(job=CleanupRun.Job(job))
    if not (of_job.exclude(problem="") if problem else of_job.filter(problem="")).update(**told):
        of_job.create(job=CleanupRun.Job(job), **told)


def delete_rows(rows: QuerySet[Any]) -> Iterator[int]:
    """All of these rows of the platform's, few at a time and each time in a transaction of its own: how many went.

    What somebody else has locked stays for the next run.
    """
    while True:
        with acting_as_platform():
            batch = list(
                rows.select_for_update(skip_locked=True, of=["self"]).values_list("pk", flat=True)[:ROWS_AT_ONCE]
            )
            rows.model._default_manager.filter(pk__in=batch).delete()
            yield len(batch)
        if len(batch) < ROWS_AT_ONCE:
            return


def forget_old_runs(tally: Tally) -> None:
    """But not the last success of each job, by which it is known whether it is late."""
    kept_since = timezone.now() - timedelta(days=settings.CLEANUPS_KEPT_DAYS)
    last = CleanupRun.objects.filter(problem="").exclude(finished=None).order_by("job", "-started").distinct("job")
    old = CleanupRun.objects.filter(started__lt=kept_since).exclude(pk__in=last.values("pk"))
    for count in delete_rows(old):
        tally.add(runs=count)


def _end(run: CleanupRun, problem: str = "") -> None:
    run.finished, run.problem = timezone.now(), problem
    run.save(update_fields=["finished", "problem"])
    if not problem:
        idle = CleanupRun.objects.filter(job=run.job, counts={}, problem="").exclude(finished=None)
        idle.filter(pk__lt=run.pk).delete()
    seconds = (run.finished - run.started).total_seconds()
    removed = " ".join(f"{what}={count}" for what, count in sorted(run.counts.items())) or "nothing"
    level = logging.ERROR if problem else logging.INFO if run.counts else logging.DEBUG
    logger.log(level, "clean-up job=%s seconds=%.1f %s %s", run.job, seconds, removed, problem)
