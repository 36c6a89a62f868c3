"""Importing the project makes its Celery application the current one, so that services can send tasks."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
