"""manage.py retention."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import retention, services

pytestmark = pytest.mark.django_db


def told(*words):
    return json.loads(call_command("retention", *words))


@pytest.fixture
def library(acme):
    return services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)]).speaker.library


def test_it_shows_every_rule(acme, library):
    told("set", "acme", "--org-id", "acme", "--tag-id", "staff", "--recordings", "0")
    assert told("show", "acme") == {
        "days": {"recordings": "forever", "probes": 30, "enrollments": 30},
        "due": {"recordings": 1, "probes": 0, "enrollments": 0},
        "libraries": [{"org_id": "acme", "tag_id": "staff", "recordings": 0}],
    }


def test_it_sets_what_it_is_told_to(acme):
    told("set", "acme", "--recordings", "365", "--probes", "forever")
    assert retention.periods_of(acme) == retention.Periods(365, None, 30)


def test_a_dry_run_changes_nothing(acme, library):
    said = told("set", "acme", "--recordings", "0", "--dry-run")
    assert (said["due"]["recordings"], said["changed"]) == (1, False)
    words = ["--org-id", "acme", "--tag-id", "staff", "--recordings", "0", "--dry-run"]
    assert told("set", "acme", *words)["due"] == 1
    assert retention.periods_of(acme).recordings is None
    assert retention.own_periods(acme) == []


def test_a_library_goes_back_to_its_tenants_rule(acme, library):
    one = ["--org-id", "acme", "--tag-id", "staff", "--recordings"]
    told("set", "acme", *one, "10")
    assert told("set", "acme", *one, "tenant")["recordings"] == "tenant"
    assert retention.own_periods(acme) == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--recordings", "tenant"],
        ["--recordings", "-1"],
        ["--recordings", "36501"],
        ["--org-id", "acme", "--probes", "1"],
        ["--org-id", "nowhere", "--recordings", "1"],
    ],
)
def test_what_makes_no_sense_is_refused(acme, library, words):
    with pytest.raises(CommandError):
        told("set", "acme", *words)
