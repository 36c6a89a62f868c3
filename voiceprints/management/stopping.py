"""Ctrl-C, which ends a command with one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError

from tenants.management.base import AttributedCommand

# What a shell reports of a command that was stopped by Ctrl-C.
STOPPED = 130


def stopped(text: str) -> CommandError:
    """Somebody pressed Ctrl-C. The text says what has become of what was begun."""
    return CommandError(text, returncode=STOPPED)


@contextmanager
def saying(text: str) -> Iterator[None]:
    """What has become of what is done in the block, if Ctrl-C ends it."""
    try:
        yield
    except KeyboardInterrupt:
        raise stopped(text) from None


class StoppableCommand(AttributedCommand):
    """A command that may take long."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with saying("stopped"):
            return super().execute(*args, **options)
