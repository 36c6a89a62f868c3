"""Who stands at the door: the statement that every request waits for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, models

from tenants.models import AccessToken, Credential, Tenant, Usable

Opener = TypeVar("Opener", bound=Usable)
Row = TypeVar("Row", bound=models.Model)

# By the functions of the database that show the one row that the caller can name; see the migration that makes them.
FUNCTIONS: Final[dict[type[Usable], str]] = {
    Credential: "tenants_credential_named",
    AccessToken: "tenants_accesstoken_named",
}


def opener_named(kind: type[Opener], name: str) -> Opener | None:
    """The credential of a key id, or the token of a digest, with its tenant, whoever it belongs to."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(kind), [name])
        found = cursor.fetchone()
    if found is None:
        return None
    own = len(kind._meta.concrete_fields)
    opener = _built(kind, found[:own])
    opener.tenant = _built(Tenant, found[own:])  # type: ignore[attr-defined]
    return opener


@cache
def _statement(kind: type[Usable]) -> str:
    columns = [*_columns("opener", kind), *_columns("tenant", Tenant)]
    return f"SELECT {', '.join(columns)} FROM {FUNCTIONS[kind]}(%s) AS named"  # noqa: S608 - names of ours


def _columns(part: str, kind: type[models.Model]) -> list[str]:
    return [f'(named.{part})."{field.column}"' for field in kind._meta.concrete_fields]


def _built(kind: type[Row], values: Sequence[Any]) -> Row:
    """A row as the ORM would have read it."""
    fields = kind._meta.concrete_fields
    read = [_read(field, value) for field, value in zip(fields, values, strict=True)]
    return kind.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], read)


def _read(field: Any, value: Any) -> Any:
    return field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
