"""Platform staff choose one tenant among many: a page of them at a time, or those that have what is typed in a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.console import is_platform_staff, membership_of, page
from tenants.models import Tenant

TENANTS_SHOWN: Final = 50
LONGEST_NAME: Final = 200

Rows = Callable[[Page[Tenant]], dict[str, Any]]


def choose_tenant(
    request: HttpRequest,
    title: Any,
    address: Callable[[Tenant], str],
    *,
    template: str = "choose_tenant",
    about: Rows = lambda page: {},
) -> HttpResponse:
    """To a member's own tenant, or the only one; else the page on which platform staff choose.

    `about`: what the template says of the tenants that are shown.
    """
    alone = _no_choice(request)
    if alone:
        return redirect(address(alone))
    wanted = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_NAME]
    found = Paginator(_named(wanted), TENANTS_SHOWN).get_page(request.GET.get("page"))
    rows = [(tenant, address(tenant)) for tenant in found]
    context = {"title": title, "tenants": found, "rows": rows, "wanted": wanted} | about(found)
    return page(request, template, context)


def _no_choice(request: HttpRequest) -> Tenant | None:
    membership = membership_of(request)
    if membership and not is_platform_staff(request):
        return membership.tenant
    first = Tenant.objects.all()[:2]
    return first[0] if len(first) == 1 else None


def _named(wanted: str) -> Any:
    tenants = Tenant.objects.order_by("slug")
    return tenants.filter(Q(slug__icontains=wanted) | Q(name__icontains=wanted)) if wanted else tenants
