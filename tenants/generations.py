"""Which models a tenant's voices are embedded with, held still while vectors are stored, or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tenants.context import acting_as
from tenants.models import Tenant

FIELDS: Final = ("model", "other_models", "fallback_model", "previous_model", "switched")
# Neither is in the way of rows that only point at the tenant.
SHARED: Final = "SELECT * FROM tenants_tenant WHERE id = %s FOR SHARE"
ALONE: Final = "SELECT * FROM tenants_tenant WHERE id = %s FOR NO KEY UPDATE"


@contextmanager
def keeping_models(tenant: Tenant) -> Iterator[None]:
    """One transaction as the tenant, whose models are read anew and stay what they are until it ends.

    Whoever stores vectors does it in here, and comes here before locking any speaker.
    """
    with acting_as(tenant):
        _read_anew(tenant, SHARED)
        yield


@contextmanager
def changing_models(tenant: Tenant) -> Iterator[None]:
    """The same, to change them: nobody else stores vectors meanwhile, or changes them too."""
    with acting_as(tenant):
        _read_anew(tenant, ALONE)
        yield


def store_models(tenant: Tenant) -> None:
    tenant.save(update_fields=FIELDS)


def _read_anew(tenant: Tenant, statement: str) -> None:
    now = Tenant.objects.raw(statement, [tenant.pk])[0]
    for field in FIELDS:
        setattr(tenant, field, getattr(now, field))
