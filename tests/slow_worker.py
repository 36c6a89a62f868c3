"""A Celery worker whose processes take longer to load their models than Celery waits for one by itself."""

from __future__ import annotations

import time
from typing import Any

from celery import signals

from config.celery import app

LONGER_THAN_CELERY_WAITS_SECONDS = 5


@signals.worker_process_init.connect
def load_slowly(**_: Any) -> None:
    time.sleep(LONGER_THAN_CELERY_WAITS_SECONDS)


__all__ = ["app"]
