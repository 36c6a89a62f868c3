"""Files that live and die with their rows, whatever crashes in between.

A file system knows no transactions. So a path is written down as doomed before a file appears there, and struck from
that list in the transaction that stores the row; and it is put on the list in the transaction that removes the row, and
the file goes after the commit. A crash at any point leaves at worst a doomed path, which the sweep removes.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import transaction
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tenants.models import Tenant
from voiceprints.errors import StorageFailed
from voiceprints.models import DoomedRecording

logger = logging.getLogger(__name__)

# Longer than any request may take, so that the sweep never takes a file whose row is still being written.
TIME_TO_CLAIM = timedelta(minutes=15)
SWEEP_BATCH = 200
TRIED_AGAIN_AFTER = timedelta(hours=1)
# What a file system and an S3 service fail with.
STORAGE_FAILURES = (OSError, BotoCoreError, ClientError)

UNSAFE_IN_PATH = re.compile(r"[\x00-\x1f\x7f/\\%]|\A\.{1,2}\Z")


def folder_of(org_id: str) -> str:
    """The organisation as a folder name: itself, with what a file system could misread percent-encoded."""
    return UNSAFE_IN_PATH.sub(lambda unsafe: "".join(f"%{byte:02X}" for byte in unsafe[0].encode()), org_id)


def new_path(org_id: str) -> str:
    return f"{folder_of(org_id)}/{timezone.now():%Y%m%d}/{uuid.uuid4()}.flac"


def plan(tenant: Tenant, org_id: str, count: int) -> list[str]:
    """Paths for recordings to come, doomed until they are claimed. Commit before writing there."""
    paths = [new_path(org_id) for _ in range(count)]
    doom(tenant, paths, not_before=timezone.now() + TIME_TO_CLAIM)
    return paths


@contextmanager
def removed_on_failure(tenant: Tenant, paths: Sequence[str]) -> Iterator[None]:
    """What the block wrote to its planned paths goes again when it fails."""
    try:
        yield
    except BaseException:
        remove_doomed(tenant, paths)
        raise


def write(paths: Sequence[str], contents: Sequence[bytes]) -> None:
    """Raises StorageFailed."""
    for path, content in zip(paths, contents, strict=True):
        _write(path, content)


def claim(paths: Iterable[str]) -> None:
    """Keep these files, in the transaction that stores their rows."""
    wanted = list(paths)
    struck, _ = DoomedRecording.all_tenants.filter(path__in=wanted).delete()
    if struck != len(wanted):
        raise StorageFailed("a recording was swept before its row was stored")


def let_go(tenant: Tenant, paths: Iterable[str]) -> None:
    """Remove these files once the transaction that removes their rows has been committed."""
    doomed = list(paths)
    doom(tenant, doomed, not_before=timezone.now())
    transaction.on_commit(lambda: remove_doomed(tenant, doomed))


def doom(tenant: Tenant, paths: Iterable[str], *, not_before: datetime) -> None:
    DoomedRecording.all_tenants.bulk_create(
        DoomedRecording(tenant=tenant, path=path, not_before=not_before) for path in paths
    )


def remove_doomed(tenant: Tenant, paths: Iterable[str]) -> None:
    """Remove files and their doom. What cannot be removed now stays doomed for the sweep."""
    removed = [path for path in paths if _remove(path)]
    with acting_as(tenant):
        DoomedRecording.all_tenants.filter(path__in=removed).delete()


def sweep() -> int:
    """Remove the files whose time has come; returns how many. Several sweeps at once take different ones."""
    with acting_as_platform():
        due = DoomedRecording.all_tenants.filter(not_before__lte=timezone.now()).order_by("not_before")
        batch = {doomed.pk: _remove(doomed.path) for doomed in due.select_for_update(skip_locked=True)[:SWEEP_BATCH]}
        gone = [pk for pk, removed in batch.items() if removed]
        DoomedRecording.all_tenants.filter(pk__in=gone).delete()
        # Those that resist stand back, so that they do not keep the others from their turn.
        stuck = DoomedRecording.all_tenants.filter(pk__in=batch.keys() - set(gone))
        stuck.update(not_before=timezone.now() + TRIED_AGAIN_AFTER)
    return len(gone)


def address(path: str) -> str:
    """The path as it stands in a URL."""
    return quote(path)


def _write(path: str, content: bytes) -> None:
    try:
        stored = storages["recordings"].save(path, ContentFile(content))
    except STORAGE_FAILURES as error:
        raise StorageFailed(type(error).__name__) from error
    if stored != path:
        raise StorageFailed("the storage chose another path")


def _remove(path: str) -> bool:
    try:
        storages["recordings"].delete(path)
    except STORAGE_FAILURES as error:
        logger.warning("a recording could not be removed and will be tried again: %s", type(error).__name__)
        return False
    return True
