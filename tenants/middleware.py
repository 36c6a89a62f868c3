"""The console sees what its user may see: one tenant, or all of them for platform staff."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from tenants.context import acting_as, acting_as_platform, memberships_of
from tenants.models import Membership

CHOSEN_TENANT = "tenant"


class ConsoleTenantMiddleware:
    """Runs a page in one transaction as the tenant of `request.membership`, which is None for platform staff."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = None  # type: ignore[attr-defined]
        if not request.path.startswith(settings.CONSOLE_PATH):
            return self.get_response(request)
        with _view_of(request):
            response = self.get_response(request)
            # Django has turned an exception into a response by now; what the page did must go all the same.
            if response.status_code >= 500 and transaction.get_connection().in_atomic_block:
                transaction.set_rollback(True)
        return response


def _view_of(request: HttpRequest) -> AbstractContextManager[None]:
    if not request.user.is_authenticated:
        return nullcontext()
    if request.user.is_superuser:
        return acting_as_platform()
    request.membership = chosen_membership(request)  # type: ignore[attr-defined]
    return acting_as(request.membership.tenant) if request.membership else nullcontext()  # type: ignore[attr-defined]


def chosen_membership(request: HttpRequest) -> Membership | None:
    """The membership the user works under: the tenant chosen since signing in, else the first."""
    with memberships_of(cast(AbstractBaseUser, request.user)):
        mine = list(
            Membership.all_tenants.filter(user=request.user.pk, tenant__active=True)
            .select_related("tenant")
            .order_by("tenant__slug")
        )
    request.memberships = mine  # type: ignore[attr-defined]
    chosen = request.session.get(CHOSEN_TENANT)
    return next((one for one in mine if one.tenant_id == chosen), mine[0] if mine else None)
