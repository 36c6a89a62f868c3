"""Whose rows the database shows: the tenant of the current transaction, for row-level security."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from tenants import trail
from tenants.resting import then_rest

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from tenants.models import Tenant

NOBODY = {"app.tenant": "", "app.platform": "", "app.key_id": "", "app.token": "", "app.user": ""}
PLATFORM = {"app.platform": "on"}

_current: ContextVar[dict[str, str]] = ContextVar("row_level_security", default=NOBODY)


@dataclass(frozen=True)
class Question:
    """For a row that every view shows: its columns, where they come from, and the values in that."""

    columns: Sequence[str]
    source: str
    values: Sequence[Any]


@contextmanager
def acting_as(tenant: Tenant) -> Iterator[None]:
    """One transaction that sees and changes the rows of `tenant` alone. It may stand inside another, which returns."""
    with _seeing({"app.tenant": str(tenant.pk)}):
        yield


@contextmanager
def reading_of(tenant: Tenant) -> Iterator[None]:
    """For queries that begin at `tenant`: the view there is, where that shows its rows, or else `acting_as` it."""
    view = _current.get()
    shown = view["app.platform"] or view["app.tenant"] == str(tenant.pk)
    with nullcontext() if shown and connection.in_atomic_block else acting_as(tenant):
        yield


@contextmanager
def acting_as_and_asking(tenant: Tenant, question: Question) -> Iterator[Sequence[Any]]:
    """The same, with the answer to what is asked first, in one round trip to the database."""
    with _seeing({"app.tenant": str(tenant.pk)}, question) as answer:
        yield answer


@contextmanager
def acting_as_platform() -> Iterator[None]:
    """One transaction that sees every tenant's rows: platform staff and named sweeps only."""
    with _seeing(PLATFORM):
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
def _seeing(view: dict[str, str], question: Question | None = None) -> Iterator[Sequence[Any]]:
    outer, inner = _current.get(), NOBODY | view
    inside_a_transaction = connection.in_atomic_block

    def write(notes: Sequence[trail.Note]) -> None:
        if not all(_may_write(inner, one) for one in notes):
            _tell_database(NOBODY | PLATFORM)
        trail.write(notes)

    if inside_a_transaction and inner == outer:
        with transaction.atomic(), trail.collecting(write):
            yield _tell_database({}, question) if question else ()
        return
    with nullcontext() if inside_a_transaction else then_rest(), transaction.atomic():
        answer = _tell_database(inner, question)
        token = _current.set(inner)
        try:
            with trail.collecting(write):
                yield answer
        finally:
            _current.reset(token)
        # A commit forgets the view, and so does the savepoint that an exception rolls back.
        if inside_a_transaction:
            _tell_database(outer)


def _may_write(view: dict[str, str], note: trail.Note) -> bool:
    """A transaction that began as one tenant may have done something for the platform or another tenant, too."""
    return bool(view["app.platform"]) or view["app.tenant"] == str(note.tenant)


def _tell_database(view: dict[str, str], question: Question | None = None) -> Sequence[Any]:
    """Returns the answer to the question."""
    selected, values = ["set_config(%s, %s, true)"] * len(view), [text for pair in view.items() for text in pair]
    source = ""
    if question:
        selected, values = [*question.columns, *selected], [*values, *question.values]
        source = f" FROM {question.source}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(selected)}{source}", values)
        row = cursor.fetchone()
    return row[: len(question.columns)] if question else ()
