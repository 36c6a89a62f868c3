#!/usr/bin/env python
"""Django's command line for this installation."""

import os
import signal
import sys
import time
from math import inf
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

UNDISTURBED_SECONDS = 30


def in_words(error: OperationalError) -> str:
    first_line = str(error).partition("\n")[0]
    advice = "\nIt is the platform's own, which has to run meanwhile: `make run`." if settings.EMBEDDED_POSTGRES else ""
    return f"openvpr: the database fails: {first_line}{advice}"


class AsByCtrlC:
    """Commands undo what they have begun. Who says it again soon interrupts nothing on the way out."""

    last = -inf

    def __call__(self, *_: Any) -> None:
        before, self.last = self.last, time.monotonic()
        if self.last - before < UNDISTURBED_SECONDS:
            return
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # As whatever a script runs in the background.
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)


def hear_of_stops() -> None:
    """SIGHUP is not heard by what `nohup` runs."""
    stop = AsByCtrlC()
    for which in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(which) is not signal.SIG_IGN:
            signal.signal(which, stop)


if __name__ == "__main__":
    hear_of_stops()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"openvpr: {error}")
    except OperationalError as error:
        sys.exit(in_words(error))
    except KeyboardInterrupt:
        sys.exit(130)
