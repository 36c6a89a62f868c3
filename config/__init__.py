"""Importing the project makes its Celery application the current one, so that services can send tasks."""

import signal
import sys

from audio.threads import use_one_thread

use_one_thread()

if sys.orig_argv[1:3] == ["-m", "config"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until it is loaded and hears of Ctrl-C itself, the launcher has begun nothing and just ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
