"""How commands say what went wrong."""

from __future__ import annotations


def words_of(error: Exception) -> str:
    """Of a file: which, and what is the matter with it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
