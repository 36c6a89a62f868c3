"""When the platform does what it does by itself: rows that Celery's clock reads, changed by platform staff."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.utils import translation
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.trail import Target, note

EVERY: Final = {
    timedelta(days=1): (gettext_lazy("every day"), gettext_lazy("every %d days")),
    timedelta(hours=1): (gettext_lazy("every hour"), gettext_lazy("every %d hours")),
    timedelta(minutes=1): (gettext_lazy("every minute"), gettext_lazy("every %d minutes")),
    timedelta(seconds=1): (gettext_lazy("every second"), gettext_lazy("every %d seconds")),
}
"""The largest first; of one, and of several."""
DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

Times: TypeAlias = IntervalSchedule | CrontabSchedule


def times_in_words(times: Times) -> str:
    """What is neither hourly, daily nor weekly stays as cron writes it."""
    if isinstance(times, IntervalSchedule):
        return _interval_in_words(times)
    said = _crontab_in_words(times)
    return said if str(times.timezone) == settings.TIME_ZONE else f"{said} ({times.timezone})"


def length_of(interval: IntervalSchedule) -> timedelta:
    """What is longer than anybody can count is as long as can be."""
    try:
        return timedelta(**{interval.period: interval.every})
    except OverflowError:
        return timedelta.max


def _interval_in_words(interval: IntervalSchedule) -> str:
    lasts = length_of(interval)
    for unit, (once, often) in EVERY.items():
        if lasts % unit == timedelta():
            return str(once if lasts == unit else often % (lasts // unit))
    return str(interval)


def _crontab_in_words(crontab: CrontabSchedule) -> str:
    minute, hour, weekday = str(crontab.minute), str(crontab.hour), _weekday(crontab.day_of_week)
    if not minute.isdecimal() or (crontab.day_of_month, crontab.month_of_year) != ("*", "*"):
        return _as_cron(crontab)
    if hour == "*" and weekday == "*":
        return _("every hour at minute %s") % minute
    if not hour.isdecimal() or weekday is None:
        return _as_cron(crontab)
    words = {"day": weekday, "time": f"{int(hour):02}:{int(minute):02}"}
    return (_("every day at %(time)s") if weekday == "*" else _("every %(day)s at %(time)s")) % words


def _weekday(said: str) -> Any:
    """Its name, an asterisk for every day, None for anything else."""
    if said == "*":
        return said
    number = int(said) % len(DAYS) if said.isdecimal() else DAYS.index(said.lower()) if said.lower() in DAYS else None
    # Django's week begins on Monday.
    return None if number is None else str(WEEKDAYS[(number - 1) % len(DAYS)])


def _as_cron(crontab: CrontabSchedule) -> str:
    fields = (crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    return " ".join(str(field).replace(" ", "") for field in fields)


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


def add_times(times: Times) -> None:
    """To choose from; no task runs at them yet."""
    kind = "interval" if isinstance(times, IntervalSchedule) else "crontab"
    with acting_as_platform():
        times.save()
        note(None, Action.TIMES_ADDED, Target(kind, times.pk, _in_the_trail(times)))


def _said(task: PeriodicTask) -> dict[str, str | bool]:
    return {"enabled": task.enabled, "when": _in_the_trail(task.interval or task.crontab)}


def _in_the_trail(times: Times) -> str:
    """Whatever language the reader has: the trail has one."""
    with translation.override(settings.LANGUAGE_CODE):
        return times_in_words(times)
