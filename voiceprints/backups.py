"""Backups: all that an installation must keep, as it was at one moment, in one encrypted file; docs/backup.md.

The rows are read in one look at the database. The recordings that they point to are read afterwards, while everybody
goes on enrolling and deleting: no file goes before the backup is made.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from typing import IO, Any, Final, TypeVar

from django.conf import settings
from django.utils import timezone

from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.trail import note
from voiceprints import backup_lock, recordings, tables
from voiceprints.backup_format import BackupReader, BackupWriter, Contents, Head, Section
from voiceprints.encrypted_files import Key, Target
from voiceprints.errors import StorageFailed
from voiceprints.models import Job, Utterance
from voiceprints.path_list import path_list

# Files up to this size are read at one go, ahead of their turn.
LARGE_BYTES: Final = 8 * 1024 * 1024
# An S3 service is far away, and answers many at once.
AT_ONCE: Final = 8
ROWS_AT_ONCE: Final = 2000
# A storage that fails once in a night does not cost the night.
PAUSES_SECONDS: Final = (1.0, 5.0, 25.0)

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], object]
"""Told how many recordings are done, of how many."""


def back_up(target: Target, key: Key, progress: Progress) -> Contents:
    """Write a backup into `target`. Raises BackupUnderWay, BackupInterrupted, NotMigrated, StorageFailed, OSError."""
    with backup_lock.all_kept(), path_list() as paths:
        with tables.one_look():
            writer = BackupWriter(target, key, _head())
            _write_rows(writer)
            for path in _paths_in_use():
                paths.add(path)
        _write_files(writer, paths, lambda done: progress(done, len(paths)))
    contents = writer.finish()
    with acting_as_platform():
        note(None, Action.BACKUP_MADE, **_in_short(contents))
    return contents


def verify(source: IO[bytes], key: Key, told: Callable[[Section], object]) -> BackupReader:
    """Read a backup to its end; each of its sections is told about once it was read. Raises Unreadable."""
    backup = BackupReader(source, key)
    for section in backup.sections():
        if isinstance(section, Section):
            deque(section.pieces, maxlen=0)
            told(section)
    return backup


def secrets_of(source: IO[bytes], key: Key) -> dict[str, str]:
    """The secrets of the installation, by the names of their settings. Raises Unreadable."""
    return BackupReader(source, key).head.secrets


def few_at_once(
    deed: Callable[[Item], Result], items: Iterable[Item], *, ended: bool = True
) -> Generator[Future[Result], None, None]:
    """Done in threads, a few ahead of whoever asks for the results; in the order of the items.

    `ended`: whether whoever closes it before the end waits for what is under way.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(deed, item))
            if len(under_way) > AT_ONCE:
                yield under_way.popleft()
        while under_way:
            yield under_way.popleft()
    finally:
        pool.shutdown(wait=ended, cancel_futures=True)


def _in_short(contents: Contents) -> dict[str, Any]:
    return asdict(contents) | {"rows": sum(contents.rows.values())}


def _head() -> Head:
    return Head(
        version=settings.VERSION,
        created=timezone.now().isoformat(),
        migrations=tables.migrations(),
        tables=tables.tables(),
        secrets=settings.SECRETS,
    )


def _write_rows(writer: BackupWriter) -> None:
    written = tables.tables()
    for table in written:
        # Which has the connection to itself until it is closed, so nothing could be undone before.
        with closing(tables.rows_of(table)) as rows:
            writer.table(table.name, rows)
    writer.sequences(tables.sequences(table.name for table in written))


def _paths_in_use() -> Iterator[str]:
    """Of all files that rows point to."""
    said = Utterance.all_tenants.exclude(recording="").order_by("pk").values_list("recording", flat=True)
    yield from said.iterator(ROWS_AT_ONCE)
    for inputs, output in Job.all_tenants.order_by("pk").values_list("inputs", "output").iterator(ROWS_AT_ONCE):
        yield from filter(None, (*inputs, output))


def _write_files(writer: BackupWriter, paths: Iterable[str], progress: Callable[[int], object]) -> None:
    with closing(few_at_once(_fetched, paths, ended=False)) as files:
        for done, fetched in enumerate(files, 1):
            path, pieces = fetched.result()
            if pieces is None:
                writer.missing(path)
            else:
                writer.file(path, pieces)
            progress(done)


def _fetched(path: str) -> tuple[str, Iterable[bytes] | None]:
    """With the content, or with None where there is no such file. Raises StorageFailed."""
    for pause in (*PAUSES_SECONDS, None):
        try:
            beginning = recordings.read(path, LARGE_BYTES)
        except FileNotFoundError:
            return path, None
        except StorageFailed:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            break
    return path, [beginning] if len(beginning) < LARGE_BYTES else _pieces(path)


def _pieces(path: str) -> Iterator[bytes]:
    """Of a large file, read when it is its turn. Raises FileNotFoundError, StorageFailed."""
    with recordings.opened(path) as file:
        yield from recordings.pieces(file, path)
