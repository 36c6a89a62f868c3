"""Files without rows, and rows without files. There should be none; a restored backup or a broken disk makes some.

Both are written down where people see them. A file goes only when it has lain without a row for days, bears a name of
ours, and the database evidently is that of this storage.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import Tally, delete_rows
from tenants.context import acting_as_platform
from tenants.trail import note
from voiceprints.disk import JOB_FILES
from voiceprints.models import DoomedRecording, Job, StorageFinding, Utterance
from voiceprints.recordings import remove_file
from voiceprints.stored import PAGE, RESTORING, StoredFile, is_stored, remove_empty_folders, stored_files

logger = logging.getLogger("openvpr.cleanup")

Kind = StorageFinding.Kind

YOUNGEST: Final = timedelta(days=1)
"""Longer than any request or job needs from a file to its row."""
ASKED_AT_ONCE: Final = 8
REMOVED_AT_ONCE: Final = 10
OUR_NAMES: Final = re.compile(
    r"[^/]+/\d{8}/[0-9a-f-]{36}\.flac|" + JOB_FILES + r"/tenant-\d+/[0-9a-f]{32}(\.\w+)*|" + RESTORING + r"[0-9a-f]{32}"
)


@dataclass(frozen=True)
class Found:
    """What a sweep came to: how many of which, and how many of the files went."""

    files: int
    strays: int
    foreign: int
    lost: int
    removed: int = 0


class NotOurStorage(Exception):
    """There are more files without rows than with: this seems to be another installation's storage, or database."""

    def __init__(self, *, strays: int, files: int) -> None:
        self.strays, self.files = strays, files
        super().__init__(f"{strays} of {files} files have no row; none is removed")


def sweep(tally: Tally, now: datetime | None = None) -> Found:
    """Look everything through, write down what is amiss, and remove what has lain there long enough.

    Raises StorageFailed, NotOurStorage.
    """
    begun = now or timezone.now()
    found = look_through(begun, keep=True)
    tally.add(lost=found.lost, strays=found.strays, foreign=found.foreign)
    forgotten = delete_rows(StorageFinding.objects.filter(seen__lt=begun))
    deque(forgotten, maxlen=0)
    days = settings.STRAYS_KEPT_DAYS
    removed = remove_strays(tally, found, begun - timedelta(days=days)) if days else 0
    tally.add(folders=remove_empty_folders(begun - YOUNGEST))
    return Found(found.files, found.strays, found.foreign, found.lost, removed)


def look_through(now: datetime, *, keep: bool) -> Found:
    """To `keep` it, what is found is written down. Raises StorageFailed."""
    counts = dict.fromkeys([*Kind, "files"], 0)
    for files in _pages(stored_files()):
        counts["files"] += len(files)
        for finding in _without_rows(files, now):
            counts[finding.kind] += 1
            _write_down(finding, keep=keep)
    for finding in _without_files(now):
        counts[finding.kind] += 1
        _write_down(finding, keep=keep)
    return Found(counts["files"], counts[Kind.STRAY], counts[Kind.FOREIGN], counts[Kind.LOST])


def remove_strays(tally: Tally, found: Found, found_before: datetime) -> int:
    """Those that were written down before that moment, few at a time. What resists stays. Raises NotOurStorage."""
    if found.strays > found.files - found.strays - found.foreign:
        raise NotOurStorage(strays=found.strays, files=found.files)
    removed, last = 0, 0
    while True:
        with acting_as_platform():
            due = StorageFinding.objects.filter(kind=Kind.STRAY, found__lte=found_before, pk__gt=last).order_by("pk")
            batch = list(due.select_for_update(skip_locked=True)[:REMOVED_AT_ONCE])
            gone = _remove(batch)
            tally.add(files=gone)
        if not batch:
            return removed
        removed, last = removed + gone, batch[-1].pk


def _pages(files: Iterator[StoredFile]) -> Iterator[list[StoredFile]]:
    while page := list(islice(files, PAGE)):
        yield page


def _remove(findings: Sequence[StorageFinding]) -> int:
    """Those that nobody speaks of by now; returns how many went. No more is said of others but those that resist."""
    known = _known([one.path for one in findings])
    doomed = [one for one in findings if one.path not in known]
    stuck = {one.pk for one in doomed if not remove_file(one.path)}
    gone = [one for one in doomed if one.pk not in stuck]
    StorageFinding.objects.filter(pk__in={one.pk for one in findings} - stuck).delete()
    if gone:
        note(None, Action.STRAYS_REMOVED, files=len(gone), bytes=sum(one.size_bytes or 0 for one in gone))
    return len(gone)


def _without_rows(files: Sequence[StoredFile], now: datetime) -> Iterator[StorageFinding]:
    old = [file for file in files if file.modified <= now - YOUNGEST]
    with acting_as_platform():
        known = _known([file.path for file in old])
    for file in old:
        if file.path not in known:
            kind = Kind.STRAY if OUR_NAMES.fullmatch(file.path) else Kind.FOREIGN
            yield StorageFinding(kind=kind, path=file.path, size_bytes=file.size_bytes, found=now, seen=now)


def _known(paths: Sequence[str]) -> set[str]:
    """Those of the paths that a row speaks of, or that the sweep of doomed files will come to."""
    known = set(Utterance.all_tenants.filter(recording__in=paths).values_list("recording", flat=True))
    known |= set(DoomedRecording.all_tenants.filter(path__in=paths).values_list("path", flat=True))
    uploads = [path for path in paths if path.startswith(f"{JOB_FILES}/")]
    if uploads:
        holding = Job.all_tenants.filter(Q(output__in=uploads) | ~Q(inputs=[]))
        for output, inputs in holding.values_list("output", "inputs"):
            known |= {output, *inputs}
    return known


def _without_files(now: datetime) -> Iterator[StorageFinding]:
    last = 0
    while True:
        with acting_as_platform():
            rows = Utterance.all_tenants.filter(pk__gt=last).exclude(recording="").order_by("pk")
            page = list(rows.values_list("pk", "recording", "tenant__slug")[:PAGE])
        if not page:
            return
        last = page[-1][0]
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            there = list(pool.map(is_stored, [path for _, path, _ in page]))
        lost = {pk: (path, slug) for (pk, path, slug), found in zip(page, there, strict=True) if not found}
        yield from _still_lost(lost, now)


def _still_lost(lost: dict[int, tuple[str, str]], now: datetime) -> Iterator[StorageFinding]:
    """Somebody may have let it go between our look at the row and that at the file."""
    with acting_as_platform():
        still = set(Utterance.all_tenants.filter(pk__in=lost).exclude(recording="").values_list("pk", flat=True))
    for pk, (path, slug) in lost.items():
        if pk in still:
            yield StorageFinding(kind=Kind.LOST, path=path, tenant_slug=slug, utterance=pk, found=now, seen=now)


def _write_down(finding: StorageFinding, *, keep: bool) -> None:
    if keep:
        with acting_as_platform():
            StorageFinding.objects.bulk_create(
                [finding], update_conflicts=True, unique_fields=["path"], update_fields=["kind", "size_bytes", "seen"]
            )
