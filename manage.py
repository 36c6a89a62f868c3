#!/usr/bin/env python
"""Django's command line for this installation."""

import os
import signal
import sys
import threading
import time
from math import inf
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

ECHO_SECONDS = 1
AGAIN_SECONDS = 0.05


def in_words(error: OperationalError) -> str:
    first_line = str(error).partition("\n")[0]
    advice = "\nIt is the platform's own, which has to run meanwhile: `make run`." if settings.EMBEDDED_POSTGRES else ""
    return f"openvpr: the database fails: {first_line}{advice}"


class AsByCtrlC:
    """Commands undo what they have begun. What a terminal and a launcher both tell in one moment is heard once."""

    def __init__(self) -> None:
        self.heard: dict[int, float] = {}
        self.last = signal.SIGINT

    def __call__(self, which: int, _: Any) -> None:
        now = time.monotonic()
        if now - self.heard.get(which, -inf) < ECHO_SECONDS:
            return
        self.heard[which], self.last = now, signal.Signals(which)
        if signal.getsignal(signal.SIGINT) in {self, signal.SIG_IGN}:
            raise KeyboardInterrupt
        # Who measures hears it between two recordings only.
        signal.raise_signal(signal.SIGINT)

    def passed_over(self, error: "sys.UnraisableHookArgs") -> None:
        """By a finalizer, which goes on whatever it is interrupted by. So it is told again."""
        if issubclass(error.exc_type, KeyboardInterrupt):
            self.heard.pop(self.last, None)
            main = threading.main_thread().ident
            threading.Timer(AGAIN_SECONDS, signal.pthread_kill, [main, self.last]).start()
        else:
            sys.__unraisablehook__(error)


def hear_of_stops() -> None:
    """What a script runs in the background hears of no SIGINT, and what `nohup` runs of no SIGHUP."""
    stop = AsByCtrlC()
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(which) is not signal.SIG_IGN:
            signal.signal(which, stop)
    sys.unraisablehook = stop.passed_over


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
