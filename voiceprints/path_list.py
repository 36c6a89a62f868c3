"""Paths written down in a file without a name, so that none of them, however many, is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings

from voiceprints.naming import naming


class PathList:
    """In the order in which they were added. No path of ours has a line break in it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._count = file, 0

    def add(self, path: str) -> None:
        """Raises OSError, which leaves those before."""
        left = f"{path}\n".encode()
        with naming(settings.HOME):
            while left:
                left = left[self._file.write(left) :]
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield line[:-1].decode()


@contextmanager
def path_list() -> Iterator[PathList]:
    # What waited in a buffer would fail once more when the file is closed.
    with tempfile.TemporaryFile("w+b", buffering=0, dir=settings.HOME) as file:
        yield PathList(file)
