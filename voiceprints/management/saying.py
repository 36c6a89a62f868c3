"""How commands say what went wrong."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.management.base import CommandError


def words_of(error: Exception, file: Path | None = None) -> str:
    """Of a file: which, and what is the matter with it. `file`: the one meant where the error names none."""
    if isinstance(error, OSError) and error.strerror:
        named = error.filename2 or error.filename or file
        return f"{named}: {error.strerror}" if named else error.strerror
    return str(error)


def refuse_folder_of(file: Path) -> None:
    """Before anything is written beside it under another name. Raises CommandError."""
    # Which do not raise where nobody may look, as those of a path do.
    if not os.path.isdir(file.parent):
        raise CommandError(f"{file.parent} is no folder")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise CommandError(f"{file.parent} cannot be written")
