"""What is due is reckoned by the clock of the machine that removes it, which the database's clock must bear out."""

from __future__ import annotations

import time
from typing import Final

from django.db import connection

MOST_SECONDS: Final = 60.0
"""Between the two: more than clocks that are kept right ever differ, and far less than any period."""


class WrongClock(Exception):
    """Nothing is removed. `seconds`: how far this machine is ahead of the database's."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"this machine's clock is {seconds:+.0f} s off the database's; nothing is removed by time until they agree"
        )


def refuse_wrong_clock() -> None:
    """Raises WrongClock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        (there,) = cursor.fetchone()
    seconds = time.time() - float(there)
    if abs(seconds) > MOST_SECONDS:
        raise WrongClock(seconds=seconds)
