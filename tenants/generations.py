"""Which models a tenant's voices are embedded with, held still while vectors are stored, or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tenants.context import acting_as
from tenants.locks import one_at_a_time, with_others
from tenants.models import Tenant

FIELDS: Final = ("model", "other_models", "fallback_model", "previous_model", "switched")
# Not a lock of the row: those who share one go past whoever waits to change it, for as long as they overlap.
MODELS: Final = "models"


@contextmanager
def keeping_models(tenant: Tenant) -> Iterator[None]:
    """One transaction as the tenant, whose models are read anew and stay what they are until it ends.

    Whoever stores vectors does it in here, and comes here before locking any speaker.
    """
    with acting_as(tenant):
        with_others(tenant, MODELS)
        _read_anew(tenant)
        yield


@contextmanager
def changing_models(tenant: Tenant) -> Iterator[None]:
    """The same, to change them: nobody else stores vectors meanwhile, or changes them too."""
    with acting_as(tenant):
        one_at_a_time(tenant, MODELS)
        _read_anew(tenant)
        yield


def store_models(tenant: Tenant) -> None:
    tenant.save(update_fields=FIELDS)


def _read_anew(tenant: Tenant) -> None:
    """With the lock, so that what was changed before it was granted is seen."""
    now = Tenant.objects.values(*FIELDS).get(pk=tenant.pk)
    for field in FIELDS:
        setattr(tenant, field, now[field])
