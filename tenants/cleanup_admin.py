"""Console pages for platform staff about what the platform does by itself: when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from tenants.audit_words import place_in_words, problem_in_words
from tenants.console import PlatformAdmin, is_platform_staff
from tenants.models import CleanupRun
from tenants.punctuality import SCHEDULED_AS, comes
from tenants.schedules import Times, add_times, change_schedule, length_of, times_in_words
from tenants.sealing import Problem
from tenants.sentences import labelled, listed

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)

TIMES = {
    "interval": {
        "label": capfirst(_("interval")),
        "help_text": _("Every so often. Empty where it runs at times of the day."),
    },
    "crontab": {
        "label": capfirst(_("times of the day")),
        "help_text": _("At set times. Empty where it runs at an interval."),
    },
}
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=366)
STATE_COLOURS = {"done": "success", "failed": "danger", "running": "info"}


class TimesField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return times_in_words(obj)


@dataclass(frozen=True)
class Named:
    """In place of a task where its page says what is shown."""

    task: PeriodicTask

    @property
    def pk(self) -> int:
        key: int = self.task.pk
        return key

    @property
    def _meta(self) -> Any:
        return self.task._meta

    def __str__(self) -> str:
        return str(TASKS.get(self.task.name, self.task.name))


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("interval") and said.get("crontab"):
            raise ValidationError(_("Choose an interval or times of the day, not both."), code="both")
        if not (self.errors or said.get("interval") or said.get("crontab")):
            raise ValidationError(_("Choose an interval or times of the day."), code="none")
        if said.get("interval"):
            _check_interval(said["interval"])
        if said.get("crontab"):
            _check_crontab(said["crontab"])
        return said

    def _post_clean(self) -> None:
        """The checks of the model say the same in other words."""
        self._validate_unique = False
        super()._post_clean()  # type: ignore[misc]


@admin.register(PeriodicTask)
class ScheduleAdmin(PlatformAdmin):
    """Tasks are the platform's own: they are neither made nor removed here, but can be switched off."""

    trail_kind = "schedule"
    list_title = _("Schedule")
    form = ScheduleForm
    list_display = ["task_in_words", "id_in_logs", "enabled", "when", "last_run", "runs"]
    list_filter = ["enabled"]
    list_select_related = ["interval", "crontab"]
    search_fields = ["name", "task"]
    ordering = ["name"]
    fields = ["task_in_words", "id_in_logs", "enabled", "interval", "crontab", "last_run", "runs"]
    readonly_fields = ["task_in_words", "id_in_logs", "last_run", "runs"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def named(self, row: PeriodicTask) -> str:
        return str(Named(row))

    @display(description=_("task"), ordering="name")
    def task_in_words(self, task: PeriodicTask) -> str:
        return self.named(task)

    @display(description=_("id"), ordering="name")
    def id_in_logs(self, task: PeriodicTask) -> str:
        name: str = task.name
        return name

    @display(description=_("when"))
    def when(self, task: PeriodicTask) -> str:
        return times_in_words(task.interval or task.crontab)

    @display(description=_("last run"), ordering="last_run_at")
    def last_run(self, task: PeriodicTask) -> str:
        return date_format(localtime(task.last_run_at), "DATETIME_FORMAT") if task.last_run_at else "—"

    @display(description=_("runs"), ordering="total_run_count")
    def runs(self, task: PeriodicTask) -> int:
        count: int = task.total_run_count
        return count

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs |= {"form_class": TimesField, **TIMES[db_field.name]}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        named = Named(context["original"])
        return super().render_change_form(request, context | {"original": named, "subtitle": str(named)}, **kwargs)

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        change_schedule(obj, form.changed_data)


class TimesAdmin(PlatformAdmin):
    """Intervals and times of the day, to choose from; made where one is needed."""

    list_display = ["when"]

    @display(description=_("when"))
    def when(self, times: Times) -> str:
        return times_in_words(times)

    def save_model(self, request: HttpRequest, obj: Times, form: Any, change: bool) -> None:
        add_times(obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class IntervalForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not self.errors:
            _check_interval(IntervalSchedule(**said))
        return said


class CrontabForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not self.errors:
            _check_crontab(CrontabSchedule(**said))
        return said


@admin.register(IntervalSchedule)
class IntervalAdmin(TimesAdmin):
    trail_kind = "interval"
    form = IntervalForm
    fields = ["every", "period"]


@admin.register(CrontabSchedule)
class CrontabAdmin(TimesAdmin):
    trail_kind = "crontab"
    form = CrontabForm
    fields = ["minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone"]


@admin.register(CleanupRun)
class CleanupRunAdmin(PlatformAdmin):
    list_title = _("Clean-ups")
    list_display = ["job", "task", "state", "started", "seconds", "removed", "found"]
    list_filter = [("job", ChoicesDropdownFilter)]
    list_filter_submit = True
    fields = readonly_fields = ["job", "task", "outcome", "started", "finished", "removed", "problem", "found"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CleanupRun | None = None) -> bool:
        return obj is None and is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: CleanupRun | None = None) -> bool:
        return False

    @display(description=_("id"))
    def task(self, run: CleanupRun) -> str:
        """As on the page of the schedule, and for `manage.py cleanup run`."""
        return SCHEDULED_AS.get(run.job, "—")

    @display(description=_("state"))
    def outcome(self, run: CleanupRun) -> str:
        return str(self.state(run)[1])

    @display(description=_("state"), label=STATE_COLOURS)
    def state(self, run: CleanupRun) -> tuple[str, Any]:
        if run.problem:
            return "failed", _("failed")
        return ("done", _("done")) if run.finished else ("running", _("running, or broken off"))

    @display(description=_("seconds"))
    def seconds(self, run: CleanupRun) -> str:
        return f"{(run.finished - run.started).total_seconds():.1f}" if run.finished else "—"

    @display(description=_("what was wrong"))
    def found(self, run: CleanupRun) -> str:
        return format_html_join(mark_safe("<br>"), "{}", ((_found(finding),) for finding in run.findings)) or "—"

    @display(description=_("removed"))
    def removed(self, run: CleanupRun) -> str:
        return listed(labelled(WHAT.get(what, what), count) for what, count in sorted(run.counts.items())) or "—"


def _found(finding: dict[str, Any]) -> str:
    problem = Problem.from_wire(finding)
    about = {"chain": finding["chain"], "place": place_in_words(problem), "said": problem_in_words(problem.said)}
    return gettext("Audit trail of %(chain)s, %(place)s: %(said)s") % about


TASKS = {
    "expire-recordings": _("let go recordings whose time is over"),
    "expire-probes": _("let go probes whose time is over"),
    "expire-enrollments": _("let go enrollments never completed"),
    "sweep-storage": _("look for files without rows and rows without files"),
    "sweep-recordings": _("remove files nobody needs any more"),
    "note-sizes": _("note how large recordings are"),
    "fold-stock": _("add up speakers and storage of tenants"),
    "sweep-answers": _("forget answers kept for repeated requests"),
    "sweep-sign-ins": _("forget expired sessions, invitations and failed sign-ins"),
    "seal-trail": _("seal the audit trail"),
    "check-trail": _("verify the audit trail and let go what is old"),
    "tend-jobs": _("send jobs that wait for nobody"),
    "tend-erasures": _("carry on erasures"),
    "vacuum-erased": _("clear what was erased out of the database's files"),
    "sweep-jobs": _("remove jobs long over, and their files"),
}
"""What the platform does by itself, by the names in CELERY_BEAT_SCHEDULE."""

WHAT = {
    "recordings": _("recordings"),
    "probes": _("probes"),
    "enrollments": _("incomplete enrollments"),
    "files": _("files"),
    "exports": _("exports"),
    "uploads": _("uploads"),
    "lines": _("lines of jobs"),
    "jobs": _("jobs"),
    "answers": _("kept answers"),
    "failures": _("failures to sign in"),
    "invitations": _("invitations"),
    "sessions": _("sessions"),
    "runs": _("clean-up runs"),
    "events": _("audit events"),
    "strays": _("files without rows"),
    "foreign": _("files of somebody else"),
    "lost": _("rows without files"),
    "folders": _("empty folders"),
}


def _check_interval(interval: IntervalSchedule) -> None:
    if not SHORTEST <= length_of(interval) <= LONGEST:
        raise ValidationError(_("An interval lasts from one second to a year."), code="length")


def _check_crontab(crontab: CrontabSchedule) -> None:
    if not comes(crontab):
        raise ValidationError(_("There is no such day."), code="never")
