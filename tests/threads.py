"""Several at the same moment, each in a thread and a database connection of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Thread

from django.db import connection

from voiceprints import backup_lock
from voiceprints.errors import VoiceprintError


def all_at_once(*deeds):
    """The outcome of each: what it returned, or the kind of its refusal."""
    together = Barrier(len(deeds))

    def outcome(deed):
        try:
            connection.ensure_connection()
            together.wait(30)
            return deed()
        except VoiceprintError as refusal:
            return type(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(outcome, deeds))


@contextmanager
def making_a_backup() -> Iterator[None]:
    """Over a connection of its own, as another process would."""
    held, done = Event(), Event()

    def hold() -> None:
        with backup_lock.all_kept():
            held.set()
            done.wait(60)
        connection.close()

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join()
