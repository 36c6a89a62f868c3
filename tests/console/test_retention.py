"""The pages about how long something is kept."""

from __future__ import annotations

import pytest

from tenants.context import acting_as
from voiceprints import retention
from voiceprints.retention import OwnPeriod

pytestmark = pytest.mark.django_db

RECORDINGS = "/console/retention/acme/recordings/"


def test_nothing_is_changed_before_it_was_said_how_much_goes(client_of, acme, acme_rows):
    client = client_of("owner")
    asked = client.post(RECORDINGS, {"kept": "not-at-all", "days": ""})
    assert "2 recordings" in asked.content.decode()
    assert retention.periods_of(acme).recordings is None
    client.post(RECORDINGS, {"kept": "not-at-all", "days": "", "confirmed": "yes"})
    assert retention.periods_of(acme).recordings == 0


def test_days_are_asked_for(client_of, acme):
    page = client_of("owner").post(RECORDINGS, {"kept": "days", "days": "", "confirmed": "yes"})
    assert "How many?" in page.content.decode()
    assert retention.periods_of(acme).recordings is None


def test_a_library_gets_a_rule_and_its_tenants_again(client_of, acme, acme_rows):
    client = client_of("owner")
    address = f"/console/retention/acme/libraries/{acme_rows.library.pk}/"
    client.post(address, {"kept": "days", "days": "7", "confirmed": "yes"})
    assert retention.look_at_library(acme, acme_rows.library.pk).own_period == OwnPeriod(7)
    assert "7 days" in client.get("/console/retention/acme/").content.decode()
    client.post(address, {"kept": "tenant", "days": "", "confirmed": "yes"})
    assert retention.look_at_library(acme, acme_rows.library.pk).own_period is None


def test_the_page_of_a_speaker_says_that_a_recording_is_not_kept(client_of, acme, acme_rows):
    with acting_as(acme):
        acme.utterances.update(recording="", recording_expired="2026-01-02T00:00Z")
    page = client_of("owner").get(f"/console/voiceprints/speaker/{acme_rows.speaker.pk}/change/").content.decode()
    assert "not kept any longer, since 2026-01-02" in page
    assert "<audio" not in page


def test_another_tenant_changes_no_rule_of_acme(client_of, acme, acme_rows):
    client = client_of("globex")
    said = {"kept": "not-at-all", "days": "", "confirmed": "yes"}
    assert client.post(RECORDINGS, said).status_code == 404
    assert client.post(f"/console/retention/globex/libraries/{acme_rows.library.pk}/", said).status_code == 404
    assert retention.periods_of(acme).recordings is None
