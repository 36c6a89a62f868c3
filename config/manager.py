"""supervisord, which goes on when there is no room for its logs, or for those of the programs it runs.

Where a line cannot be written it would say so to its standard error, which is on the same disk, and end.
It also tells whether whoever started it is gone, and loses no signal to a program that it is just starting.
"""

import os
import signal

from supervisor.loggers import Handler
from supervisor.options import ServerOptions
from supervisor.supervisord import main

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def let_go(_: Handler) -> None:
    """The line is lost; what it told of is not."""


Handler.handleError = let_go


def fork(_: ServerOptions) -> int:
    """A program that is told to stop before it has begun ends.

    Until then it has the handlers of its process manager, and what those would note is gone with the beginning.
    """
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        pid = os.fork()
        if pid == 0:
            for number in STOPPING:
                signal.signal(number, signal.SIG_DFL)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


ServerOptions.fork = fork


class Launcher:
    """What `launcher.…` calls, beside those of `supervisor.…`, are answered with."""

    def __init__(self, _: object, pid: str) -> None:
        self._pid = int(pid)

    def is_gone(self) -> bool:
        """An orphan has another parent."""
        return os.getppid() != self._pid


if __name__ == "__main__":
    main()
