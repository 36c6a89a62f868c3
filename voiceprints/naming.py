"""Which file an error of the operating system is about: it names the one that it cannot open, but none that is open."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@contextmanager
def naming(file: Path | str) -> Iterator[None]:
    """What fails in the block and names no file is said of this one."""
    try:
        yield
    except OSError as error:
        if error.strerror and not error.filename:
            error.filename = str(file)
        raise


@contextmanager
def written(opened: IO[AnyStr], file: Path) -> Iterator[IO[AnyStr]]:
    """In the block, after which it is closed; what that fails with is said of `file`."""
    with naming(file):
        try:
            yield opened
        finally:
            opened.close()


def without_paths(error: Exception) -> str:
    """What is the matter, where nobody may read of which file."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else type(error).__name__


class Named(io.FileIO):
    """To be read. What that fails with is said of it, and not of what is written meanwhile."""

    def __init__(self, file: Path | int, name: str) -> None:
        super().__init__(file, closefd=not isinstance(file, int))
        self._said = name

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        with naming(self._said):
            return super().readinto(buffer)
