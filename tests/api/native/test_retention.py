"""GET and PATCH /api/v1/retention, and the rules of libraries."""

from __future__ import annotations

import pytest

from tenants.services import create_tenant
from tests.api.native.client import Native, problem
from tests.cast import SUSAN, recording
from voiceprints import retention

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(native):
    enrolled = native.enroll(SUSAN, recording(SUSAN)).json()
    return enrolled["speaker"]["library_id"]


def test_a_new_tenant_keeps_recordings_for_ever(native):
    assert native.get("retention").json() == {
        "recordings_kept_days": None,
        "probes_kept_days": 30,
        "enrollments_kept_days": 30,
        "due": {"recordings": 0, "probes": 0, "enrollments": 0},
    }


def test_what_is_left_out_stays(native):
    changed = native.patch("retention", {"recordings_kept_days": 90}).json()
    assert (changed["recordings_kept_days"], changed["probes_kept_days"]) == (90, 30)
    assert native.patch("retention", {"recordings_kept_days": None}).json()["recordings_kept_days"] is None


def test_a_dry_run_says_what_would_go_and_changes_nothing(native, library):
    tried = native.patch("retention", {"recordings_kept_days": 0, "dry_run": True}).json()
    assert (tried["recordings_kept_days"], tried["due"]["recordings"]) == (0, 1)
    assert native.get("retention").json()["recordings_kept_days"] is None


def test_a_library_has_a_rule_of_its_own_until_it_ends(native, library):
    address = f"libraries/{library}/retention"
    assert native.get(address).json() == {
        "library_id": library,
        "own_period": False,
        "recordings_kept_days": None,
        "due": 0,
    }
    tried = native.ask("PUT", address, {"recordings_kept_days": 0, "dry_run": True}).json()
    assert (tried["own_period"], tried["due"]) == (True, 1)
    assert not native.get(address).json()["own_period"]
    assert native.ask("PUT", address, {"recordings_kept_days": 5}).json()["recordings_kept_days"] == 5
    assert native.get(address).json()["own_period"]
    assert not native.delete(address).json()["own_period"]


@pytest.mark.parametrize("days", [-1, 36_501, "30", 1.5, True])
def test_what_is_no_period_is_refused(native, days):
    assert problem(native.patch("retention", {"recordings_kept_days": days})) == (422, "invalid-request")


def test_another_tenants_library_is_not_found(native, library, client):
    globex = Native(client, create_tenant("globex").tenant)
    address = f"libraries/{library}/retention"
    assert problem(globex.get(address)) == (404, "library-not-found")
    assert problem(globex.ask("PUT", address, {"recordings_kept_days": 0})) == (404, "library-not-found")
    assert problem(globex.delete(address)) == (404, "library-not-found")


def test_only_an_administrator_sees_and_changes_rules(native, client):
    reader = Native(client, native.tenant, "read", "enroll", "recognise")
    assert problem(reader.get("retention")) == (403, "insufficient-scope")
    assert problem(reader.patch("retention", {"recordings_kept_days": 0})) == (403, "insufficient-scope")
    assert retention.periods_of(native.tenant).recordings is None


def test_an_utterance_says_that_its_recording_is_not_kept(native):
    native.patch("retention", {"recordings_kept_days": 0})
    native.enroll(SUSAN, recording(SUSAN))
    (utterance,) = native.get("utterances").json()["items"]
    assert (utterance["has_recording"], bool(utterance["recording_expired"])) == (False, True)
    assert problem(native.get(f"utterances/{utterance['id']}/recording")) == (404, "recording-not-found")
