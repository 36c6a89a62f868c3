"""A backup that gets nowhere gives up, since the files that are to go wait for it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from voiceprints.errors import BackupStuck

STUCK_AFTER_SECONDS: Final = 600


@contextmanager
def never_stuck() -> Iterator[Callable[[], object]]:
    """Yields what is to be called at each step forward. Raises BackupStuck in the middle of whatever lasts too long."""

    def give_up(*_: Any) -> None:
        raise BackupStuck(seconds=STUCK_AFTER_SECONDS)

    def step() -> None:
        signal.alarm(STUCK_AFTER_SECONDS)

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        step()
        yield step
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
