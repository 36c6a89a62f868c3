"""The Celery application: `celery -A config.celery worker -Q embed`."""

import os
import sys
from typing import Any

from celery import Celery, signals
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("openvpr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
