"""The console's page about a tenant's thresholds: what its own recordings say of them, and changing them.

Every address names the tenant; a member's own is the only one that is there for them.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import may_manage_access, number_in, open_to_both, own_tenant, page, refuse_unless
from tenants.models import Tenant
from tenants.sentences import in_a_row
from tenants.services import set_policy
from voiceprints.confirmation import is_confirmed
from voiceprints.models import Library
from voiceprints.threshold_forms import PolicyForm, RateForm
from voiceprints.threshold_page import Step, percent, step_at, threshold_page

LIBRARIES_OFFERED = 500


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A member's own tenant; platform staff choose one."""
    return choose_tenant(request, _("Thresholds"), _address)


@require_safe
def tenant_thresholds(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    return _shown(request, tenant, PolicyForm(instance=tenant))


@open_to_both
def apply(request: HttpRequest, slug: str) -> HttpResponse:
    """Another false accept rate, after it was said what it means."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    form = RateForm(request.POST or request.GET)
    if not form.is_valid():
        messages.error(request, _("That is no false accept rate: from 0.01 % to 20 %."))
        return redirect(_address(tenant))
    far = form.cleaned_data["far"]
    if not is_confirmed(request):
        return page(request, "confirm", _question(tenant, far) | {"back": _address(tenant)})
    set_policy(tenant, false_accept_rate=far)
    messages.success(request, _("From now on %s of strangers may get in.") % percent(far))
    return redirect(_address(tenant))


@open_to_both
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """What is asked of recordings."""
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    if request.method != "POST":
        return redirect(_address(tenant))
    form = PolicyForm(request.POST, instance=Tenant.objects.get(pk=tenant.pk))
    if not form.is_valid():
        return _shown(request, tenant, form)
    set_policy(tenant, **{field: form.cleaned_data[field] for field in form.changed_data})
    messages.success(request, _("Saved."))
    return redirect(_address(tenant))


def _shown(request: HttpRequest, tenant: Tenant, form: PolicyForm) -> HttpResponse:
    found = threshold_page(
        tenant,
        library=_library(tenant, request.GET.get("library", "")),
        chosen=number_in(request.GET.get("step", "")),
    )
    about = {"title": _("Thresholds"), "tenant": tenant, "page": found, "form": form}
    offered = {"libraries": tenant.libraries.all()[:LIBRARIES_OFFERED], "may_manage": may_manage_access(request)}
    return page(request, "thresholds", about | offered)


def _library(tenant: Tenant, said: str) -> Library | None:
    """None for all of them. Raises Http404 for one that is not the tenant's."""
    if not said:
        return None
    library: Library | None = tenant.libraries.filter(pk=number_in(said) or 0).first()
    if library is None:
        raise Http404
    return library


def _question(tenant: Tenant, far: float) -> dict[str, Any]:
    now, then = step_at(tenant, far)
    return {
        "title": _("Are you sure?"),
        "question": _("Aim at %(rate)s of strangers instead of %(now)s?")
        % {"rate": percent(far), "now": percent(now.far)},
        "button": _("Apply"),
        "lead": _("From the next request on:"),
        "consequences": then.sentences,
        "names": _beside(now, then),
        "repeated": [("far", far)],
    }


def _beside(now: Step, then: Step) -> list[str]:
    """How things are, and how the figures are to be read."""
    said = [_("Until now: %s") % in_a_row(now.sentences)]
    if then.measured:
        said.append(
            _("Measured on this tenant's own recordings. In brackets: where the figure lies with a confidence of 95 %.")
        )
    if then.excess:
        said.append(_("The page Thresholds says what can be done about it."))
    return said


def _address(tenant: Tenant) -> str:
    return reverse("admin:tenant_thresholds", args=[tenant.slug])
