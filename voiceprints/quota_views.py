"""The console's pages about quotas: owners read, platform staff set them on the page of the tenant."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tenants.console import is_platform_staff, may_manage_access, membership_of, own_tenant, refuse_unless
from tenants.models import Tenant
from voiceprints.quotas import near_their_end, standings_of


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """An owner's own tenant; platform staff choose one."""
    refuse_unless(may_manage_access(request))
    membership = membership_of(request)
    if not is_platform_staff(request) and membership:
        return redirect("admin:tenant_quotas", membership.tenant.slug)
    near = set(near_their_end(Tenant.objects.all()).values_list("pk", flat=True))
    tenants = [(tenant, tenant.pk in near) for tenant in Tenant.objects.all()]
    return _page(request, "tenants_quotas", {"title": _("Quotas"), "tenants": tenants})


@require_safe
def tenant_quotas(request: HttpRequest, slug: str) -> HttpResponse:
    tenant = own_tenant(request, slug)
    refuse_unless(may_manage_access(request))
    about = {"title": _("Quotas"), "tenant": tenant, "may_set": is_platform_staff(request)}
    return _page(request, "quotas", about | {"standings": standings_of(tenant)})


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, f"console/{template}.html", admin.site.each_context(request) | context)
