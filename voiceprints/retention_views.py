"""The console's pages about how long something is kept: everybody reads them, owners and platform staff change them.

Nothing is changed before a page has said how much goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import may_manage_access, open_to_both, own_tenant, page, refuse_unless
from tenants.context import acting_as
from tenants.models import Tenant
from voiceprints import retention
from voiceprints.confirmation import is_confirmed
from voiceprints.errors import LibraryNotFound
from voiceprints.expiry import Due
from voiceprints.models import Library
from voiceprints.retention_forms import PeriodForm, form_of_library, form_of_tenant

NAMES: Final = {
    "recordings": gettext_lazy("Recordings"),
    "probes": gettext_lazy("Probes"),
    "enrollments": gettext_lazy("Incomplete enrollments"),
}
EXPLAINED: Final = {
    "recordings": gettext_lazy(
        "When the time is over the recording goes. What was measured in it and the voiceprint stay, so the speaker is "
        "recognised as before; but nobody can listen to it, and another model cannot be given it to hear."
    ),
    "probes": gettext_lazy("What clients leave here only to compare it by name. It goes with all that was kept of it."),
    "enrollments": gettext_lazy(
        "Speakers who said less than an enrollment needs. They go, with what they said, when nothing came for so long."
    ),
}


@dataclass(frozen=True)
class Rule:
    """A period of the tenant's, on its page."""

    what: str
    days: int | None
    due: int

    @property
    def name(self) -> Any:
        return NAMES[self.what]

    @property
    def explained(self) -> Any:
        return EXPLAINED[self.what]

    @property
    def kept(self) -> str:
        return in_words(self.what, self.days)


@dataclass(frozen=True)
class OwnRule:
    """Of a library, on the tenant's page."""

    library: Library

    @property
    def kept(self) -> str:
        return in_words("recordings", self.library.recordings_kept_days)


@dataclass(frozen=True)
class Change:
    """Of one rule, as the form says once it is valid."""

    name: str
    explained: Any
    form: PeriodForm
    foresee: Callable[[], Due]
    carry_out: Callable[[], None]


def in_words(what: str, days: int | None) -> str:
    if days is None:
        return _("for ever")
    if days == 0 and what == "recordings":
        return _("not at all")
    return ngettext("%d day", "%d days", days) % days


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    return choose_tenant(request, _("Retention"), _address)


@require_safe
def tenant_retention(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    with acting_as(tenant):
        ruled = retention.look(tenant)
        libraries = [OwnRule(library) for library in retention.own_periods(tenant)]
    overdue = asdict(ruled.due)
    rules = [Rule(what, days, overdue[what]) for what, days in asdict(ruled.periods).items()]
    about = {"title": _("Retention"), "tenant": tenant, "rules": rules, "libraries": libraries}
    return page(request, "retention", about | {"may_manage": may_manage_access(request)})


@open_to_both
def change(request: HttpRequest, slug: str, what: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    if what not in NAMES:
        raise Http404
    refuse_unless(may_manage_access(request))
    before = asdict(retention.periods_of(tenant))[what]
    form = form_of_tenant(request.POST or None, what, before)

    def foreseen() -> Due:
        return retention.foresee(tenant, **{what: form.period}).due

    def changed() -> None:
        retention.change(tenant, **{what: form.period})

    return _asked(request, tenant, Change(str(NAMES[what]), EXPLAINED[what], form, foreseen, changed))


@open_to_both
def change_library(request: HttpRequest, slug: str, library_id: int) -> HttpResponse:
    tenant = own_tenant(request, slug)
    try:
        ruled = retention.look_at_library(tenant, library_id)
    except LibraryNotFound:
        raise Http404 from None
    refuse_unless(may_manage_access(request))
    form = form_of_library(request.POST or None, ruled.own_period)

    def foreseen() -> Due:
        going = retention.foresee_library(tenant, library_id, form.own_period).due
        return Due(recordings=going, probes=0, enrollments=0)

    def changed() -> None:
        retention.change_library(tenant, library_id, form.own_period)

    return _asked(request, tenant, Change(str(ruled.library), EXPLAINED["recordings"], form, foreseen, changed))


def _asked(request: HttpRequest, tenant: Tenant, change: Change) -> HttpResponse:
    """The form; then what would go; then it is done."""
    back = _address(tenant)
    about: dict[str, Any] = {"title": _("Retention: %s") % change.name, "parent": _("Retention"), "back": back}
    if not change.form.is_valid():
        asked = {"explanation": change.explained, "form": change.form, "button": _("Continue")}
        return page(request, "form", about | asked)
    if is_confirmed(request):
        change.carry_out()
        messages.success(request, _("The rule is changed. What is due goes within an hour."))
        return redirect(back)
    sent = [(field, request.POST[field]) for field in ("kept", "days") if field in request.POST]
    due = _in_words(change.foresee())
    about |= {
        "question": _("Change how long this is kept?"),
        "button": _("Change"),
        "lead": _("With this rule is due, and goes within an hour:") if due else _("Nothing is due under this rule."),
        "consequences": due,
        "repeated": sent,
    }
    return page(request, "confirm", about)


def _in_words(due: Due) -> list[str]:
    said = [
        ngettext("%d recording", "%d recordings", due.recordings) % due.recordings,
        ngettext("%d probe", "%d probes", due.probes) % due.probes,
        ngettext("%d incomplete enrollment", "%d incomplete enrollments", due.enrollments) % due.enrollments,
    ]
    counts = (due.recordings, due.probes, due.enrollments)
    return [words for words, count in zip(said, counts, strict=True) if count]


def _address(tenant: Tenant) -> str:
    return reverse("admin:tenant_retention", args=[tenant.slug])
