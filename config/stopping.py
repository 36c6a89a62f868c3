"""Being told to stop: an exception wherever the signal finds us, and again until somebody heeds it.

What was interrupted may pass over it, or raise something else in its place: a library that goes on after any error, a
rollback on a connection that is gone, a finalizer.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

AGAIN_SECONDS: Final = 1.0
AT_ONCE_SECONDS: Final = 0.001


@dataclass
class _State:
    exception: type[BaseException] = SystemExit
    told: int | None = None
    heeded: bool = False
    undisturbed: bool = False


_state = _State()


def interrupt_by(exception: type[BaseException], signals: Iterable[signal.Signals]) -> None:
    global _state  # noqa: PLW0603 - as signals are, it is the whole process's
    _state = _State(exception)

    def interrupt(which: int, _: Any) -> None:
        # A second signal would interrupt the way out, which the first has begun.
        if _state.heeded or (_state.told and which != signal.SIGALRM):
            return
        _state.told = _state.told or which
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        if not _state.undisturbed:
            raise exception

    for which in (*signals, signal.SIGALRM):
        # Which is ignored by what `nohup` runs.
        if which != signal.SIGHUP or signal.getsignal(which) is not signal.SIG_IGN:
            signal.signal(which, interrupt)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever is told to stop in here is interrupted right after it, and whoever was before does not begin."""
    if _state.told and not _state.heeded:
        raise _state.exception
    _state.undisturbed = True
    try:
        yield
    finally:
        _state.undisturbed = False
        if _state.told and not _state.heeded:
            signal.setitimer(signal.ITIMER_REAL, AT_ONCE_SECONDS)


def told() -> int | None:
    """The signal by which we were told to stop, if we were."""
    return _state.told


def heed() -> int | None:
    """Whoever ends interrupts nothing any more, however often they are told. Returns the signal, if there was one."""
    _state.heeded = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    return _state.told
