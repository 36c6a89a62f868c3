"""The Celery application: `celery -A config.celery worker -Q embed`."""

import logging
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("openvpr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.after_setup_logger.connect
def keep_the_level(logger: logging.Logger, **_: Any) -> None:
    """Celery sets that of its --loglevel, which is WARNING where nobody says otherwise."""
    logger.setLevel(settings.LOG_LEVEL)
