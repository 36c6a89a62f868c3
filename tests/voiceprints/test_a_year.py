"""A year passes, day by day: people come and go, rules change, and every task of the schedule runs when it is due."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings as configured
from django.db import connection

from tenants import sealing
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, CleanupRun, ConsoleSession, Tenant
from tenants.services import create_tenant
from tests.voiceprints.a_year import (
    COUNTED,
    ENROLLED,
    FILE,
    GUESTS,
    NAMED,
    NEW_YEAR,
    PROBE,
    STAFF,
    VISITORS,
    Clock,
    World,
)
from tests.voiceprints.test_leaving import STAY, rows_of
from voiceprints import leaving
from voiceprints.models import DoomedRecording, Erasure, StorageFinding
from voiceprints.retention import OwnPeriod
from voiceprints.stock import Stock, stock_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

DAYS = 365
AUDIT_KEPT_DAYS = 60
NIGHT = timedelta(hours=12)
GRACE = timedelta(days=30)
CAME, LEFT, RESTORED, LEFT_AGAIN, GONE = 10, 100, 110, 200, 230
"""When which happens to the tenant that does not stay."""
STRAY, STRAY_MADE, STRAY_GONE = "acme/20260202/00000000-0000-4000-8000-000000000000.flac", 32, 45
"""Written down on the Sunday after, and gone when it has lain there for seven more days."""
ON_SUNDAYS, SUNDAY = {"tenants.check_trail", "voiceprints.sweep_storage"}, 7
LINK = "openvpr_audit_link()"


@pytest.fixture
def clock(monkeypatch) -> Iterator[Clock]:
    """The year's, also of the database where it writes down when something was done."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regprocedure)", [LINK])
        (definition,) = cursor.fetchone()
        of_the_year = definition.replace("clock_timestamp()", "current_setting('openvpr.year')::timestamptz")
        assert of_the_year != definition
        cursor.execute(of_the_year)
    clock = Clock()
    clock.turn_to(NEW_YEAR)
    monkeypatch.setattr("django.utils.timezone.now", clock)
    monkeypatch.setattr(CleanupRun._meta.get_field("started"), "_get_default", clock)
    yield clock
    with connection.cursor() as cursor:
        cursor.execute(definition)


def changes(acme: World, globex: World, initech: World) -> dict[int, list[Callable[[], object]]]:
    """By day of the year: periods are shorter, longer, for ever, not at all, and back; libraries and a tenant go."""
    return {
        0: [lambda: acme.keep(90), lambda: globex.keep(None)],
        60: [lambda: acme.keep_in(GUESTS, OwnPeriod(7))],
        LEFT: [lambda: globex.keep(200), lambda: leaving.close(initech.tenant, grace=GRACE)],
        RESTORED: [lambda: leaving.restore(initech.tenant)],
        120: [lambda: acme.keep(30)],
        150: [lambda: acme.keep(None)],
        LEFT_AGAIN: [
            lambda: acme.keep_in(GUESTS, None),
            lambda: acme.keep_in(STAFF, OwnPeriod(None)),
            lambda: leaving.close(initech.tenant, grace=GRACE),
        ],
        240: [lambda: acme.keep(0)],
        250: [lambda: globex.delete_library(VISITORS)],
        270: [lambda: acme.keep_in(STAFF, OwnPeriod(120))],
        280: [lambda: acme.keep(60), lambda: globex.keep_in(STAFF, OwnPeriod(10))],
        310: [lambda: acme.delete_library(GUESTS)],
        330: [lambda: globex.keep(400)],
    }


def is_open(world: World, day: int) -> bool:
    """To whoever would enroll, while the others never close."""
    return world.tenant.slug != "initech" or CAME <= day < LEFT or RESTORED <= day < LEFT_AGAIN


def a_night(clock: Clock) -> None:
    """Each task of the schedule once; on Sundays alone those that take long and would do no more every night."""
    for entry in configured.CELERY_BEAT_SCHEDULE.values():
        if entry["task"] not in ON_SUNDAYS or clock.now.isoweekday() == SUNDAY:
            current_app.tasks[entry["task"]]()


