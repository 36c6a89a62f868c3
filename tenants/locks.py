"""What is done one at a time, although there is no row to lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

from tenants.models import Tenant

LOOK_AGAIN_SECONDS: Final = 0.2


def one_at_a_time(tenant: Tenant, deed: str, name: str = "") -> None:
    """In the caller's transaction: nobody else comes past here for this tenant, deed and name until it ends.

    `deed` is a word of ours, so that what others call their names meets no other deed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock_name(tenant, deed, name)])


def nobody_else_is_at(tenant: Tenant, deed: str, name: str = "") -> bool:
    """In the caller's transaction, until whose end it stays so. Nobody waits."""
    return _asked("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", lock_name(tenant, deed, name))


def lock_name(tenant: Tenant, deed: str, name: str = "") -> str:
    return f"{tenant.pk} {deed} {name}"


@contextmanager
def alone(deed: str, *, patiently: bool = False) -> Iterator[bool]:
    """Whether nobody else does it until the block ends; whoever is patient waits until that is so.

    A lock of the connection, which a dead process does not keep, so that the block may have many transactions. Nobody
    waits in the database, where that would be a statement without an end.
    """
    while not (mine := _asked("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", deed)) and patiently:
        time.sleep(LOOK_AGAIN_SECONDS)
    try:
        yield mine
    finally:
        if mine:
            _asked("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", deed)


def _asked(question: str, deed: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [deed])
        return bool(cursor.fetchone()[0])
