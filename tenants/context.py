"""Whose rows the database shows: the tenant of the current transaction, for row-level security."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.db import connection, transaction

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from tenants.models import Tenant

NOBODY = {"app.tenant": "", "app.platform": "", "app.key_id": "", "app.token": "", "app.user": ""}

_current: ContextVar[dict[str, str]] = ContextVar("row_level_security", default=NOBODY)


@contextmanager
def acting_as(tenant: Tenant) -> Iterator[None]:
    """One transaction that sees and changes the rows of `tenant` alone. It may stand inside another, which returns."""
    with _seeing({"app.tenant": str(tenant.pk)}):
        yield


@contextmanager
def acting_as_platform() -> Iterator[None]:
    """One transaction that sees every tenant's rows: platform staff and named sweeps only."""
    with _seeing({"app.platform": "on"}):
        yield


@contextmanager
def naming_credential(key_id: str) -> Iterator[None]:
    """One transaction that sees the single credential whose key_id the caller can name."""
    with _seeing({"app.key_id": key_id}):
        yield


@contextmanager
def naming_token(digest: str) -> Iterator[None]:
    """One transaction that sees the single access token, or invitation, whose digest the caller can name."""
    with _seeing({"app.token": digest}):
        yield


@contextmanager
def memberships_of(user: AbstractBaseUser) -> Iterator[None]:
    """One transaction that sees the memberships of one signed-in user."""
    with _seeing({"app.user": str(user.pk)}):
        yield


@contextmanager
def _seeing(view: dict[str, str]) -> Iterator[None]:
    outer, inner = _current.get(), NOBODY | view
    inside_a_transaction = connection.in_atomic_block
    if inside_a_transaction and inner == outer:
        with transaction.atomic():
            yield
        return
    with transaction.atomic():
        _tell_database(inner)
        token = _current.set(inner)
        try:
            yield
        finally:
            _current.reset(token)
        # A commit forgets the view, and so does the savepoint that an exception rolls back.
        if inside_a_transaction:
            _tell_database(outer)


def _tell_database(view: dict[str, str]) -> None:
    calls = ", ".join("set_config(%s, %s, true)" for _ in view)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [text for pair in view.items() for text in pair])
