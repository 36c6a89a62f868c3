"""Row-level security: the wall behind the tenant-scoped queries, and the checks that it can hold."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations import RunSQL

OLDEST_PGVECTOR = (0, 8)

# Each setting is read in a sub-select, which PostgreSQL evaluates once per query and not once per row.
OWN_ROWS = "tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::bigint)"
PLATFORM = "(SELECT current_setting('app.platform', true)) = 'on'"


def isolate(table: str, **extra_policies: str) -> RunSQL:
    """The migration step that puts `table` behind its tenant. `extra_policies`: name → condition for SELECT."""
    statements: list[Any] = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_sees_own_rows ON {table} USING ({OWN_ROWS})",
        f"CREATE POLICY platform_sees_all_rows ON {table} USING ({PLATFORM})",
        *(f"CREATE POLICY {name} ON {table} FOR SELECT USING ({rule})" for name, rule in extra_policies.items()),
    ]
    names = ["tenant_sees_own_rows", "platform_sees_all_rows", *extra_policies]
    reverse: list[Any] = [f"DROP POLICY {name} ON {table}" for name in names]
    return RunSQL(statements, [*reverse, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"])


def platform_only(table: str) -> RunSQL:
    """The migration step that shows the rows of `table`, which belong to no tenant, to the platform alone."""
    made: list[Any] = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY platform_sees_all_rows ON {table} USING ({PLATFORM})",
    ]
    undone: list[Any] = [
        f"DROP POLICY platform_sees_all_rows ON {table}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    ]
    return RunSQL(made, undone)


def same_tenant(table: str, column: str, target: str) -> RunSQL:
    """The migration step by which a row of `table` can only point at a row of `target` of its own tenant.

    Unlike Django's own, this foreign key is checked at once: a row cannot come to hang on what is being deleted.
    """
    unique, foreign = f"{target}_tenant_and_id", f"{table}_{column}_of_same_tenant"
    return RunSQL(
        [
            f"CREATE UNIQUE INDEX IF NOT EXISTS {unique} ON {target} (tenant_id, id)",
            f"ALTER TABLE {table} ADD CONSTRAINT {foreign} FOREIGN KEY (tenant_id, {column})"
            f" REFERENCES {target} (tenant_id, id)",
        ],
        [f"ALTER TABLE {table} DROP CONSTRAINT {foreign}"],
    )


def refuse_unsafe_database() -> None:
    """Raise ImproperlyConfigured unless row-level security binds our role and pgvector is recent enough."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        (above_the_law,) = cursor.fetchone()
        cursor.execute("SELECT installed_version FROM pg_available_extensions WHERE name = 'vector'")
        pgvector = cursor.fetchone()
    if above_the_law:
        raise ImproperlyConfigured(
            "the role of DATABASE_URL is a superuser or bypasses row-level security; use a plain role"
        )
    if pgvector is None or not pgvector[0] or tuple(map(int, pgvector[0].split(".")[:2])) < OLDEST_PGVECTOR:
        found = (pgvector and pgvector[0]) or "none"
        raise ImproperlyConfigured(
            f"the database needs pgvector 0.8 or newer (found {found}); as a superuser: CREATE EXTENSION vector"
        )
