"""Recordings on a disk. Folders are named after organisations, so an empty one goes with the last file in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from django.core.files.storage import FileSystemStorage

MOST_TRIES: Final = 1000
IMPORT_FOLDERS: Final = "imports"
"""What the operator puts there for imports, a folder for each tenant (`tenant-…`)."""
JOB_FILES: Final = "jobs"
"""What jobs work on or have made, likewise."""
OTHERS: Final = frozenset({IMPORT_FOLDERS, JOB_FILES})
"""They stay when they are empty, also where an organisation has such a name and its recordings in the same folder."""


class Disk(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        """Begins anew where somebody removed the folder, which was empty still, before the file was in it."""
        for _ in range(MOST_TRIES - 1):
            try:
                return self._saved(name, content)
            except (FileNotFoundError, FileExistsError):
                continue
        return self._saved(name, content)

    def _saved(self, name: str, content: Any) -> str:
        path: str = super()._save(name, content)  # type: ignore[misc]  # the stubs leave it out
        return path

    def delete(self, name: str) -> None:
        """Folders go as far up as they are empty, without `OTHERS`. Raises OSError for a file that stays."""
        super().delete(name)
        root = Path(self.location)
        staying = {root, *(root / other for other in OTHERS)}
        for folder in Path(self.path(name)).parents:
            if folder in staying or not _is_gone(folder):
                return

    def remove_empty_folders(self, unchanged_since: float) -> int:
        """Those in which nothing was since a moment in seconds of the epoch; how many. Raises OSError.

        `OTHERS` are left alone, with all that is in them.
        """
        organisations = [folder for folder in _folders_in(Path(self.location)) if folder.name not in OTHERS]
        return sum(_swept(folder, unchanged_since) for folder in organisations)


def _swept(folder: Path, unchanged_since: float) -> int:
    """One that is emptied here goes with what was in it."""
    try:
        changed = folder.stat().st_mtime
    except FileNotFoundError:
        return 0
    gone = sum(_swept(inner, unchanged_since) for inner in _folders_in(folder))
    return gone + (changed <= unchanged_since and _is_gone(folder))


def _folders_in(folder: Path) -> list[Path]:
    """None of one that went meanwhile."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _is_gone(folder: Path) -> bool:
    """Removes it, unless something is in it or it is a link or a disk of its own."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
