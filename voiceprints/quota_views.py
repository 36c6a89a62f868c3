"""The console's pages about quotas: owners read, platform staff set them on the page of the tenant."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.choosing import choose_tenant
from tenants.console import is_platform_staff, may_manage_access, own_tenant, page, refuse_unless
from tenants.models import Tenant
from voiceprints.quotas import near_their_end, past_their_end, standings_of


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """An owner's own tenant; platform staff choose one."""
    refuse_unless(may_manage_access(request))
    return choose_tenant(request, _("Quotas"), _address, template="tenants_quotas", about=_near)


def _address(tenant: Tenant) -> str:
    return reverse("admin:tenant_quotas", args=[tenant.slug])


def _near(tenants: Page[Tenant]) -> dict[str, Any]:
    shown = Tenant.objects.filter(pk__in=[tenant.pk for tenant in tenants])
    found = {"near": near_their_end(shown), "exceeded": past_their_end(shown)}
    return {name: set(tenants.values_list("pk", flat=True)) for name, tenants in found.items()}


@require_safe
def tenant_quotas(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    about = {"title": _("Quotas"), "tenant": tenant, "may_set": is_platform_staff(request)}
    return page(request, "quotas", about | {"standings": standings_of(tenant)})
