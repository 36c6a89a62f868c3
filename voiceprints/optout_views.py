"""The console's page about opt-outs: how many there are, adding one, and lifting one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import (
    may_manage_access,
    open_to_both,
    opens_own_transactions,
    own_tenant,
    own_view,
    page,
    refuse_unless,
)
from tenants.interfaces import dialect_names
from tenants.models import Tenant
from voiceprints import opting_out
from voiceprints.confirmation import is_confirmed
from voiceprints.consents import set_rules
from voiceprints.erasure_forms import ConsentForm, OptOutForm
from voiceprints.erasure_views import told_of
from voiceprints.errors import OptOutNotFound
from voiceprints.models import OptOut
from voiceprints.opting_out import OLDEST_FIRST
from voiceprints.pages import LARGEST_KEY, chosen_speaker, older_ones
from voiceprints.paging import Order
from voiceprints.results import LibraryKey

SHOWN = 50
NEWEST_FIRST = Order(OLDEST_FIRST.fields, descending=True)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    refuse_unless(may_manage_access(request))
    return choose_tenant(request, _("Opt-outs"), _address)


@opens_own_transactions
@open_to_both
def tenant_opt_outs(request: HttpRequest, slug: str) -> HttpResponse:
    """An erasure is several transactions."""
    with own_view(request):
        tenant = own_tenant(request, slug)
        refuse_unless(may_manage_access(request))
        form = OptOutForm(tenant, request.POST or None, initial=chosen_speaker(request, tenant))
        if request.method != "POST" or not form.is_valid():
            return _page(request, tenant, form)
    library = form.cleaned_data["library"]
    key = LibraryKey(library.org_id, library.tag_id) if library else LibraryKey("")
    added = opting_out.opt_out(tenant, form.cleaned_data["external_id"], key)
    messages.success(request, told_of(added.erasure) if added.erasure else _("Nobody was enrolled."))
    return redirect(_address(tenant))


@open_to_both
def consent(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether the tenant enrolls nobody without it."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    form = ConsentForm(tenant, dialect_names(), request.POST or None)
    if form.is_valid():
        set_rules(tenant, **form.cleaned_data)
        messages.success(request, _("The rules about consent are changed."))
        return redirect(_address(tenant))
    said = _("Speakers who are there already keep working. New ones need a reference from the next enrollment on.")
    asked = {"explanation": said, "form": form, "button": _("Save")}
    above = {"parent": _("Opt-outs"), "back": _address(tenant)}
    return page(request, "form", asked | above | {"title": _("Consent")})


@open_to_both
def lift(request: HttpRequest, slug: str, opt_out_id: int) -> HttpResponse:
    """After it was asked: nobody here could add it again, since the list holds no name."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    try:
        found = opting_out.find_opt_out(tenant, min(opt_out_id, LARGEST_KEY))
        if not is_confirmed(request):
            return page(request, "confirm", _question(found) | {"back": _address(tenant)})
        opting_out.lift(tenant, found.pk)
    except OptOutNotFound:
        raise Http404 from None
    messages.success(request, _("The opt-out is lifted."))
    return redirect(_address(tenant))


def _question(found: OptOut) -> dict[str, Any]:
    about = {"number": found.pk, "where": found.where or _("in all libraries")}
    return {
        "title": _("Are you sure?"),
        "question": _("Lift this opt-out?"),
        "button": _("Lift"),
        "lead": _("Whoever it is may be enrolled again. Only who knows the id can add it anew. This goes:"),
        "consequences": [_("Opt-out %(number)d, %(where)s") % about],
    }


def _page(request: HttpRequest, tenant: Tenant, form: OptOutForm) -> HttpResponse:
    found = opting_out.page_opt_outs(tenant, where=older_ones(request), order=NEWEST_FIRST, limit=SHOWN)
    shown: dict[str, Any] = {"opt_outs": found.rows, "more": found.rows[-1].pk if found.last else None}
    shown["turned"] = "before" in request.GET
    return page(request, "opt_outs", {"title": _("Opt-outs"), "tenant": tenant, "form": form} | shown)


def _address(tenant: Tenant) -> str:
    return reverse("admin:tenant_opt_outs", args=[tenant.slug])
