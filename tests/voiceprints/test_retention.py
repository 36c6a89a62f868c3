"""Recordings go when their period is over, by the rule of their library or else of their tenant; voiceprints stay."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tenants.actions import Action
from tenants.cleaning import clean
from tenants.context import acting_as
from tenants.models import AuditEvent, CleanupRun, Tenant
from tests.cast import KEN, LIBRARY, OTHER_TAG, SUSAN, WEI, audio
from tests.threads import all_at_once
from tests.voiceprints.test_crashes import KillingStorage, killed_at, killing_storage, sweep_much_later
from voiceprints import expiry, retention, services
from voiceprints.errors import LibraryNotFound, PeriodRefused
from voiceprints.expiry import Due
from voiceprints.models import Speaker
from voiceprints.results import Turn
from voiceprints.retention import OwnPeriod

__all__ = ["KillingStorage", "killing_storage"]

pytestmark = pytest.mark.django_db(transaction=True)


def days_from_now(days: float):
    return timezone.now() + timedelta(days=days)


def expire(days: float = 0):
    return clean("recordings", lambda tally: expiry.expire_recordings(tally, days_from_now(days)))


def enrolled(tenant, name=SUSAN, key=LIBRARY):
    return services.enroll(tenant, key, name, [audio(name)])


def library_id(tenant, key=LIBRARY):
    with acting_as(tenant):
        return tenant.libraries.within(key.org_id, key.tag_id).get().pk


def kept(tenant):
    with acting_as(tenant):
        said = tenant.utterances.exclude(recording="").order_by("pk")
        return list(said.values_list("speaker__external_id", flat=True))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def told(tenant, action):
    with acting_as(tenant):
        events = AuditEvent.all_tenants.filter(tenant_id=tenant.pk, action=action).order_by("number")
        return [(event.object_name, event.details) for event in events]


def test_recordings_are_kept_for_ever_unless_somebody_says_otherwise(acme):
    enrolled(acme)
    expire(days=36_000)
    assert kept(acme) == [SUSAN]


def test_a_recording_goes_when_its_days_are_over_and_not_before(acme, recordings_folder):
    enrolled(acme)
    retention.change(acme, recordings=30)
    expire(days=29.9)
    assert kept(acme) == [SUSAN]
    assert expire(days=30.1).counts == {"recordings": 1}
    assert kept(acme) == []
    assert files(recordings_folder) == []


def test_a_speaker_without_recordings_is_recognised_as_before(acme):
    enrolled(acme)
    retention.change(acme, recordings=1)
    expire(days=2)
    assert services.verify(acme, acme.libraries.all(), SUSAN, audio(SUSAN, 2)).accepted
    identification = services.identify(acme, acme.libraries.all(), audio(SUSAN, 3))
    assert [one.speaker.external_id for one in identification.candidates] == [SUSAN]


def test_the_row_says_when_its_recording_went_and_keeps_what_was_measured(acme):
    before = enrolled(acme).utterances[0]
    retention.change(acme, recordings=1)
    expire(days=2)
    with acting_as(acme):
        row = acme.utterances.get()
        assert row.embeddings.count() == 1
    assert row.recording_expired
    assert (row.recording, row.size_bytes) == ("", 0)
    assert row.quality == before.quality


def test_a_library_has_the_last_word(acme):
    enrolled(acme, SUSAN, LIBRARY)
    enrolled(acme, KEN, OTHER_TAG)
    retention.change(acme, recordings=10)
    retention.change_library(acme, library_id(acme), OwnPeriod(None))
    expire(days=11)
    assert kept(acme) == [SUSAN]
    retention.change_library(acme, library_id(acme), None)
    expire(days=11)
    assert kept(acme) == []


def test_a_library_may_keep_less_than_its_tenant(acme):
    enrolled(acme, SUSAN, LIBRARY)
    enrolled(acme, KEN, OTHER_TAG)
    retention.change_library(acme, library_id(acme), OwnPeriod(5))
    expire(days=6)
    assert kept(acme) == [KEN]


def test_one_tenants_rule_is_not_anothers(acme, globex):
    enrolled(acme)
    enrolled(globex)
    retention.change(acme, recordings=0)
    expire(days=1)
    assert (kept(acme), kept(globex)) == ([], [SUSAN])


def test_a_closed_tenants_recordings_go_too(acme):
    enrolled(acme)
    retention.change(acme, recordings=5)
    Tenant.objects.filter(pk=acme.pk).update(active=False)
    expire(days=6)
    assert kept(acme) == []


def test_what_is_not_to_be_kept_is_never_written(acme, recordings_folder):
    retention.change(acme, recordings=0)
    enrollment = enrolled(acme)
    assert files(recordings_folder) == []
    assert enrollment.recording == ""
    with acting_as(acme):
        assert acme.utterances.get().recording_expired
        assert not acme.doomed_recordings.exists()
    assert services.verify(acme, acme.libraries.all(), SUSAN, audio(SUSAN, 2)).accepted


def test_what_is_replaced_or_added_is_not_kept_either(acme, recordings_folder):
    said = enrolled(acme).utterances[0]
    retention.change(acme, recordings=0)
    services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 2)], merge=True)
    services.replace_utterance(acme, said.pk, audio(SUSAN, 3))
    assert files(recordings_folder) == []
    with acting_as(acme):
        assert acme.utterances.count() == 2


def test_a_library_that_keeps_recordings_does_so_in_a_tenant_that_keeps_none(acme):
    enrolled(acme)
    retention.change(acme, recordings=0)
    retention.change_library(acme, library_id(acme), OwnPeriod(7))
    enrolled(acme, KEN)
    enrolled(acme, WEI, OTHER_TAG)
    assert kept(acme) == [SUSAN, KEN]


def test_what_came_before_recordings_were_no_longer_kept_goes(acme):
    enrolled(acme)
    retention.change(acme, recordings=0)
    expire()
    assert kept(acme) == []


def test_many_recordings_go_a_few_at_a_time(acme, monkeypatch):
    monkeypatch.setattr(expiry, "RECORDINGS_AT_ONCE", 2)
    for number in range(5):
        services.enroll(acme, LIBRARY, f"{SUSAN}-{number}", [audio(SUSAN)])
    retention.change(acme, recordings=1)
    assert expire(days=2).counts == {"recordings": 5}
    assert [details["recordings"] for _, details in told(acme, Action.RECORDINGS_EXPIRED)] == [2, 2, 1]


def test_the_trail_tells_of_each_library_how_many_went_and_why(acme):
    enrolled(acme, SUSAN, LIBRARY)
    enrolled(acme, KEN, OTHER_TAG)
    retention.change(acme, recordings=10)
    retention.change_library(acme, library_id(acme), OwnPeriod(5))
    expire(days=11)
    assert sorted(told(acme, Action.RECORDINGS_EXPIRED)) == [
        ("acme / guests", {"recordings": 1, "kept_days": 10}),
        ("acme / staff", {"recordings": 1, "kept_days": 5}),
    ]


def test_a_change_of_the_rules_is_told_once_and_only_if_it_is_one(acme):
    enrolled(acme)
    for _ in range(2):
        retention.change(acme, recordings=30, probes=30)
        retention.change_library(acme, library_id(acme), OwnPeriod(0))
    assert told(acme, Action.RETENTION_CHANGED) == [
        ("acme", {"days": {"recordings": [None, 30]}}),
        ("acme / staff", {"own_period": [None, {"days": 0}]}),
    ]


def test_what_would_go_is_known_before_anything_is_changed(acme):
    enrolled(acme)
    with acting_as(acme):
        acme.utterances.update(created=days_from_now(-40))
    assert retention.foresee(acme, recordings=30).due == Due(recordings=1, probes=0, enrollments=0)
    assert retention.foresee(acme, recordings=50).due == Due(recordings=0, probes=0, enrollments=0)
    assert retention.foresee_library(acme, library_id(acme), OwnPeriod(30)).due == 1
    assert retention.periods_of(acme).recordings is None
    assert told(acme, Action.RETENTION_CHANGED) == []
    assert expire().counts == {}


def test_what_will_go_soon_can_be_counted(acme):
    enrolled(acme)
    retention.change(acme, recordings=10)
    with acting_as(acme):
        assert expiry.expiring_recordings(timedelta(days=9)).count() == 0
        assert expiry.expiring_recordings(timedelta(days=10, hours=1)).count() == 1


@pytest.mark.parametrize("days", [-1, 36_501])
def test_no_period_is_negative_or_longer_than_a_life(acme, days):
    enrolled(acme)
    with pytest.raises(PeriodRefused):
        retention.change(acme, recordings=days)
    with pytest.raises(PeriodRefused):
        retention.change_library(acme, library_id(acme), OwnPeriod(days))


def test_another_tenants_library_is_not_found(acme, globex):
    enrolled(acme)
    with pytest.raises(LibraryNotFound):
        retention.change_library(globex, library_id(acme), OwnPeriod(0))
    with pytest.raises(LibraryNotFound):
        retention.foresee_library(globex, library_id(acme), OwnPeriod(0))
    with pytest.raises(LibraryNotFound):
        retention.look_at_library(globex, library_id(acme))


def test_whoever_is_being_changed_is_left_to_the_next_run(acme):
    enrolled(acme)
    retention.change(acme, recordings=0)
    changing, done = threading.Event(), threading.Event()

    def change():
        with acting_as(acme):
            acme.speakers.select_for_update().get()
            changing.set()
            done.wait(30)

    def clean_up():
        changing.wait(30)
        try:
            return expire().counts
        finally:
            done.set()

    assert all_at_once(change, clean_up)[1] == {}
    assert expire().counts == {"recordings": 1}


def test_nothing_goes_while_somebody_extends_its_period(acme):
    enrolled(acme)
    retention.change(acme, recordings=0)
    extended, looked = threading.Event(), threading.Event()

    def extend():
        with acting_as(acme):
            Tenant.objects.filter(pk=acme.pk).update(recordings_kept_days=None)
            extended.set()
            looked.wait(30)

    def clean_up():
        extended.wait(30)
        try:
            return expire().counts
        finally:
            looked.set()

    assert all_at_once(extend, clean_up)[1] == {}
    assert kept(acme) == [SUSAN]


@pytest.mark.parametrize("of_library", [False, True], ids=["tenant", "library"])
def test_nothing_goes_whose_period_was_extended_while_it_was_looked_for(acme, monkeypatch, of_library):
    """The statement has begun, and sees the rule as it was; the rule is extended before it comes to the row."""
    enrolled(acme)
    retention.change(acme, recordings=0)
    if of_library:
        retention.change_library(acme, library_id(acme), OwnPeriod(0))
    waits = "utterance.recording <> '' AND (SELECT pg_advisory_xact_lock_shared(4711)) IS NOT NULL"
    monkeypatch.setattr(expiry, "EXPIRE", expiry.EXPIRE.replace("utterance.recording <> ''", waits))
    held = threading.Event()

    def extend():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(4711)")
            held.set()
            while not someone_waits(cursor):
                pass
            if of_library:
                retention.change_library(acme, library_id(acme), OwnPeriod(100))
            else:
                retention.change(acme, recordings=100)
            cursor.execute("SELECT pg_advisory_unlock(4711)")

    def clean_up():
        held.wait(30)
        return expire(days=1).counts

    assert all_at_once(extend, clean_up)[1] == {}
    assert kept(acme) == [SUSAN]


def someone_waits(cursor):
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")
    return cursor.fetchone()[0]


def test_two_runs_at_once_are_one(acme):
    enrolled(acme)
    retention.change(acme, recordings=0)
    begun, done = threading.Event(), threading.Event()

    def first():
        def deed(tally):
            begun.set()
            done.wait(30)
            expiry.expire_recordings(tally)

        return clean("recordings", deed).counts

    def second():
        begun.wait(30)
        try:
            return expire()
        finally:
            done.set()

    assert all_at_once(first, second) == [{"recordings": 1}, None]


# --- Probes and incomplete enrollments -------------------------------------------------------------------------------


def expire_probes(days):
    return clean("probes", lambda tally: expiry.expire_probes(tally, days_from_now(days))).counts


def expire_enrollments(days):
    return clean("enrollments", lambda tally: expiry.expire_enrollments(tally, days_from_now(days))).counts


def take_turn(tenant, number):
    turn, within = Turn(number), tenant.libraries.all()
    return services.enroll_turn(tenant, LIBRARY, SUSAN, audio(SUSAN, number), turn=turn, within=within)


def names(tenant):
    with acting_as(tenant):
        return sorted(tenant.speakers.values_list("external_id", flat=True))


def test_a_probe_goes_after_its_days_with_all_that_was_kept_of_it(acme, recordings_folder):
    enrolled(acme)
    services.enroll(acme, LIBRARY, "probe", [audio(KEN)], probe=True)
    retention.change(acme, probes=7)
    assert expire_probes(days=6) == {}
    assert expire_probes(days=8) == {"probes": 1}
    assert names(acme) == [SUSAN]
    assert len(files(recordings_folder)) == 1
    assert told(acme, Action.PROBES_DELETED) == [("acme / staff", {"probes": 1})]


def test_new_tenants_keep_probes_and_incomplete_enrollments_for_a_month(acme):
    assert (retention.periods_of(acme).probes, retention.periods_of(acme).enrollments) == (30, 30)


def test_an_enrollment_that_was_never_completed_goes_after_its_days(acme, recordings_folder):
    take_turn(acme, 1)
    retention.change(acme, enrollments=7)
    assert expire_enrollments(days=6) == {}
    assert expire_enrollments(days=8) == {"enrollments": 1}
    assert names(acme) == []
    assert files(recordings_folder) == []
    assert told(acme, Action.ENROLLMENTS_EXPIRED) == [("acme / staff", {"enrollments": 1})]


def test_days_count_from_the_last_thing_that_was_said(acme):
    take_turn(acme, 1)
    with acting_as(acme):
        acme.speakers.update(created=days_from_now(-20))
        acme.utterances.update(created=days_from_now(-20))
    take_turn(acme, 2)
    retention.change(acme, enrollments=10)
    assert expire_enrollments(days=0) == {}
    assert names(acme) == [SUSAN]


def test_whoever_was_enrolled_once_is_no_incomplete_enrollment(acme):
    said = enrolled(acme).utterances[0]
    services.delete_utterance(acme, said.pk)
    take_turn(acme, 1)
    with acting_as(acme):
        assert acme.speakers.get().status == Speaker.Status.ENROLLING
    assert expire_enrollments(days=1000) == {}


def test_a_completed_enrollment_stays(acme):
    for number in (1, 2, 3):
        take_turn(acme, number)
    assert expire_enrollments(days=1000) == {}
    with acting_as(acme):
        assert acme.speakers.get().completed


# --- Crashes ---------------------------------------------------------------------------------------------------------


def test_a_run_killed_at_any_step_leaves_no_orphan_and_is_taken_up(acme, killing_storage, recordings_folder):
    for step in range(200):
        services.delete_libraries(acme, acme.libraries.all())
        retention.change(acme, recordings=None)
        enrolled(acme)
        enrolled(acme, KEN)
        retention.change(acme, recordings=0)
        died = killed_at(step, expire)
        sweep_much_later()
        with acting_as(acme):
            rows = sorted(acme.utterances.exclude(recording="").values_list("recording", flat=True))
        assert files(recordings_folder) == rows, f"half done after {step} steps"
        counted = sum(run.counts.get("recordings", 0) for run in CleanupRun.objects.all())
        assert counted == 2 - len(rows)
        CleanupRun.objects.all().delete()
        if not died:
            assert rows == []
            return
        expire()
        assert kept(acme) == []
        CleanupRun.objects.all().delete()
    pytest.fail("the run never ended")


def test_a_run_that_fails_says_so(acme):
    with pytest.raises(ZeroDivisionError):
        clean("recordings", lambda tally: 1 / 0)
    run = CleanupRun.objects.get()
    assert (run.problem, bool(run.finished)) == ("ZeroDivisionError", True)
    assert expire() is not None


def test_of_runs_that_found_nothing_only_the_last_is_kept(acme):
    for _ in range(3):
        expire()
    assert CleanupRun.objects.count() == 1
