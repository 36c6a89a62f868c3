"""The Celery application: `celery -A config.celery worker -Q embed`."""

import os
from typing import Any

from celery import Celery, signals

from config import startup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("openvpr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_init.connect
def refuse_half_configured(**_: Any) -> None:
    startup.refuse_half_configured()
