"""Usage as it is added up and written out."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
from django.core.management import CommandError, call_command

from tenants.context import acting_as, acting_as_platform
from tenants.models import Operation, UsageDay
from tenants.usage import Period, usage_of
from tests.usage import used

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(acme, globex):
    used(acme, "verify", outcome="accepted", count=6, milliseconds=40)
    used(acme, "verify", outcome="accepted", count=2, milliseconds=400, dialect="abcpen")
    used(acme, "verify", outcome="rejected", count=2, milliseconds=40, days_ago=1)
    used(acme, "verify", outcome="refused", reason="SpeakerNotFound", count=3, milliseconds=4)
    used(acme, "enroll", outcome="failed", reason="EngineFailed", count=1)
    used(acme, "enroll", count=5, dialect="jobs", milliseconds=None)
    used(acme, "enroll", count=100, days_ago=30)
    used(globex, "enroll", count=1000)


def usage(tenant, days=7):
    with acting_as(tenant):
        return usage_of(tenant.usage_days.all(), Period.until_today(days))


def test_each_day_of_a_period_has_its_number(busy, acme):
    found = usage(acme, days=3)
    assert found.per_day([Operation.VERIFY]) == [0, 2, 11]
    assert found.per_day([Operation.VERIFY], ["accepted"]) == [0, 0, 8]
    assert found.per_day([Operation.ENROLL, Operation.VERIFY]) == [0, 2, 17]
    assert usage(acme, days=31).per_day([Operation.ENROLL])[0] == 100


def test_an_operation_is_summed_up(busy, acme):
    by_name = {one.operation: one for one in usage(acme).operations}
    assert list(by_name) == ["enroll", "verify"]
    verify = by_name["verify"]
    assert (verify.count, verify.answered, verify.refused, verify.failed) == (13, 10, 3, 0)
    assert 35 < verify.p50_ms <= 50
    assert 300 < verify.p95_ms <= 500


def test_what_jobs_did_has_no_time(busy, acme):
    enroll = next(one for one in usage(acme).operations if one.operation == "enroll")
    assert (enroll.count, sum(enroll.latency)) == (6, 1)


def test_times_are_told_by_day(busy, acme):
    old, yesterday, today = usage(acme, days=3).percentiles_per_day([Operation.VERIFY, Operation.IDENTIFY], 95)
    assert old is None
    assert 35 < yesterday <= 50
    assert 300 < today <= 500


def test_reasons_are_told_the_most_frequent_first(busy, acme):
    assert usage(acme).reasons == [("SpeakerNotFound", 3), ("EngineFailed", 1)]


def test_the_platform_adds_up_its_tenants(busy):
    with acting_as_platform():
        found = usage_of(UsageDay.all_tenants.all(), Period.until_today(1))
    assert found.per_day([Operation.ENROLL]) == [1006]


def written(*arguments: str, capsys) -> list[dict[str, str]]:
    call_command("usage", *arguments)
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


@pytest.mark.parametrize("whose", [["acme"], ["--tenant", "acme"]])
def test_the_command_writes_a_line_for_each_kind_of_request(whose, busy, acme, capsys):
    lines = written(*whose, capsys=capsys)
    assert {line["tenant"] for line in lines} == {"acme"}
    counts = {(one["operation"], one["interface"], one["outcome"], one["reason"]): one["count"] for one in lines}
    assert counts[("verify", "native", "refused", "SpeakerNotFound")] == "3"
    assert counts[("enroll", "jobs", "ok", "")] == "5"
    times = {(one["interface"], one["outcome"]): (one["p50_ms"], one["p95_ms"]) for one in lines}
    assert times[("jobs", "ok")] == ("", "")
    assert times[("abcpen", "accepted")] == ("400", "490")


def test_the_command_writes_of_all_tenants_the_days_that_were_asked_for(busy, acme, globex, capsys):
    assert {line["tenant"] for line in written(capsys=capsys)} == {"acme", "globex"}
    day = used(globex, "verify", days_ago=40)
    lines = written("--from", day.isoformat(), "--to", day.isoformat(), capsys=capsys)
    assert [(line["tenant"], line["day"]) for line in lines] == [("globex", day.isoformat())]


@pytest.mark.parametrize(
    "arguments", [["--tenant", "nobody"], ["--from", "2026-01-02", "--to", "2026-01-01"], ["--from", "yesterday"]]
)
def test_the_command_refuses_what_makes_no_sense(arguments, acme):
    with pytest.raises(CommandError):
        call_command("usage", *arguments)


def test_a_period_counts_its_last_day():
    assert Period(date(2030, 1, 1), date(2030, 1, 3)).days == [date(2030, 1, day) for day in (1, 2, 3)]
