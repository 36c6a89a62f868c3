"""What a tenant does one at a time, although there is no row to lock."""

from __future__ import annotations

from django.db import connection

from tenants.models import Tenant


def one_at_a_time(tenant: Tenant, deed: str, name: str = "") -> None:
    """In the caller's transaction: nobody else comes past here for this tenant, deed and name until it ends.

    `deed` is a word of ours, so that what others call their names meets no other deed.
    """
    _lock("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", tenant, deed, name)


def with_others(tenant: Tenant, deed: str) -> None:
    """Past here come others who call this, and nobody who calls `one_at_a_time`, in the order in which they came."""
    _lock("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", tenant, deed, "")


def _lock(statement: str, tenant: Tenant, deed: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [f"{tenant.pk} {deed} {name}"])
