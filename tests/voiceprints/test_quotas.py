"""Quotas set by command, and whose are near their end."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tenants import rates
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, Tenant
from tenants.quotas import bytes_in, size_in_words
from tests.cast import LIBRARY, SUSAN, audio
from tests.usage import used
from voiceprints import services
from voiceprints.quotas import near_their_end, past_their_end
from voiceprints.stock import stock_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted_from_zero(services):
    rates._connection().flushall()


def near():
    with acting_as_platform():
        return [tenant.slug for tenant in near_their_end(Tenant.objects.all())]


def test_a_command_sets_what_is_given_and_shows_everything(acme, capsys):
    call_command("quota", "set", "acme", "--speakers", "100", "--storage-bytes", "50GB", "--requests-per-day", "7")
    told = json.loads(capsys.readouterr().out)
    assert told["speakers"] == {"limit": 100, "used": 0, "remaining": 100}
    assert told["storage_bytes"]["limit"] == 50 * 2**30
    call_command("quota", "set", "acme", "--speakers", "none")
    acme.refresh_from_db()
    assert (acme.max_speakers, acme.requests_per_day, acme.requests_per_second) == (None, 7, None)


def test_the_audit_trail_tells_what_was_set(acme, capsys):
    call_command("quota", "set", "acme", "--speakers", "100")
    with acting_as(acme):
        event = AuditEvent.all_tenants.get(action="tenant.changed")
    assert event.details == {"changes": {"max_speakers": [None, 100]}}
    assert event.interface == "manage.py quota"


@pytest.mark.parametrize(
    "limits",
    [
        ["--speakers", "many"],
        ["--speakers", "-1"],
        ["--requests-per-day", "0"],
        ["--requests-per-second", "3000000000"],
        ["--storage-bytes", "50 apples"],
        ["--concurrent-analyses", "none"],
        [],
    ],
)
def test_nonsense_is_refused_and_changes_nothing(acme, limits):
    before = Tenant.objects.values().get(pk=acme.pk)
    with pytest.raises(CommandError):
        call_command("quota", "set", "acme", *limits)
    assert Tenant.objects.values().get(pk=acme.pk) == before


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("17", 17), ("50GB", 50 * 2**30), (" 2 TB ", 2 * 2**40)])
def test_a_size_is_read(text, size):
    assert bytes_in(text) == size
    assert bytes_in(size_in_words(size)) == size


@pytest.mark.parametrize("text", ["", "GB", "1.5 GB", "-1", "50 GiB", "9" * 15 + "TB", "٣"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        bytes_in(text)


def test_whoever_has_used_nine_tenths_of_a_quota_is_near_its_end(acme, globex):
    for name in range(9):
        services.enroll(acme, LIBRARY, f"speaker {name}", [audio(SUSAN)])
    assert near() == []
    Tenant.objects.update(max_speakers=10)
    assert near() == ["acme"]
    Tenant.objects.update(max_speakers=11)
    assert near() == []
    Tenant.objects.update(max_storage_bytes=stock_of(acme).stored_bytes)
    assert near() == ["acme"]


def test_whoever_has_more_than_a_quota_allows_exceeds_it_and_is_not_near_its_end(acme, globex):
    for name in ("one", "two"):
        services.enroll(acme, LIBRARY, name, [audio(SUSAN)])
    Tenant.objects.update(max_speakers=1, max_storage_bytes=stock_of(acme).stored_bytes)
    assert near() == []
    with acting_as_platform():
        assert [tenant.slug for tenant in past_their_end(Tenant.objects.all())] == ["acme"]


def test_whoever_has_asked_nine_tenths_of_a_day_is_near_its_end(acme, globex):
    Tenant.objects.update(requests_per_day=10)
    used(acme, "verify", count=8)
    used(acme, "verify", count=50, outcome="refused", reason="DayExhausted")
    used(acme, "verify", count=50, days_ago=1)
    used(acme, "enroll", count=50, dialect="jobs")
    used(acme, "enroll", count=50, dialect="console")
    assert near() == []
    used(acme, "enroll", count=1)
    assert near() == ["acme"]
