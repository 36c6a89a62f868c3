"""The commands of this dialect: headers for curl, and an end for old probes."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from tenants.services import set_credential_enabled
from tests.api.speakin.client import UNKNOWN_ID, scores
from tests.cast import SUSAN

pytestmark = pytest.mark.django_db

SIGNATURE, FORGET = "speakin_signature", "speakin_forget_probes"


def printed(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_printed_headers_sign_a_request(client, acme):
    headers = dict(line.split(": ", 1) for line in printed(SIGNATURE, "acme").splitlines())
    assert client.post("/num/compare", "{}", content_type="application/json", headers=headers).json() == UNKNOWN_ID


def test_an_unknown_tenant_cannot_sign():
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        call_command(SIGNATURE, "nobody")


def test_a_tenant_without_a_usable_key_cannot_sign(acme, acme_credential):
    set_credential_enabled(acme_credential, False)
    with pytest.raises(CommandError, match="no usable credential"):
        call_command(SIGNATURE, "acme")


def test_probes_are_forgotten_after_some_days(speakin, stranger, monkeypatch):
    registered, probe, theirs = speakin.registered(SUSAN), speakin.probed(SUSAN), stranger.probed(SUSAN)
    assert printed(FORGET, "acme", "--older-than-days=1").strip() == "Deleted 0 probes."
    assert len(scores(speakin.compare(registered, probe))) == 1
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    assert printed(FORGET, "acme", "--older-than-days=1").strip() == "Deleted 1 probes."
    assert speakin.compare(registered, probe) == UNKNOWN_ID
    assert len(scores(speakin.compare(registered, registered))) == 1
    assert len(scores(stranger.compare(theirs, theirs))) == 1


@pytest.mark.parametrize("days", ["-1", "1000000000"])
def test_a_number_of_days_that_makes_no_sense_is_refused(acme, days):
    with pytest.raises(CommandError, match="must be from 0"):
        call_command(FORGET, "acme", f"--older-than-days={days}")


def test_nothing_is_forgotten_of_an_unknown_tenant(db):
    with pytest.raises(CommandError, match="no tenant"):
        call_command(FORGET, "nobody", "--older-than-days=1")
