"""supervisord, which goes on when there is no room for its logs, or for those of the programs it runs.

Where a line cannot be written it would say so to its standard error, which is on the same disk, and end.
"""

from supervisor.loggers import Handler
from supervisor.supervisord import main


def let_go(_: Handler) -> None:
    """The line is lost; what it told of is not."""


Handler.handleError = let_go

if __name__ == "__main__":
    main()
