"""What a tenant does one at a time, although there is no row to lock."""

from __future__ import annotations

from django.db import connection

from tenants.models import Tenant


def one_at_a_time(tenant: Tenant, deed: str, name: str = "") -> None:
    """In the caller's transaction: nobody else comes past here for this tenant, deed and name until it ends.

    `deed` is a word of ours, so that what others call their names meets no other deed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock_name(tenant, deed, name)])


def lock_name(tenant: Tenant, deed: str, name: str = "") -> str:
    return f"{tenant.pk} {deed} {name}"
