"""Importing the project makes its Celery application the current one, so that services can send tasks."""

import sys
from itertools import dropwhile
from typing import Any


def _pass_over_ctrl_c(kind: type[BaseException], *told: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, *told)


if list(dropwhile("-m".__ne__, sys.orig_argv))[:2] == ["-m", "config"]:
    # Until it is loaded and hears of Ctrl-C itself, the launcher has started nothing, and nothing is to be said.
    sys.excepthook = _pass_over_ctrl_c

from audio.threads import use_one_thread  # noqa: E402

use_one_thread()

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
