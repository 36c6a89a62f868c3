"""Which models a tenant's voices are embedded with, held still while vectors are stored, or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tenants.context import Question, acting_as, acting_as_and_asking
from tenants.locks import lock_name, one_at_a_time
from tenants.models import Tenant

FIELDS: Final = ("model", "other_models", "fallback_model", "previous_model", "switched")
# Not a lock of the row: those who share one go past whoever waits to change it, for as long as they overlap.
MODELS: Final = "models"


@contextmanager
def keeping_models(tenant: Tenant) -> Iterator[None]:
    """One transaction as the tenant, whose models are read anew and stay what they are until it ends.

    Whoever stores vectors does it in here, and comes here before locking any speaker.
    """
    # Lock and look in one statement: each enrollment waits for it.
    kept = Question(FIELDS, "tenants_tenant_kept(%s, %s)", [tenant.pk, lock_name(tenant, MODELS)])
    with acting_as_and_asking(tenant, kept) as row:
        _take(tenant, row)
        yield


@contextmanager
def nobody_storing(tenant: Tenant) -> Iterator[None]:
    """One transaction as the tenant: whoever stores vectors has ended or waits until this ends."""
    with acting_as(tenant):
        one_at_a_time(tenant, MODELS)
        yield


@contextmanager
def changing_models(tenant: Tenant) -> Iterator[None]:
    """One transaction as the tenant, to change its models: nobody else stores vectors meanwhile, or changes them."""
    with nobody_storing(tenant):
        # After the lock, so that what was changed before it was granted is seen.
        _take(tenant, Tenant.objects.values_list(*FIELDS).get(pk=tenant.pk))
        yield


def store_models(tenant: Tenant) -> None:
    tenant.save(update_fields=FIELDS)


def _take(tenant: Tenant, now: Sequence[Any]) -> None:
    for field, value in zip(FIELDS, now, strict=True):
        setattr(tenant, field, value)
