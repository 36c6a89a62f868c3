"""The console's pages about models: what a tenant keeps up, both models side by side, and changing from one to another.

Every address names the tenant; a member's own is the only one that is there for them.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import may_manage_access, open_to_both, own_tenant, page, refuse_unless
from tenants.generations import changing_models
from tenants.models import Tenant
from voiceprints import unusable
from voiceprints.comparison_page import comparison_of
from voiceprints.confirmation import is_confirmed
from voiceprints.errors import VoiceprintError
from voiceprints.model_changes import DEEDS, Deed, RateRefused, model_in
from voiceprints.model_page import models_page, progress_of
from voiceprints.own_recordings import QUICK
from voiceprints.refusals import in_words
from voiceprints.side_by_side import report

FAILURES_PER_PAGE = 50


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    return choose_tenant(request, _("Models"), _address, template="tenants_models")


@require_safe
def tenant_models(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    return page(request, "models", _about(request, tenant) | {"page": models_page(tenant)})


@require_safe
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """The part of the page that changes while a job is under way."""
    tenant = own_tenant(request, slug)
    model = model_in(request.GET)
    return page(request, "job_progress", {"tenant": tenant, "model": model, "progress": progress_of(tenant, model)})


@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    try:
        found = report(tenant, tenant.model, model_in(request.GET), QUICK)
    except VoiceprintError as refusal:
        return _refused(request, tenant, refusal)
    return page(request, "model_comparison", _about(request, tenant) | {"comparison": comparison_of(found)})


@require_safe
def failed(request: HttpRequest, slug: str) -> HttpResponse:
    """What the newest job with a model could not embed."""
    tenant, model = own_tenant(request, slug), model_in(request.GET)
    try:
        rows = unusable.failures(tenant, model)
    except VoiceprintError as refusal:
        return _refused(request, tenant, refusal)
    some = Paginator(rows, FAILURES_PER_PAGE).get_page(request.GET.get("p"))
    csv_address = reverse("admin:model_failures_csv", args=[tenant.slug], query={"model": model})
    shown = {"model": model, "page": some, "found": unusable.described(tenant, some), "csv_address": csv_address}
    return page(request, "model_failures", _about(request, tenant) | shown)


@require_safe
def failed_csv(request: HttpRequest, slug: str) -> HttpResponse:
    tenant, model = own_tenant(request, slug), model_in(request.GET)
    try:
        found = unusable.described(tenant, unusable.failures(tenant, model))
    except VoiceprintError as refusal:
        return _refused(request, tenant, refusal)
    named = {"Content-Disposition": content_disposition_header(True, f"{tenant.slug}-{model}-failed.csv") or ""}
    # With the mark by which spreadsheets know that it is UTF-8.
    return HttpResponse("\ufeff" + unusable.as_csv(found), content_type="text/csv; charset=utf-8", headers=named)


@open_to_both
def change(request: HttpRequest, slug: str, deed: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    if deed not in DEEDS:
        raise Http404
    refuse_unless(may_manage_access(request))
    try:
        return _done_or_asked(request, tenant, DEEDS[deed])
    except (VoiceprintError, RateRefused) as refusal:
        return _refused(request, tenant, refusal)


def _done_or_asked(request: HttpRequest, tenant: Tenant, deed: Deed) -> HttpResponse:
    if deed.ask and not is_confirmed(request):
        model = model_in(request.POST or request.GET)
        question = deed.ask(tenant, model)
        asked = {"title": _("Are you sure?"), "repeated": [("model", model)], "back": _address(tenant)}
        return page(request, "confirm", asked | vars(question))
    if request.method == "POST":
        # The strongest lock first: of two who press a button at once, one waits.
        with changing_models(tenant):
            messages.success(request, deed.carry_out(tenant, request.POST))
    return redirect(_address(tenant))


def _refused(request: HttpRequest, tenant: Tenant, refusal: Exception) -> HttpResponse:
    messages.error(request, in_words(refusal))
    return redirect(_address(tenant))


def _about(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    return {"title": _("Models"), "tenant": tenant, "may_manage": may_manage_access(request)}


def _address(tenant: Tenant) -> str:
    return reverse("admin:tenant_models", args=[tenant.slug])
