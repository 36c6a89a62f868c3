"""Recordings on a disk. Folders are named after organisations, so an empty one goes with the last file in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.core.files.storage import FileSystemStorage

MOST_TRIES: Final = 1000


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
        """Folders go as far up as they are empty. Raises OSError for a file that cannot be removed."""
        super().delete(name)
        root = Path(self.location)
        for folder in Path(self.path(name)).parents:
            if folder == root or not _is_gone(folder):
                return


def _is_gone(folder: Path) -> bool:
    """Removes it, unless something is in it or it is a link or a disk of its own."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
