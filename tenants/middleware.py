"""The console sees what its user may see: one tenant, or all of them for platform staff."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import cast

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from tenants.console import OWN_TRANSACTIONS, membership_of, own_view
from tenants.context import memberships_of
from tenants.models import Membership
from tenants.origins import ActorKind, Origin, coming_from, unidentified
from tenants.refused import note_refused

CONSOLE = "console"
CHOSEN_TENANT = "tenant"


class ConsoleTenantMiddleware:
    """Runs a page in one transaction as the tenant of `request.membership`, which is None for platform staff.

    A page that waits for a recording to be measured opens its own, see tenants.console.opens_own_transactions.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        membership = membership_of(request)
        if isinstance(exception, PermissionDenied) and membership is not None:
            note_refused(membership.tenant, request, role=membership.role)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = None  # type: ignore[attr-defined]
        if not request.path.startswith(settings.CONSOLE_PATH):
            return self.get_response(request)
        if request.user.is_authenticated:
            request.session.note_use()  # type: ignore[attr-defined]
        with coming_from(_source(request)), _view_of(request):
            response = self.get_response(request)
            # Django has turned an exception into a response by now; what the page did must go all the same.
            if response.status_code >= 500 and transaction.get_connection().in_atomic_block:
                transaction.set_rollback(True)
        return response


def _source(request: HttpRequest) -> Origin:
    source = unidentified(request, CONSOLE)
    if not request.user.is_authenticated:
        return source
    return replace(source, kind=ActorKind.USER, number=request.user.pk, name=request.user.get_username())


def _view_of(request: HttpRequest) -> AbstractContextManager[None]:
    if not request.user.is_authenticated:
        return nullcontext()
    if not request.user.is_superuser:
        request.membership = chosen_membership(request)  # type: ignore[attr-defined]
    return nullcontext() if _opens_own_transactions(request.path_info) else own_view(request)


def _opens_own_transactions(path: str) -> bool:
    try:
        return getattr(resolve(path).func, OWN_TRANSACTIONS, False)
    except Resolver404:
        return False


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
