"""Importing the project makes its Celery application the current one, so that services can send tasks."""

from audio.threads import use_one_thread

use_one_thread()

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
