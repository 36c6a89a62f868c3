"""Ctrl-C, which ends a command with one line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from tenants.management.base import AttributedCommand

# What a shell reports of a command that was stopped by Ctrl-C.
STOPPED = 130


def stopped(text: str = "stopped") -> CommandError:
    """Somebody pressed Ctrl-C. The text says what has become of what was begun."""
    return CommandError(text, returncode=STOPPED)


class StoppableCommand(AttributedCommand):
    """A command that may take long."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except KeyboardInterrupt:
            raise stopped() from None
