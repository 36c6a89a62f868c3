"""The Celery application: `celery -A config.celery worker -Q embed`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("openvpr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
