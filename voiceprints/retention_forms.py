"""What people type into the console about how long something is kept."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminRadioSelectWidget

from tenants.models import LONGEST_PERIOD_DAYS
from voiceprints.retention import OwnPeriod

FOREVER, DAYS, NOT_AT_ALL, AS_TENANT = "forever", "days", "not-at-all", "tenant"
FOR_EVER = (FOREVER, _("for ever"))
FOR_DAYS = (DAYS, _("for so many days"))
CHOICES = {
    "recordings": [FOR_EVER, FOR_DAYS, (NOT_AT_ALL, _("not at all: only what was measured in them"))],
    "probes": [FOR_EVER, FOR_DAYS],
    "enrollments": [FOR_EVER, FOR_DAYS],
}


class PeriodForm(forms.Form):
    """Of a tenant; `what` is one of its periods."""

    kept = forms.ChoiceField(label=_("Kept"), widget=UnfoldAdminRadioSelectWidget)
    days = forms.IntegerField(
        label=_("Days"),
        required=False,
        min_value=1,
        max_value=LONGEST_PERIOD_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, data: Any, *, choices: list[tuple[str, Any]], kept: str, days: int | None) -> None:
        super().__init__(data, initial={"kept": kept, "days": days or None})
        self.fields["kept"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("kept") == DAYS and said.get("days") is None and "days" not in self.errors:
            self.add_error("days", ValidationError(_("How many?"), code="required"))
        return said

    @property
    def period(self) -> int | None:
        return {FOREVER: None, NOT_AT_ALL: 0}.get(self.cleaned_data["kept"], self.cleaned_data["days"])

    @property
    def own_period(self) -> OwnPeriod | None:
        return None if self.cleaned_data["kept"] == AS_TENANT else OwnPeriod(self.period)


def form_of_tenant(data: Any, what: str, days: int | None) -> PeriodForm:
    return PeriodForm(data, choices=CHOICES[what], kept=_kept(what, days), days=days)


def form_of_library(data: Any, own: OwnPeriod | None) -> PeriodForm:
    choices = [(AS_TENANT, _("as the tenant says")), *CHOICES["recordings"]]
    kept = _kept("recordings", own.days) if own else AS_TENANT
    return PeriodForm(data, choices=choices, kept=kept, days=own.days if own else None)


def _kept(what: str, days: int | None) -> str:
    if days is None:
        return FOREVER
    return NOT_AT_ALL if days == 0 and what == "recordings" else DAYS
