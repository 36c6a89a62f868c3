"""Whose figures the console's home page shows, and whose usage is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.console import is_platform_staff, membership_of, own_rows, own_tenant
from tenants.models import Tenant
from tenants.punctuality import Cleanup, cleanups
from tenants.services import default_model
from voiceprints.calibration import Calibration
from voiceprints.decisions import calibration_in_force, calibration_of


@dataclass(frozen=True)
class Shown:
    """One tenant's; None: of all together, which only platform staff see."""

    request: HttpRequest
    tenant: Tenant | None

    @property
    def is_chosen(self) -> bool:
        """By platform staff, among all."""
        return self.tenant is not None and is_platform_staff(self.request)

    def rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(tenant=self.tenant) if self.tenant else own_rows(self.request, rows)

    def of_platform(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """None of them where one tenant is looked at."""
        return rows.none() if self.tenant else rows

    def of_open(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Without those of closed tenants, about which there is nothing to do."""
        return self.rows(rows).filter(tenant__active=True)

    @cached_property
    def model(self) -> str:
        """By which the tenant is answered; without one, by which new tenants will be."""
        return self.tenant.model if self.tenant else default_model()

    @cached_property
    def cleanups(self) -> list[Cleanup]:
        """The platform's, and no tenant's."""
        return [] if self.tenant else cleanups()

    @property
    def calibration(self) -> Calibration:
        return calibration_of(self.tenant, self.model) if self.tenant else calibration_in_force(self.model)


def shown_to(request: HttpRequest) -> Shown:
    """A member's own tenant; for platform staff whichever they ask for. Raises Http404 for another's, as for none."""
    if slug := request.GET.get("tenant", ""):
        return Shown(request, own_tenant(request, slug))
    membership = membership_of(request)
    return Shown(request, membership.tenant if membership else None)
