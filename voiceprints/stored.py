"""What lies in the storage of recordings, file by file: never more at hand than a page, or a folder of the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.core.files.storage import FileSystemStorage, storages

from voiceprints.disk import Disk
from voiceprints.recordings import reading

PAGE: Final = 500
RESTORING: Final = "a-restoration-was-broken-off-"
"""So begins a mark beside the files of an installation that is being made from a backup; the rest is 32 hex digits."""


@dataclass(frozen=True)
class StoredFile:
    path: str
    size_bytes: int
    modified: datetime


def stored_files() -> Iterator[StoredFile]:
    """All of them. Raises StorageFailed."""
    storage = storages["recordings"]
    files = _on_disk(Path(storage.location)) if isinstance(storage, FileSystemStorage) else _in_bucket(storage)
    while True:
        with reading("the list of all files"):
            file = next(files, None)
        if file is None:
            return
        yield file


def is_stored(path: str) -> bool:
    """Raises StorageFailed."""
    with reading(path):
        return storages["recordings"].exists(path)


def remove_empty_folders(unchanged_since: datetime) -> int:
    """Of the disk; a bucket has none. Returns how many. Raises StorageFailed."""
    storage = storages["recordings"]
    with reading("the folders"):
        return storage.remove_empty_folders(unchanged_since.timestamp()) if isinstance(storage, Disk) else 0


def _on_disk(root: Path) -> Iterator[StoredFile]:
    folders = [root]
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and (found := _state(entry)):
                modified = datetime.fromtimestamp(found.st_mtime, UTC)
                yield StoredFile(str(Path(entry.path).relative_to(root)), found.st_size, modified)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """None of a folder that went meanwhile."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _state(file: os.DirEntry[str]) -> os.stat_result | None:
    """None of a file that went meanwhile."""
    try:
        return file.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _in_bucket(storage: Any) -> Iterator[StoredFile]:
    for item in storage.bucket.objects.page_size(PAGE):
        yield StoredFile(item.key, item.size, item.last_modified)
