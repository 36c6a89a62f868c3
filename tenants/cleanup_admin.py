"""Console pages for platform staff about what the platform does by itself: when, and what came of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.decorators import display

from tenants.console import PlatformAdmin, is_platform_staff
from tenants.models import CleanupRun
from tenants.schedules import change_schedule

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)

STATE_COLOURS = {"done": "success", "failed": "danger", "running": "info"}


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if bool(said.get("interval")) == bool(said.get("crontab")):
            raise ValidationError(_("Choose an interval or times of the day, not both."), code="one")
        return said

    def _post_clean(self) -> None:
        """The checks of the model say the same in other words."""
        self._validate_unique = False
        super()._post_clean()  # type: ignore[misc]


@admin.register(PeriodicTask)
class ScheduleAdmin(PlatformAdmin):
    """Tasks are the platform's own: they are neither made nor removed here, but can be switched off."""

    trail_kind = "schedule"
    form = ScheduleForm
    list_display = ["name", "enabled", "when", "last_run_at", "total_run_count"]
    list_filter = ["enabled"]
    list_select_related = ["interval", "crontab"]
    search_fields = ["name", "task"]
    ordering = ["name"]
    fields = ["name", "task", "enabled", "interval", "crontab", "last_run_at", "total_run_count"]
    readonly_fields = ["name", "task", "last_run_at", "total_run_count"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("when"))
    def when(self, task: PeriodicTask) -> str:
        return str(task.interval or task.crontab)

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        change_schedule(obj, form.changed_data)


class TimesAdmin(PlatformAdmin):
    """Intervals and times of the day, to choose from; made where one is needed."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(IntervalSchedule)
class IntervalAdmin(TimesAdmin):
    list_display = ["__str__"]
    fields = ["every", "period"]


@admin.register(CrontabSchedule)
class CrontabAdmin(TimesAdmin):
    list_display = ["__str__"]
    fields = ["minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone"]


@admin.register(CleanupRun)
class CleanupRunAdmin(PlatformAdmin):
    list_display = ["job", "state", "started", "seconds", "removed"]
    list_filter = ["job"]
    fields = readonly_fields = ["job", "state", "started", "finished", "removed", "problem"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CleanupRun | None = None) -> bool:
        return obj is None and is_platform_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: CleanupRun | None = None) -> bool:
        return False

    @display(description=_("state"), label=STATE_COLOURS)
    def state(self, run: CleanupRun) -> tuple[str, Any]:
        if run.problem:
            return "failed", _("failed")
        return ("done", _("done")) if run.finished else ("running", _("running, or broken off"))

    @display(description=_("seconds"))
    def seconds(self, run: CleanupRun) -> str:
        return f"{(run.finished - run.started).total_seconds():.1f}" if run.finished else "—"

    @display(description=_("removed"))
    def removed(self, run: CleanupRun) -> str:
        return ", ".join(f"{WHAT.get(what, what)}: {count}" for what, count in sorted(run.counts.items())) or "—"


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
}
