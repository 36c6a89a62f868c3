"""All rows of the database as text, in one look at it, and back into a database that is being made.

The rows go past the object-relational mapper, the triggers and row-level security, as they are. So a chain of the audit
trail comes back link by link, and a secret as it was encrypted.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final, cast

from django.db import Error as DatabaseFailed
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from psycopg import Copy, sql

from tenants.context import acting_as_platform
from voiceprints.errors import VoiceprintError

# Nobody is signed in who was when the backup was made; the migrations are done again, one by one.
SESSIONS, MIGRATIONS = "tenants_consolesession", "django_migrations"
LEFT_OUT: Final = frozenset({SESSIONS, MIGRATIONS})

PIECE_BYTES: Final = 256 * 1024
AT_IT_SECONDS: Final = 10.0
LOOK_AGAIN_SECONDS: Final = 0.2
NO_ANSWER: Final = "no answer"
UNSETTLED: Final = frozenset({"in progress", NO_ANSWER})

ONE_LOOK = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Whatever the server is set to, the text reads the same everywhere.
PLAIN_TEXT = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1"
NO_HURRY = (
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
)

COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
POINTERS = """
SELECT pointing.relname, target.relname FROM pg_constraint AS pointer
JOIN pg_class AS pointing ON pointing.oid = pointer.conrelid JOIN pg_class AS target ON target.oid = pointer.confrelid
WHERE pointer.contype = 'f' AND pointing.relnamespace = current_schema()::regnamespace
"""
HIDING = """
SELECT relname FROM pg_class AS hiding WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace
AND relrowsecurity AND NOT EXISTS (
    SELECT FROM pg_policy WHERE polrelid = hiding.oid AND polname = 'platform_sees_all_rows' AND polcmd IN ('*', 'r')
)
"""
FORCED = """
SELECT relname FROM pg_class
WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace AND relforcerowsecurity
"""
SEQUENCES = """
SELECT counting.relname, pg_sequence_last_value(counting.oid) FROM pg_class AS counting
JOIN pg_depend AS owned ON owned.objid = counting.oid AND owned.deptype IN ('a', 'i')
    AND owned.classid = 'pg_class'::regclass AND owned.refclassid = 'pg_class'::regclass
JOIN pg_class AS counted ON counted.oid = owned.refobjid
WHERE counting.relkind = 'S' AND counted.relnamespace = current_schema()::regnamespace AND counted.relname = ANY(%s)
"""
HOW_MANY = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"


class NotMigrated(VoiceprintError):
    def __init__(self, *, missing: int) -> None:
        self.missing = missing
        super().__init__(f"the database lacks {missing} migrations of this version; run `manage.py migrate` first")


class DatabaseInUse(VoiceprintError):
    def __init__(self, *, tables: int) -> None:
        self.tables = tables
        super().__init__(f"a backup is restored into an empty database only; this one has {tables} tables")


class OfOtherVersion(VoiceprintError):
    """The backup has migrations, `unknown`, that this version has never heard of."""

    def __init__(self, *, version: str, unknown: Sequence[str]) -> None:
        self.version, self.unknown = version, list(unknown)
        super().__init__(
            f"the backup was made by another OpenVPR, {version}, which had {self.unknown[0]} and "
            f"{len(self.unknown) - 1} other migrations that this one does not know; restore it with that version or a "
            "newer one"
        )


class OtherTables(VoiceprintError):
    def __init__(self, *, names: Iterable[str]) -> None:
        self.names = sorted(names)
        super().__init__(f"the backup and the migrations of this version differ in tables: {', '.join(self.names)}")


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))

    def copy(self, direction: str) -> sql.Composed:
        return sql.SQL("COPY {} ({}) " + direction).format(sql.Identifier(self.name), _listed(self.columns))


Migrations = list[tuple[str, str]]


@contextmanager
def one_look() -> Iterator[None]:
    """The rows of all tenants as they are at this moment, however long reading them takes."""
    with transaction.atomic():
        _execute(ONE_LOOK)
        _execute(PLAIN_TEXT + "; " + NO_HURRY)
        with acting_as_platform():
            yield


def tables() -> list[Table]:
    """Those of the platform, each behind those that it points at."""
    names = set(connection.introspection.django_table_names(only_existing=True)) - LEFT_OUT
    if hiding := _rows(HIDING, [list(names)]):
        raise RuntimeError(f"the platform does not see all rows of {hiding}")
    pointers: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for pointing, target in _rows(POINTERS):
        if pointing in names and target in names - {pointing}:
            pointers[pointing].add(target)
    return [Table(name, tuple(_column(COLUMNS, [name]))) for name in TopologicalSorter(pointers).static_order()]


def rows_of(table: Table) -> Generator[bytes, None, None]:
    """As PostgreSQL's COPY tells them: one line each, many in a piece."""
    with _copying(table, "TO STDOUT") as copy:
        gathered = bytearray()
        for line in copy:
            gathered += line
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)


