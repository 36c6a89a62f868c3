"""The console's page about the audit trail: for owners, auditors and platform staff, one chain at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from tenants.actions import Action
from tenants.audit_words import place_in_words, problem_in_words
from tenants.auditing import Line, Search, Verification, as_plain, exported, last_check, note_export, page_of_events
from tenants.choosing import choose_tenant
from tenants.console import (
    any_tenant,
    is_platform_staff,
    may_read_audit,
    membership_of,
    number_in,
    opens_own_transactions,
    own_view,
    page,
    refuse_unless,
)
from tenants.models import AuditEvent, Tenant
from tenants.sealing import chain_of
from tenants.spreadsheets import harmless
from tenants.verifying import QueueUnreachable, have_verified, is_recent, mark_of

ROWS_SHOWN = 50


class AuditForm(forms.Form):
    action = forms.ChoiceField(required=False, choices=[("", gettext_lazy("anything")), *Action.choices])
    actor = forms.CharField(required=False, max_length=200)
    object = forms.CharField(required=False, max_length=200)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def search(self) -> Search:
        """Days are whole ones of the time zone here. What cannot be read narrows nothing down."""
        self.is_valid()
        said = self.cleaned_data
        since, until = said.get("since"), said.get("until")
        return Search(
            action=said.get("action", ""),
            actor=said.get("actor", ""),
            object=said.get("object", ""),
            since=_midnight(since) if since else None,
            until=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
        )


@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    refuse_unless(may_read_audit(request))
    tenant = _chosen_chain(request)
    form = AuditForm(request.GET)
    before = number_in(request.GET.get("before", ""))
    rows, older = page_of_events(tenant, form.search(), before=before, limit=ROWS_SHOWN)
    verification = _verification(request, tenant)
    context = {
        "title": _("Audit"),
        "form": form,
        "lines": [Line(event, with_addresses=True) for event in rows],
        "verification": verification,
        "problems": [
            (place_in_words(one), problem_in_words(one.said), _beginning_with(tenant, one.number))
            for one in verification.problems
        ],
        "progress": reverse(
            "admin:audit_check", query=_named(tenant) | _awaiting(verification.awaited_after, verification.asked)
        ),
        "tenant": tenant,
        "may_choose": is_platform_staff(request),
        "older": f"?{_address(request, before=older)}" if older else "",
        "newest": f"?{_address(request)}" if "before" in request.GET else "",
        "wanted": _address(request),
    }
    return page(request, "audit", context)


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """The chain of one tenant."""
    refuse_unless(may_read_audit(request))
    return choose_tenant(request, _("Audit"), lambda tenant: reverse("admin:audit", query={"tenant": tenant.slug}))


@opens_own_transactions
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Now, by a worker: the page it leads to says when that is over."""
    with own_view(request):
        refuse_unless(may_read_audit(request))
        tenant = _chosen_chain(request)
        last = last_check(tenant)
    mark, shown = mark_of(last), reverse("admin:audit", query=_named(tenant))
    if is_recent(last):
        messages.info(request, _("This was verified less than a minute ago."))
        return redirect(shown)
    try:
        have_verified(chain_of(tenant), mark)
    except QueueUnreachable:
        messages.error(request, _("The workers cannot be reached now. Try again in a moment."))
        return redirect(shown)
    return redirect(reverse("admin:audit", query=_named(tenant) | _awaiting(mark, int(timezone.now().timestamp()))))


@require_safe
def check(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes when a verification is over."""
    refuse_unless(may_read_audit(request))
    return page(request, "intact", {"verification": _verification(request, _chosen_chain(request))})


@opens_own_transactions
@require_safe
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Streamed as it is read, portion by portion."""
    if form not in FORMS:
        raise Http404
    with own_view(request):
        refuse_unless(may_read_audit(request))
        tenant = _chosen_chain(request)
    search = AuditForm(request.GET).search()
    note_export(tenant, search, form)
    write, content_type = FORMS[form]
    name = f"audit-{tenant.slug if tenant else 'platform'}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(write(exported(tenant, search)), content_type=content_type, headers=headers)


class Echo:
    """What a csv.writer writes to, which hands each line on."""

    def write(self, line: str) -> str:
        return line


def as_csv(events: Iterator[AuditEvent]) -> Iterator[str]:
    writer: Any = csv.writer(Echo())
    heading = True
    for event in events:
        said = as_plain(event) | {"details": json.dumps(event.details, ensure_ascii=False)}
        if heading:
            yield writer.writerow(said)
            heading = False
        yield writer.writerow([harmless(value) for value in said.values()])


def as_json_lines(events: Iterator[AuditEvent]) -> Iterator[str]:
    return (json.dumps(as_plain(event), ensure_ascii=False) + "\n" for event in events)


FORMS = {"csv": (as_csv, "text/csv; charset=utf-8"), "jsonl": (as_json_lines, "application/x-ndjson")}


def _chosen_chain(request: HttpRequest) -> Tenant | None:
    """A member's own tenant; for platform staff the one they name, or the platform's chain. Raises Http404."""
    wanted = request.GET.get("tenant", "")
    membership = membership_of(request)
    if membership is None:
        return any_tenant(wanted) if wanted else None
    if wanted not in ("", membership.tenant.slug):
        raise Http404
    return membership.tenant


def _verification(request: HttpRequest, tenant: Tenant | None) -> Verification:
    asked = number_in(request.GET.get("asked", ""))
    return Verification(last_check(tenant), request.GET.get("verifying", ""), asked)


def _awaiting(mark: str, asked: int | None) -> dict[str, Any]:
    return {"verifying": mark, "asked": asked or ""}


def _beginning_with(tenant: Tenant | None, number: int) -> str:
    """The page whose first line is that event, or what is left of its neighbourhood."""
    return reverse("admin:audit", query=_named(tenant) | {"before": number + 1})


def _named(tenant: Tenant | None) -> dict[str, Any]:
    return {"tenant": tenant.slug} if tenant else {}


def _address(request: HttpRequest, **changes: Any) -> str:
    parameters = request.GET.copy()
    parameters.pop("before", None)
    parameters.pop("verifying", None)
    parameters.pop("asked", None)
    for name, value in changes.items():
        parameters[name] = str(value)
    return parameters.urlencode()


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
