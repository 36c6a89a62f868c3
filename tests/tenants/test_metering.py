"""What tenants use is counted in memory and added up in the database, whoever else adds at the same moment."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants import metering
from tenants.context import acting_as
from tenants.latency import BOUNDS_MS, STEPS, percentile_ms
from tenants.metering import Meter, Storing, Use
from tenants.models import Operation, Tenant, UsageDay
from tests.servers import POSTGRES
from tests.threads import all_at_once

TODAY = date(2030, 1, 1)


def use_of(tenant: Tenant, operation: str = "verify", reason: str = "") -> Use:
    return Use(tenant.pk, TODAY, operation, "one", "ok", reason)


def stored(tenant: Tenant) -> dict[str, tuple[int, list[int]]]:
    with acting_as(tenant):
        return {row.operation: (row.count, row.latency) for row in tenant.usage_days.all()}


def steps(**counts: int) -> list[int]:
    """Such as _5=1: one of at most 5 ms."""
    latency = [0] * STEPS
    for bound, count in counts.items():
        latency[BOUNDS_MS.index(int(bound[1:]))] = count
    return latency


@pytest.mark.django_db
def test_what_is_counted_adds_up(acme):
    meter = Meter()
    for milliseconds in [4.9, 5.0, 180.0]:
        meter.count(use_of(acme), milliseconds)
    meter.store()
    meter.count(use_of(acme), 12)
    meter.count(use_of(acme, "enroll"), None)
    meter.store()
    assert stored(acme) == {"verify": (4, steps(_5=2, _20=1, _200=1)), "enroll": (1, steps())}


@pytest.mark.django_db
def test_all_that_was_counted_is_stored_in_one_statement(acme, globex):
    meter = Meter()
    for tenant in (acme, globex):
        for operation in ("enroll", "verify"):
            meter.count(use_of(tenant, operation), 1)
    with CaptureQueriesContext(connection) as asked:
        meter.store()
    assert len([query for query in asked if "tenants_usageday" in query["sql"]]) == 1
    assert set(stored(acme)) == set(stored(globex)) == {"enroll", "verify"}


@pytest.mark.django_db(transaction=True)
def test_processes_that_add_to_the_same_rows_lose_nothing(acme, globex):
    """Each with its rows in another order, which would be a deadlock if they were taken in that order."""
    uses = [use_of(tenant, operation) for tenant in (acme, globex) for operation in Operation]

    def process(number: int):
        def add() -> None:
            for turn in range(20):
                meter = Meter()
                for use in uses if (number + turn) % 2 else reversed(uses):
                    meter.count(use, 3)
                metering.add(meter.taken())

        return add

    all_at_once(*[process(number) for number in range(6)])
    for tenant in (acme, globex):
        assert stored(tenant) == {operation: (120, steps(_5=120)) for operation in Operation}


@pytest.mark.django_db(transaction=True)
def test_threads_that_count_at_once_lose_nothing(acme):
    meter = Meter()
    all_at_once(*[lambda: [meter.count(use_of(acme), 1) for _ in range(5_000)] for _ in range(4)])
    meter.store()
    assert stored(acme)["verify"][0] == 20_000


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_stored_is_kept_until_it_can(acme):
    meter = Meter()
    meter.count(use_of(acme), 1)
    with POSTGRES.down():
        meter.store()
        meter.count(use_of(acme), 1)
    connection.close()
    meter.store()
    assert stored(acme)["verify"][0] == 2


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_stores_what_is_left(acme):
    meter = Meter()
    storing = Storing(meter)
    storing.begin()
    meter.count(use_of(acme), 1)
    storing.end()
    assert stored(acme)["verify"][0] == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_counted_is_stored_while_the_process_goes_on(acme, monkeypatch):
    monkeypatch.setattr(metering, "STORED_EVERY_SECONDS", 0.01)
    meter = Meter()
    storing = Storing(meter)
    meter.count(use_of(acme), 1)
    storing.begin()
    try:
        while not stored(acme):
            pass
    finally:
        storing.end()


@pytest.mark.django_db
def test_a_tenant_that_is_gone_does_not_keep_the_others_from_being_counted(acme, globex):
    meter = Meter()
    for tenant in (acme, globex):
        meter.count(use_of(tenant), 1)
    gone = Tenant(pk=globex.pk)
    with acting_as(globex):
        globex.delete()
    meter.store()
    assert stored(acme)["verify"][0] == 1
    assert stored(gone) == {}


@pytest.mark.django_db
def test_a_day_is_that_of_the_installation(acme, settings, monkeypatch):
    settings.TIME_ZONE = "Asia/Shanghai"
    in_london = datetime(2030, 1, 1, 22, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: in_london)
    metering.count(acme, Operation.VERIFY, dialect="one", outcome=UsageDay.Outcome.OK, milliseconds=1)
    assert {use.day for use in metering.METER.taken()} == {date(2030, 1, 2)}


def test_percentiles_are_read_off_the_steps():
    assert percentile_ms([0] * STEPS, 50) is None
    assert percentile_ms(steps(_100=10), 50) == pytest.approx(87.5)
    assert percentile_ms(steps(_100=90, _500=10), 95) == pytest.approx(400)
    assert percentile_ms([*[0] * (STEPS - 1), 1], 50) == BOUNDS_MS[-1]
