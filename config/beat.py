"""Celery's clock with its schedule in the database, where people change it, and which may be away for a while."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

from django.db import Error as DatabaseFailed
from django.db import connection
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config import stopping

logger = logging.getLogger("openvpr.beat")

LOOK_AGAIN_SECONDS = 2.0


class Entry(ModelEntry):  # type: ignore[misc]  # it has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Raises ValueError, at which it is left out, also of an interval too long to count."""
        try:
            super().__init__(*args, **kwargs)
        except OverflowError as error:
            raise ValueError from error


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    """What the settings name is put into the database once; from then on the row counts, whatever became of it."""

    Entry = Entry

    def setup_schedule(self) -> None:
        """From here on being told to stop only interrupts.

        Celery's own handler saves the schedule wherever the signal finds it; in the middle of a statement it would wait
        for that statement's connection for ever. Whoever is interrupted has the schedule saved on the way out.
        """
        stopping.interrupt_by(SystemExit, (signal.SIGTERM, signal.SIGINT))
        _wait_for_database()
        super().setup_schedule()

    def close(self) -> None:
        """Saves by a connection that nothing was interrupted on."""
        stopping.heed()
        connection.close()
        super().close()

    def install_default_entries(self, data: Any) -> None:
        """None of Celery's own: there are no results to clean up."""

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        known = set(PeriodicTask.objects.filter(name__in=list(mapping)).values_list("name", flat=True))
        super().update_from_dict({name: _entry(**about) for name, about in mapping.items() if name not in known})

    def all_as_schedule(self) -> Any:
        """As it was, while the database is away."""
        try:
            return super().all_as_schedule()
        except DatabaseFailed as error:
            logger.warning("the schedule cannot be read and stays as it was: %s", type(error).__name__)
            connection.close()
            return self._schedule or {}


def _entry(**about: Any) -> dict[str, Any]:
    """In the words of the database."""
    options = dict(about.pop("options", {}))
    if "expires" in options:
        options["expire_seconds"] = options.pop("expires")
    return about | {"options": options}


def _wait_for_database() -> None:
    while not _is_there():
        time.sleep(LOOK_AGAIN_SECONDS)


def _is_there() -> bool:
    try:
        PeriodicTask.objects.exists()
    except DatabaseFailed as error:
        logger.warning("the clock waits for the database: %s", type(error).__name__)
        connection.close()
        return False
    return True