def sequences(names: Iterable[str]) -> dict[str, int]:
    """How far the numbers of these tables have been given out, of those that were at all."""
    return {name: last for name, last in _rows(SEQUENCES, [list(names)]) if last is not None}


def migrations() -> Migrations:
    """Those that made the database what it is. Raises NotMigrated unless that is what this version wants."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise NotMigrated(missing=len(missing))
    return sorted(MigrationRecorder(connection).applied_migrations())


# --- Back ------------------------------------------------------------------------------------------------------------


def refuse_used_database() -> None:
    """Raises DatabaseInUse."""
    ((count,),) = _rows(HOW_MANY)
    if count:
        raise DatabaseInUse(tables=count)


def this_transaction() -> str:
    """The number of the caller's."""
    ((number,),) = _rows("SELECT pg_current_xact_id()::text")
    return str(number)


def was_committed(number: str) -> bool | None:
    """Whether that transaction was; None while the server does not answer or is still at it, or has forgotten it."""
    gives_up = time.monotonic() + AT_IT_SECONDS
    # Of a client that went away the server learns a moment later; and it may just be started anew.
    while (status := _status_of(number)) in UNSETTLED and time.monotonic() < gives_up:
        time.sleep(LOOK_AGAIN_SECONDS)
    return {"committed": True, "aborted": False}.get(status)


def _status_of(number: str) -> str:
    try:
        ((status,),) = _rows(f"SELECT pg_xact_status('{int(number)}'::xid8)")
    except DatabaseFailed:
        connection.close()
        return NO_ANSWER
    return str(status)


def make_tables(applied: Migrations, version: str) -> None:
    """In the caller's transaction: an empty database as these migrations leave it. Raises OfOtherVersion."""
    _execute(PLAIN_TEXT + "; " + NO_HURRY)
    executor = MigrationExecutor(connection)
    graph, known = executor.loader.graph, set(applied)
    if unknown := sorted(".".join(node) for node in known - graph.nodes.keys()):
        raise OfOtherVersion(version=version, unknown=unknown)
    last = [node for node in applied if not {child.key for child in graph.node_map[node].children} & known]
    executor.migrate(last)


@contextmanager
def filling(wanted: Sequence[Table]) -> Iterator[None]:
    """In the caller's transaction: empty tables that take rows as they come. Raises OtherTables.

    No trigger and no policy looks at them, as nobody else sees the tables before the commit; foreign keys are checked.
    """
    names = [table.name for table in wanted]
    if differing := set(names) ^ (set(connection.introspection.table_names()) - LEFT_OUT):
        raise OtherTables(names=differing)
    forced = set(_column(FORCED, [names]))
    for name in names:
        _alter(name, "DISABLE TRIGGER USER", *(["NO FORCE ROW LEVEL SECURITY"] if name in forced else []))
    # Some have rows of a migration.
    _execute(sql.SQL("TRUNCATE {}").format(_listed([*names, SESSIONS])))
    yield
    _execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name in names:
        _alter(name, "ENABLE TRIGGER USER", *(["FORCE ROW LEVEL SECURITY"] if name in forced else []))


def fill(table: Table, pieces: Iterable[bytes]) -> None:
    with _copying(table, "FROM STDIN") as copy:
        for piece in pieces:
            copy.write(piece)


@contextmanager
def _copying(table: Table, direction: str) -> Iterator[Copy]:
    """Its errors are Django's, as those of all else."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(table.copy(direction)) as copy:
        yield copy


def go_on_counting(reached: dict[str, int]) -> None:
    for name, last in reached.items():
        _rows("SELECT setval(quote_ident(%s)::regclass, %s)", [name, last])


def gather_statistics(names: Iterable[str]) -> None:
    """Otherwise the first searches would be planned as if the tables were empty."""
    _execute(sql.SQL("ANALYZE {}").format(_listed(names)))


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _alter(table: str, *changes: str) -> None:
    _execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table), sql.SQL(", ".join(changes))))


def _execute(statement: str | sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(cast(str, statement))


def _rows(question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall())


def _column(question: str, values: Sequence[Any]) -> list[Any]:
    return [value for (value,) in _rows(question, values)]
