"""A machine with a wrong clock removes nothing: neither what seems due, nor a tenant whose time seems to have come."""

import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants import clocks
from tenants.clocks import WrongClock, refuse_wrong_clock
from tenants.context import acting_as_platform
from tenants.models import CleanupRun, Tenant
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import erasure, leaving, retention, services, tasks
from voiceprints.models import Utterance

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[3600.0, -3600.0], ids=["ahead", "behind"])
def wrong_clock(request, monkeypatch):
    class Clock:
        @staticmethod
        def time() -> float:
            return time.time() + request.param

    monkeypatch.setattr(clocks, "time", Clock)


def test_clocks_that_agree_are_taken():
    refuse_wrong_clock()


def test_no_recording_expires_by_a_wrong_clock(acme, wrong_clock):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    retention.change(acme, recordings=1)
    with acting_as_platform():
        Utterance.all_tenants.update(created=timezone.now() - timedelta(days=2))

    with pytest.raises(WrongClock, match=r"this machine's clock is [+-]36\d\d s off the database's"):
        tasks.expire_recordings()

    with acting_as_platform():
        assert Utterance.all_tenants.exclude(recording="").count() == 1
    assert CleanupRun.objects.get(job="recordings").problem == "WrongClock"


def test_no_tenant_is_erased_by_a_wrong_clock(acme, wrong_clock, caplog):
    leaving.close(acme, grace=timedelta(0))

    assert erasure.tend() == 0

    assert Tenant.objects.filter(pk=acme.pk).exists()
    assert "no tenant is erased: this machine's clock" in caplog.text


def test_no_trail_is_trimmed_by_a_wrong_clock(acme, wrong_clock):
    with pytest.raises(CommandError, match="acme: this machine's clock"):
        call_command("audit", "trim", "--older-than-days", "0", "--tenant", "acme")
