"""Files that live and die with their rows, whatever crashes in between.

A file system knows no transactions. So a path is written down as doomed before a file appears there, and struck from
that list in the transaction that stores the row; and it is put on the list in the transaction that removes the row, and
the file goes after the commit. A crash at any point leaves at worst a doomed path, which the sweep removes.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import IO, cast
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.db import Error as DatabaseFailed
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.locks import LOOK_AGAIN_SECONDS
from tenants.models import Tenant
from voiceprints import backup_lock, jobs
from voiceprints.bucket import Bucket
from voiceprints.errors import BackupHoldsFiles, FilesAwaited, FilesInHand, StorageFailed
from voiceprints.inserting import Deed, insert
from voiceprints.models import DoomedRecording
from voiceprints.naming import without_paths

logger = logging.getLogger(__name__)

SWEEP_BATCH = 50
LONGEST_BATCH_SECONDS = 0.3
SPARE_TIME_TO_CLAIM = timedelta(minutes=5)
TRIED_AGAIN_AFTER = timedelta(hours=1)
PLANNED_ON_EVERY_SECONDS = 300.0
OTHERS_HAVE_SECONDS = 5.0
# What a file system and an S3 service fail with.
STORAGE_FAILURES = (OSError, BotoCoreError, ClientError)

# As the object-relational mapper would, without its work: each enrollment waits for it.
DOOM = """
INSERT INTO voiceprints_doomedrecording (tenant_id, path, not_before, planned)
SELECT %s, unnest(%s::text[]), %s::timestamptz, %s
"""
STRIKE = "DELETE FROM voiceprints_doomedrecording WHERE path = ANY(%s)"

LONGEST_FOLDER_BYTES = 150
PIECE_BYTES = 1024 * 1024
UNSAFE_IN_PATH = re.compile(r"[\x00-\x1f\x7f/\\%]|\A\.{1,2}\Z")


def folder_of(org_id: str) -> str:
    """The organisation as a folder name: itself, with what a file system could misread percent-encoded.

    A name too long for a file system is cut, and told from its like by a digest.
    """
    name = UNSAFE_IN_PATH.sub(lambda unsafe: "".join(f"%{byte:02X}" for byte in unsafe[0].encode()), org_id)
    if len(name.encode()) <= LONGEST_FOLDER_BYTES:
        return name
    beginning = name.encode()[:LONGEST_FOLDER_BYTES].decode(errors="ignore")
    return f"{beginning}-{hashlib.sha256(org_id.encode()).hexdigest()[:16]}"


def new_path(org_id: str) -> str:
    return f"{folder_of(org_id)}/{timezone.now():%Y%m%d}/{uuid.uuid4()}.flac"


def plan(tenant: Tenant, paths: Sequence[str], *, within: timedelta | None = None) -> None:
    """Write down the paths of recordings to come, doomed until they are claimed.

    In the caller's transaction, which must be over before the first of the files appears.
    """
    doom(tenant, paths, not_before=timezone.now() + (within or time_to_claim(len(paths))), planned=True)


def time_to_claim(count: int) -> timedelta:
    """Longer than a request with so many recordings may take, so that no sweep takes what is still being written."""
    seconds = count * (settings.DOWNLOAD_SECONDS + jobs.deadline_seconds())
    return timedelta(seconds=seconds) + SPARE_TIME_TO_CLAIM


@contextmanager
def removed_on_failure(tenant: Tenant, paths: Sequence[str]) -> Iterator[None]:
    """What the block wrote to its planned paths and did not claim goes again when it fails."""
    try:
        yield
    except BaseException:
        _give_up(tenant, paths)
        raise


@contextmanager
def planned_on(tenant: Tenant, paths: Sequence[str], *, within: timedelta) -> Iterator[None]:
    """As `removed_on_failure`, for a block that may take longer to write than was planned: plans last as long as it."""
    over = threading.Event()
    renewing = threading.Thread(target=_plan_on, args=(tenant, paths, within, over), daemon=True)
    renewing.start()
    with removed_on_failure(tenant, paths):
        try:
            yield
        finally:
            over.set()
            renewing.join()


def _plan_on(tenant: Tenant, paths: Sequence[str], within: timedelta, over: threading.Event) -> None:
    while not over.wait(PLANNED_ON_EVERY_SECONDS):
        try:
            # One at a time, so that whoever claims several waits for none while holding another.
            for path in list(paths):
                with acting_as(tenant):
                    planned = tenant.doomed_recordings.filter(path=path, planned=True)
                    planned.update(not_before=timezone.now() + within)
        except DatabaseFailed as error:
            logger.warning("files that are being written could not be planned on: %s", type(error).__name__)
        finally:
            connection.close()


def must_be_planned(tenant: Tenant, path: str) -> None:
    """What was written although nothing tells of it any more, as the database was away too long, goes at once.

    It opens its own transactions. Raises StorageFailed.
    """
    with acting_as(tenant):
        if tenant.doomed_recordings.filter(path=path).exists():
            return
    if not remove_file(path):
        try:
            with acting_as(tenant):
                doom(tenant, [path], not_before=timezone.now())
        except IntegrityError:
            logger.error("a file is left of a tenant that is gone")  # noqa: TRY400 - that says it all
    raise StorageFailed("a file took too long to write")


def write(paths: Sequence[str], contents: Sequence[bytes]) -> None:
    """Raises StorageFailed."""
    for path, content in zip(paths, contents, strict=True):
        write_file(path, ContentFile(content))


def write_file(path: str, content: File[bytes]) -> None:
    """Raises StorageFailed."""
    try:
        stored = storages["recordings"].save(path, content)
    except STORAGE_FAILURES as error:
        raise StorageFailed.by(error) from error
    if stored != path:
        raise StorageFailed("the storage chose another path")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Where a file is opened or read. Raises FileNotFoundError, StorageFailed."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        _refuse_absent_bucket()
        raise FileNotFoundError(path) from None
    except STORAGE_FAILURES as error:
        raise StorageFailed.by(error) from error


def _refuse_absent_bucket() -> None:
    """A bucket that is not there says of each file the same as one that lacks it. Raises StorageFailed."""
    storage = storages["recordings"]
    if isinstance(storage, Bucket):
        try:
            storage.must_be_there()
        except STORAGE_FAILURES as error:
            raise StorageFailed.by(error) from error


def found(path: str) -> IO[bytes]:
    """A file that is there; an S3 service is asked for the content once it is read. Raises as `reading` does."""
    with reading(path):
        return cast(IO[bytes], storages["recordings"].open(path))


def opened(path: str) -> IO[bytes]:
    """A file to read, its content at hand. Raises as `reading` does."""
    with ExitStack() as closing:
        file = closing.enter_context(found(path))
        with reading(path):
            file.seek(0)
        closing.pop_all()
    return file


def read(path: str, limit_bytes: int = -1) -> bytes:
    """The content of a file, or its first `limit_bytes`. Raises as `reading` does."""
    with opened(path) as file, reading(path):
        return file.read(limit_bytes)


def pieces(file: IO[bytes], path: str) -> Iterator[bytes]:
    """Of a file that was opened, what is left to be read. Raises as `reading` does."""
    with reading(path):
        while piece := file.read(PIECE_BYTES):
            yield piece


def size(path: str) -> int:
    """How many bytes a file has. Raises as `reading` does."""
    with reading(path):
        return storages["recordings"].size(path)


def claim(paths: Iterable[str]) -> None:
    """Keep these files, in the transaction that stores their rows."""
    insert(first=claiming(paths))


def claiming(paths: Iterable[str]) -> Deed | None:
    """The same, to be done in one round trip with what stores the rows."""
    wanted = list(paths)

    def met(struck: int) -> None:
        if struck != len(wanted):
            raise StorageFailed("a recording was swept before its row was stored")

    return Deed(STRIKE, [wanted], met) if wanted else None


def let_go(tenant: Tenant, paths: Iterable[str]) -> None:
    """Remove these files once the transaction that removes their rows was committed: a few at once, others soon."""
    doomed = list(paths)
    doom(tenant, doomed, not_before=timezone.now())
    transaction.on_commit(lambda: _remove_now_or_later(tenant, doomed[:SWEEP_BATCH]), robust=True)


def doom(tenant: Tenant, paths: Iterable[str], *, not_before: datetime, planned: bool = False) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DOOM, [tenant.pk, list(paths), not_before, planned])


def sweep() -> int:
    """Remove the files whose time has come; returns how many. Several sweeps at once take different ones."""
    removed = 0
    while True:
        with acting_as_platform():
            due = DoomedRecording.all_tenants.filter(not_before__lte=timezone.now()).order_by("not_before")
            tried, gone = _remove_doomed(due)
        removed += gone
        if tried < SWEEP_BATCH:
            return removed


def remove_let_go(tenant: Tenant, *, patiently: bool = True) -> None:
    """Every file that the tenant has let go by now, or that somebody died writing. Those let go later are not.

    Raises StorageFailed when one resists, FilesInHand for one that a sweep has in hand, and has still a moment later
    where somebody waits, and BackupHoldsFiles while a backup is being made.
    """
    with acting_as(tenant):
        newest = tenant.doomed_recordings.aggregate(newest=Max("pk"))["newest"] or 0
    let_go = Q(pk__lte=newest) & (Q(planned=False) | Q(not_before__lte=timezone.now()))
    ends = time.monotonic() + OTHERS_HAVE_SECONDS
    while True:
        with acting_as(tenant):
            tried, gone = _remove_doomed(tenant.doomed_recordings.filter(let_go))
            left = tenant.doomed_recordings.filter(let_go).exists()
            backup = backup_lock.holder() if left else None
        if not left:
            return
        if backup:
            raise BackupHoldsFiles(backup)
        if tried and not gone:
            raise StorageFailed(f"{tried} files could not be removed")
        if tried:
            ends = time.monotonic() + OTHERS_HAVE_SECONDS
        elif not patiently or time.monotonic() > ends:
            raise FilesInHand("somebody else is just removing files")
        else:
            time.sleep(LOOK_AGAIN_SECONDS)


def await_written(tenant: Tenant, paths: Sequence[str], *, patiently: bool) -> None:
    """What may still be written of these files, a moment long where somebody waits. Raises FilesAwaited."""
    ends = time.monotonic() + OTHERS_HAVE_SECONDS
    while patiently and time.monotonic() < ends:
        with acting_as(tenant):
            if not tenant.doomed_recordings.filter(path__in=paths, planned=True).exists():
                return
        time.sleep(LOOK_AGAIN_SECONDS)
    refuse_awaited(tenant, Q(path__in=paths))


def has_let_go(tenant: Tenant) -> bool:
    """Whether files are left of what the tenant has deleted."""
    let_go: bool = tenant.doomed_recordings.filter(planned=False).exists()
    return let_go


def refuse_awaited(tenant: Tenant, *chosen: Q) -> None:
    """Raises FilesAwaited where any file of the tenant, or of those chosen, may still be written."""
    with acting_as(tenant):
        until = tenant.doomed_recordings.filter(*chosen, planned=True).aggregate(until=Max("not_before"))["until"]
    if until:
        raise FilesAwaited(until=until)


def _give_up(tenant: Tenant, paths: Sequence[str]) -> None:
    """What of these planned files was not claimed is let go: nobody will."""
    try:
        with acting_as(tenant):
            tenant.doomed_recordings.filter(path__in=paths).update(planned=False, not_before=timezone.now())
    except DatabaseFailed as error:
        logger.warning("files that were written in vain go once their time is over: %s", type(error).__name__)
    _remove_now_or_later(tenant, paths)


def _remove_now_or_later(tenant: Tenant, paths: Sequence[str]) -> None:
    """Those of the files that are still doomed. What cannot be removed now is left to the sweep."""
    try:
        with acting_as(tenant):
            _remove_doomed(tenant.doomed_recordings.filter(path__in=paths))
    except DatabaseFailed as error:
        logger.warning("the removal of recordings is left to the sweep: %s", type(error).__name__)


def _remove_doomed(doomed: QuerySet[DoomedRecording]) -> tuple[int, int]:
    """A batch of files, each with its doom, in the caller's transaction; returns how many were at hand and are gone.

    A storage that is far away does not make the transaction long: what takes too long is left to the next. While a
    backup is being made nothing is tried; and none begins before this transaction ends.
    """
    if not backup_lock.may_files_go():
        return 0, 0
    batch = list(doomed.select_for_update(skip_locked=True)[:SWEEP_BATCH])
    ends, removed = time.monotonic() + LONGEST_BATCH_SECONDS, dict[int, bool]()
    for row in batch:
        if time.monotonic() < ends:
            removed[row.pk] = remove_file(row.path)
    gone = [pk for pk, is_gone in removed.items() if is_gone]
    DoomedRecording.all_tenants.filter(pk__in=gone).delete()
    # Those that resist stand back, so that they do not keep the others from their turn.
    stuck = DoomedRecording.all_tenants.filter(pk__in=removed.keys() - set(gone))
    stuck.update(not_before=timezone.now() + TRIED_AGAIN_AFTER, planned=False)
    return len(batch), len(gone)


def address(path: str) -> str:
    """The path as it stands in a URL."""
    return quote(path)


def remove_file(path: str) -> bool:
    """Whether it is gone."""
    try:
        storages["recordings"].delete(path)
    except STORAGE_FAILURES as error:
        logger.warning("a recording could not be removed: %s", without_paths(error))
        return False
    return True
