"""While a backup is being made no file goes: a lock of the database that it has alone, and removals share.

Another keeps restorations apart. The locks are a connection's, so a process that dies gives them back, and PostgreSQL
knows who has them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import OperationalError, connection, transaction

from voiceprints.errors import BackupInterrupted, BackupUnderWay, VoiceprintError

FILES_STAY: Final = "SELECT pg_advisory_lock(hashtextextended('backup', 0))"
FILES_MAY_GO: Final = "SELECT pg_advisory_unlock(hashtextextended('backup', 0))"
MAY_FILES_GO: Final = "SELECT pg_try_advisory_xact_lock_shared(hashtextextended('backup', 0))"
BACKUP_WAITS: Final = "SET LOCAL lock_timeout = '60s'"
SIGN: Final = "SELECT set_config('application_name', %s, false)"
MAY_RESTORE: Final = "SELECT pg_try_advisory_lock(hashtextextended('restoration', 0))"
STAYS: Final = "SET idle_session_timeout = 0"
HOLDER: Final = """
SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)
"""


class RestorationUnderWay(VoiceprintError):
    def __init__(self, other: object) -> None:
        by = f" ({other})" if other else ""
        super().__init__(f"another backup is being restored{by}; try again when that is over")


@dataclass(frozen=True)
class Holder:
    """Of a lock: the backup or restoration that is under way. `since`: when it connected."""

    name: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.name}, since {self.since:%Y-%m-%d %H:%M} UTC"


@contextmanager
def all_kept() -> Iterator[None]:
    """No file goes until the block ends, whatever becomes of its row. Raises BackupUnderWay, BackupInterrupted.

    Those that are let go meanwhile stay doomed.
    """
    _asked(SIGN, _signature("backup"))
    try:
        with transaction.atomic():
            _asked(BACKUP_WAITS)
            _asked(FILES_STAY)
    except OperationalError:
        raise BackupUnderWay(holder()) from None
    try:
        yield
    except BaseException:
        connection.close()
        raise
    if not _asked(FILES_MAY_GO):
        raise BackupInterrupted


def may_files_go() -> bool:
    """If so, no backup begins before the caller's transaction ends."""
    return bool(_asked(MAY_FILES_GO))


@contextmanager
def one_restoration() -> Iterator[None]:
    """At a time into a database. A connection of its own has the lock, as that of the rows may break.

    Raises RestorationUnderWay.
    """
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute(STAYS)
            cursor.execute(SIGN, [_signature("restoration")])
            cursor.execute(MAY_RESTORE)
            (alone,) = cursor.fetchone()
        if not alone:
            raise RestorationUnderWay(holder("restoration"))
        yield
    finally:
        own.close()


def holder(deed: str = "backup") -> Holder | None:
    """None while nobody has that lock."""
    with connection.cursor() as cursor:
        cursor.execute(HOLDER, [deed])
        found = cursor.fetchone()
    return Holder(*found) if found else None


def _signature(deed: str) -> str:
    return f"{deed} on {socket.gethostname()}, process {os.getpid()}"


def _asked(statement: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.description and cursor.fetchone()[0]
