"""Being told to stop: an exception wherever the signal finds us, and again until somebody heeds it.

What was interrupted may pass over it, or raise something else in its place: a library that goes on after any error, a
rollback on a connection that is gone, a finalizer.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Any, NoReturn

AGAIN_SECONDS = 1


def interrupt_by(exception: type[BaseException], signals: Iterable[signal.Signals]) -> None:
    def interrupt(*_: Any) -> NoReturn:
        signal.alarm(AGAIN_SECONDS)
        raise exception

    for which in (*signals, signal.SIGALRM):
        signal.signal(which, interrupt)


def heed() -> None:
    """Whoever ends has been told."""
    signal.alarm(0)
