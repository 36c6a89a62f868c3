"""supervisord, which goes on when there is no room for its logs, or for those of the programs it runs.

Where a line cannot be written it would say so to its standard error, which is on the same disk, and end.
It also tells whether whoever started it is gone.
"""

import os

from supervisor.loggers import Handler
from supervisor.supervisord import main


def let_go(_: Handler) -> None:
    """The line is lost; what it told of is not."""


Handler.handleError = let_go


class Launcher:
    """What `launcher.…` calls, beside those of `supervisor.…`, are answered with."""

    def __init__(self, _: object, pid: str) -> None:
        self._pid = int(pid)

    def is_gone(self) -> bool:
        """An orphan has another parent."""
        return os.getppid() != self._pid


if __name__ == "__main__":
    main()