def lose_sight_of(path: Path, when: datetime) -> None:
    """A file of which no row speaks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FILE)
    os.utime(path, (when.timestamp(), when.timestamp()))


def compare_night(day: int, worlds: list[World], folder: Path) -> None:
    """The trail has told of all that went, and of nothing else; recordings and files are those that may be."""
    allowed = {STRAY} if STRAY_MADE <= day < STRAY_GONE else set()
    for world in worlds:
        world.expected.night(world.clock.now)
        assert world.newly_told() == world.expected.untold, f"on day {day}, of {world.tenant}"
        world.expected.untold.clear()
        allowed |= world.files()
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == allowed, f"on day {day}"


def test_after_a_year_there_is_what_the_rules_allow_and_the_trail_has_told_of_the_rest(
    acme, globex, clock, settings, recordings_folder
):
    settings.AUDIT_KEPT_DAYS = AUDIT_KEPT_DAYS
    current_app.loader.import_default_modules()
    initech = create_tenant("initech", name="Initech").tenant
    worlds = [World(tenant, clock) for tenant in (acme, globex, initech)]
    planned = changes(*worlds)
    for day in range(DAYS):
        clock.turn_to(NEW_YEAR + timedelta(days=day))
        for change in planned.get(day, []):
            change()
        for world in worlds:
            if is_open(world, day):
                world.a_day(day)
        clock.turn_to(clock.now + NIGHT)
        if day == STRAY_MADE:
            lose_sight_of(recordings_folder / STRAY, clock.now)
        a_night(clock)
        compare_night(day, worlds[:2] if day >= GONE else worlds, recordings_folder)

    for world in worlds[:2]:
        has_what_the_rules_allow(world)
    left_nothing_but_its_erasure(initech)
    tells_of_sixty_days(clock.now)
    assert not StorageFinding.objects.exists()
    assert sorted(ConsoleSession.objects.values_list("session_key", flat=True)) == ["acme364", "globex364"]
    assert not CleanupRun.objects.exclude(problem="", findings=[]).exists()
    assert sum(world.enrolled for world in worlds) > 2000
    assert sum(world.expected.gone.total() for world in worlds) > 2000


def has_what_the_rules_allow(world: World) -> None:
    tenant, expected = world.tenant, world.expected
    assert all(expected.gone[action] >= 8 for action in (*COUNTED, *NAMED)), expected.gone
    people = expected.people.values()
    with acting_as(tenant):
        columns = ["speaker__library__tag_id", "speaker__external_id", "speaker__status"]
        columns += ["created", "recording", "size_bytes", "recording_expired"]
        assert Counter(tenant.utterances.order_by().values_list(*columns)) == expected.rows()
        assert tenant.speakers.count() == len(people)
        assert tenant.utterance_embeddings.count() == expected.rows().total()
        assert tenant.voiceprints.count() == sum(person.status == ENROLLED for person in people)
        assert not DoomedRecording.all_tenants.exists()
        assert [one.key for one in tenant.kept_answers.all()] == ["364"]
        assert tenant.jobs.count() == tenant.job_rows.count() == 30
    stored = len(FILE) * len(expected.paths())
    assert stock_of(tenant) == Stock(sum(person.status != PROBE for person in people), stored)


def left_nothing_but_its_erasure(tenant: Tenant) -> None:
    assert rows_of(tenant.pk).keys() <= STAY
    with acting_as_platform():
        assert Erasure.all_tenants.get(tenant_id=tenant.pk, kind=Erasure.Kind.TENANT).is_done


def tells_of_sixty_days(now: datetime) -> None:
    """What was older on the last Sunday was let go, and what is left hangs together and on what was sealed."""
    assert all(sealing.verify(chain).intact for chain in sealing.chains())
    with acting_as_platform():
        oldest = AuditEvent.all_tenants.order_by("at").first()
    assert AUDIT_KEPT_DAYS <= (now - oldest.at).days < AUDIT_KEPT_DAYS + 7
