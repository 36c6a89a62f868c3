"""Being told to stop: an exception wherever the signal finds us, and again until somebody heeds it.

What was interrupted may pass over it, or raise something else in its place: a library that goes on after any error, a
rollback on a connection that is gone, a finalizer.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

AGAIN_SECONDS = 1


class _State:
    told = False
    heeded = False
    undisturbed = False


def interrupt_by(exception: type[BaseException], signals: Iterable[signal.Signals]) -> None:
    _State.told = _State.heeded = False

    def interrupt(which: int, _: Any) -> None:
        # A second signal would interrupt the way out, which the first has begun.
        if _State.heeded or (_State.told and which != signal.SIGALRM):
            return
        _State.told = True
        signal.alarm(AGAIN_SECONDS)
        if not _State.undisturbed:
            raise exception

    for which in (*signals, signal.SIGALRM):
        signal.signal(which, interrupt)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever is told to stop in here is interrupted a moment later."""
    _State.undisturbed = True
    try:
        yield
    finally:
        _State.undisturbed = False


def heed() -> None:
    """Whoever ends interrupts nothing any more, however often they are told."""
    _State.heeded = True
    signal.alarm(0)
