#!/usr/bin/env python
"""Django's command line for this installation."""

import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

STOPPING = (signal.SIGTERM, signal.SIGHUP)


def in_words(error: OperationalError) -> str:
    first_line = str(error).partition("\n")[0]
    advice = "\nIt is the platform's own, which has to run meanwhile: `make run`." if settings.EMBEDDED_POSTGRES else ""
    return f"openvpr: the database fails: {first_line}{advice}"


def stop_as_by_ctrl_c(*_: Any) -> None:
    """Commands undo what they have begun, and say so. Once: nothing interrupts the way out."""
    for which in STOPPING:
        signal.signal(which, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    for number in STOPPING:
        signal.signal(number, stop_as_by_ctrl_c)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"openvpr: {error}")
    except OperationalError as error:
        sys.exit(in_words(error))
    except KeyboardInterrupt:
        sys.exit(130)
