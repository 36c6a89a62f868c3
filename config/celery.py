"""The Celery application: `celery -A config.celery worker -Q embed`."""

import logging
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings

from config import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("openvpr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.after_setup_logger.connect
def keep_the_level(logger: logging.Logger, **_: Any) -> None:
    """Celery sets that of its --loglevel, which is WARNING where nobody says otherwise."""
    logger.setLevel(settings.LOG_LEVEL)


@signals.celeryd_after_setup.connect
def begin_to_trace(sender: str, **_: Any) -> None:
    """Before its processes are forked, named as it is, without its machine."""
    tracing.begin(sender.partition("@")[0])


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def trace_to_the_end(**_: Any) -> None:
    tracing.end()
