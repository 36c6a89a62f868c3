"""The clock: what it begins with, that edits stay, and that it outlives its database."""

from __future__ import annotations

import datetime
import os
import signal
import threading
import time
from contextlib import suppress

import pytest
from celery.apps.beat import Beat
from celery.beat import Service
from django.db import OperationalError, connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import beat, stopping
from config.beat import Scheduler
from config.celery import app

# Timeouts by a signal would use the same timer of the process as the clock.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180, method="thread")]


def started(**schedule) -> Scheduler:
    return Scheduler(app=app, lazy=False, **schedule)


@pytest.fixture(autouse=True)
def handlers():
    """A clock takes the process's signals for itself."""
    before = {which: signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    stopping.heed()
    for which, handler in before.items():
        signal.signal(which, handler)


def test_every_task_of_the_settings_is_in_the_database_after_a_first_start():
    started()
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(app.conf.beat_schedule)


def test_every_scheduled_task_is_one_that_workers_know():
    app.loader.import_default_modules()
    started()
    assert set(PeriodicTask.objects.values_list("task", flat=True)) <= set(app.tasks)


def test_messages_that_nobody_reads_in_time_expire():
    started()
    assert PeriodicTask.objects.get(name="tend-jobs").expire_seconds == 4
    assert PeriodicTask.objects.get(name="expire-recordings").expire_seconds == 3500


def test_what_somebody_edited_stays_at_the_next_start():
    started()
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.filter(name="note-sizes").update(interval=hourly, enabled=False)
    assert "note-sizes" not in started().schedule
    edited = PeriodicTask.objects.get(name="note-sizes")
    assert (edited.enabled, edited.interval) == (False, hourly)


def test_an_edit_reaches_the_running_clock():
    clock = started()
    assert clock.schedule["note-sizes"].schedule.run_every == datetime.timedelta(seconds=60)
    task = PeriodicTask.objects.get(name="note-sizes")
    task.interval, _ = IntervalSchedule.objects.get_or_create(every=2, period="hours")
    task.save()
    assert clock.schedule["note-sizes"].schedule.run_every == datetime.timedelta(hours=2)


def test_a_task_that_never_comes_stops_no_other():
    started()
    task = PeriodicTask.objects.get(name="note-sizes")
    task.interval = IntervalSchedule.objects.create(every=2_147_483_647, period="days")
    task.save()
    clock = started()
    clock.populate_heap()
    assert "fold-stock" in {event.entry.name for event in clock._heap}


def test_the_clock_goes_on_while_its_database_is_away(monkeypatch):
    clock = started()
    known = set(clock.schedule)
    clock._last_full_sync -= datetime.timedelta(hours=1)

    def away(self):
        raise OperationalError("the database is gone")

    monkeypatch.setattr(beat.DatabaseScheduler, "enabled_models", away)
    assert set(clock.schedule) == known


def test_the_clock_waits_for_its_database_at_the_start(monkeypatch):
    tries = []

    def away(self):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the database is not there yet")
        return False

    monkeypatch.setattr(beat, "LOOK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(beat.connection, "close", lambda: None)
    monkeypatch.setattr(type(PeriodicTask.objects.all()), "exists", away)
    started()
    assert len(tries) >= 3


def test_the_clock_stops_in_the_middle_of_a_statement_and_saves_when_it_ran_what(monkeypatch):
    def tick(clock):
        clock.reserve(clock.schedule["note-sizes"])
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(5)")

    monkeypatch.setattr(Scheduler, "tick", tick)
    service = Service(app, scheduler_cls=Scheduler)
    Beat(app=app).install_sync_handler(service)
    service.start()
    assert PeriodicTask.objects.get(name="note-sizes").total_run_count == 1


def test_the_clock_stops_although_something_takes_the_place_of_what_interrupts_it(monkeypatch):
    """As an error does of a rollback, when the database stops with the clock; Celery passes over errors of a task."""

    def tick(clock):
        with suppress(OperationalError):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                raise OperationalError("the connection is gone")
        time.sleep(10)
        pytest.fail("nobody told it again")

    monkeypatch.setattr(Scheduler, "tick", tick)
    service = Service(app, scheduler_cls=Scheduler)
    Beat(app=app).install_sync_handler(service)
    service.start()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
