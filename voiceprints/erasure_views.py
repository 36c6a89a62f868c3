"""The console's pages about erasures: who may begin one types the id, and whoever may read the audit finds receipts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from tenants.choosing import choose_tenant
from tenants.console import (
    is_platform_staff,
    may_manage_access,
    may_read_audit,
    open_to_both,
    opens_own_transactions,
    own_tenant,
    own_view,
    page,
    refuse_unless,
)
from tenants.models import Tenant
from voiceprints import erasure, leaving
from voiceprints.erasure_forms import ErasureForm, LeavingForm
from voiceprints.errors import ErasureNotFound, ErasureUnfinished, VoiceprintError
from voiceprints.models import Erasure
from voiceprints.pages import LARGEST_KEY, chosen_speaker, older_ones
from voiceprints.paging import Page
from voiceprints.refusals import in_words

SHOWN = 50


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    refuse_unless(may_read_audit(request))
    return choose_tenant(request, _("Erasures"), _list_address, template="tenants_erasures")


@require_safe
def tenant_erasures(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    refuse_unless(may_read_audit(request))
    found = erasure.page_erasures(tenant, where=older_ones(request), limit=SHOWN)
    about = {"title": _("Erasures"), "tenant": tenant, "may_erase": may_manage_access(request)}
    seen = {"sees_gone": is_platform_staff(request)}
    return page(request, "erasures", about | seen | _listed(request, found) | _about_leaving(request, tenant))


@require_safe
def gone(request: HttpRequest) -> HttpResponse:
    """Tenants as a whole, which have no page of their own any more."""
    _find_only_for_staff(request)
    found = erasure.page_gone(where=older_ones(request), limit=SHOWN)
    about = {"title": _("Erased tenants"), "parent": _("Erasures"), "back": reverse("admin:erasures")}
    return page(request, "gone", about | _listed(request, found))


@opens_own_transactions
@open_to_both
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """Each step of an erasure is a transaction of its own."""
    with own_view(request):
        tenant = own_tenant(request, slug)
        refuse_unless(may_manage_access(request))
        form = ErasureForm(tenant, request.POST or None, initial=chosen_speaker(request, tenant))
        ready = request.method == "POST" and form.is_valid()
        if not ready:
            return _form_page(request, tenant, form)
    try:
        begun = _begun(tenant, form.cleaned_data)
    except VoiceprintError as refusal:
        form.add_error("external_id", in_words(refusal))
        with own_view(request):
            return _form_page(request, tenant, form)
    messages.success(request, told_of(begun))
    return redirect(f"{_list_address(tenant)}#erasure-{begun.pk}")


@open_to_both
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """For good once the time has passed; whoever works in the tenant is out at once."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    form = LeavingForm(tenant, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            leaving.close(tenant, grace=timedelta(days=form.cleaned_data["grace_days"]))
        except VoiceprintError as refusal:
            form.add_error(None, in_words(refusal))
        else:
            messages.success(request, _("The tenant is closed."))
            return redirect(_list_address(tenant) if is_platform_staff(request) else "admin:index")
    about = {"title": _("Erase the tenant"), "tenant": tenant, "form": form, "members": tenant.memberships.count()}
    return page(request, "leave", about | _above(tenant) | _about_leaving(request, tenant))


@require_POST
def restore(request: HttpRequest, slug: str) -> HttpResponse:
    refuse_unless(is_platform_staff(request))
    tenant = own_tenant(request, slug)
    try:
        leaving.restore(tenant)
        messages.success(request, _("The tenant is restored."))
    except VoiceprintError as refusal:
        messages.error(request, in_words(refusal))
    return redirect(_list_address(tenant))


@require_safe
def receipt(request: HttpRequest, slug: str, erasure_id: int) -> HttpResponse:
    tenant = own_tenant(request, slug)
    refuse_unless(may_read_audit(request))
    try:
        document = erasure.receipt_of(tenant, min(erasure_id, LARGEST_KEY))
    except (ErasureNotFound, ErasureUnfinished):
        raise Http404 from None
    return _file(document, erasure_id)


@require_safe
def gone_receipt(request: HttpRequest, erasure_id: int) -> HttpResponse:
    _find_only_for_staff(request)
    try:
        document = erasure.receipt_of_gone(min(erasure_id, LARGEST_KEY))
    except (ErasureNotFound, ErasureUnfinished):
        raise Http404 from None
    return _file(document, erasure_id)


def told_of(begun: Erasure) -> str:
    """As it was when it had been begun."""
    if begun.state == Erasure.State.BEGUN:
        return _("Nobody is enrolled under this id. Jobs and files are looked through for it, and a receipt follows.")
    return _("The speaker is gone. The receipt follows once everything else is gone, too.")


def _find_only_for_staff(request: HttpRequest) -> None:
    """Raises Http404: members are not told that any other tenant was there."""
    if not is_platform_staff(request):
        raise Http404


def _listed(request: HttpRequest, found: Page[Erasure]) -> dict[str, Any]:
    more = found.rows[-1].pk if found.last else None
    held = next(filter(None, (one.waits_for_backup_since for one in found.rows)), None)
    awaited = max(filter(None, (one.waits_for_files_until for one in found.rows)), default=None)
    exporting = min(filter(None, (one.waits_for_export_since for one in found.rows)), default=None)
    return {
        "erasures": found.rows,
        "held": held,
        "awaited": awaited,
        "exporting": exporting,
        "more": more,
        "turned": "before" in request.GET,
    }


def _file(document: dict[str, Any], erasure_id: int) -> HttpResponse:
    named = {"Content-Disposition": f'attachment; filename="erasure-{erasure_id}.json"'}
    content = json.dumps(document, indent=2, ensure_ascii=False)
    return HttpResponse(content, content_type="application/json", headers=named)


def _begun(tenant: Tenant, said: dict[str, Any]) -> Erasure:
    if said["library"] is None:
        return erasure.erase_person(tenant, said["external_id"])
    return erasure.erase_speaker(tenant, tenant.libraries.filter(pk=said["library"].pk), said["external_id"])


def _about_leaving(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    """Of a closed tenant only staff see a page."""
    if tenant.erased_from is None or not is_platform_staff(request):
        return {}
    return {"closed_since": leaving.closed_since(tenant), "is_going": leaving.has_begun(tenant)}


def _form_page(request: HttpRequest, tenant: Tenant, form: ErasureForm) -> HttpResponse:
    about = {"title": _("Erase somebody"), "tenant": tenant, "form": form}
    return page(request, "erase", about | _above(tenant))


def _above(tenant: Tenant) -> dict[str, str]:
    return {"parent": _("Erasures"), "back": _list_address(tenant)}


def _list_address(tenant: Tenant) -> str:
    return reverse("admin:tenant_erasures", args=[tenant.slug])
