"""What jobs leave goes when its time is over, and the trail of its tenant tells how much."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants import cleaning
from tenants.actions import Action
from tenants.cleaning import clean
from tenants.context import acting_as
from tenants.models import CleanupRun
from tests.voiceprints.test_crashes import KillingStorage, killed_at, killing_storage
from tests.voiceprints.test_retention import files, told
from voiceprints import job_expiry, recordings
from voiceprints.models import Job

__all__ = ["KillingStorage", "killing_storage"]

pytestmark = pytest.mark.django_db(transaction=True)

EXPIRED = (Action.EXPORTS_EXPIRED, Action.UPLOADS_EXPIRED, Action.JOBS_EXPIRED)


def over(tenant, kind, days, **columns):
    """A job that ended so many days ago."""
    ended = {"state": Job.State.SUCCEEDED, "finished": timezone.now() - timedelta(days=days)}
    with acting_as(tenant):
        return tenant.jobs.create(kind=kind, **ended, **columns)


def export(tenant, number, days=2):
    path = f"jobs/{tenant.slug}-{number}.zip"
    recordings.write([path], [b"zip"])
    return over(tenant, Job.Kind.EXPORT, days, output=path, expires=timezone.now() - timedelta(days=days - 1))


def upload(tenant, number, days=2):
    path = f"jobs/{tenant.slug}-{number}.tar"
    recordings.write([path], [b"tar"])
    return over(tenant, Job.Kind.IMPORT, days, inputs=[path], inputs_expire=timezone.now() - timedelta(days=days - 1))


def long_over(tenant, lines):
    job = over(tenant, Job.Kind.IMPORT, days=31)
    with acting_as(tenant):
        for number in range(lines):
            tenant.job_rows.create(job=job, number=number, outcome="enrolled", external_id=f"speaker {number}")
    return job


def sweep():
    return clean("jobs", job_expiry.sweep)


def events(tenant):
    return [(action.value, details) for action in EXPIRED for _, details in told(tenant, action)]


def counted(tenant):
    """By the trail: how many of which went."""
    sums = {}
    for _, details in events(tenant):
        for what, count in details.items():
            sums[what] = sums.get(what, 0) + count
    return sums


def test_an_export_and_an_upload_that_expire_are_told_of_in_the_trail_of_their_tenant(acme, globex, recordings_folder):
    for number in range(2):
        export(acme, number)
    upload(acme, 2)
    export(globex, 0)
    run = sweep()
    assert files(recordings_folder) == []
    assert events(acme) == [("exports.expired", {"exports": 2}), ("uploads.expired", {"uploads": 1})]
    assert events(globex) == [("exports.expired", {"exports": 1})]
    assert run.counts == {"exports": 3, "uploads": 1}


def test_a_job_that_is_long_over_is_told_of_with_its_lines(acme, globex, monkeypatch):
    monkeypatch.setattr(cleaning, "ROWS_AT_ONCE", 3)
    long_over(acme, lines=7)
    over(acme, Job.Kind.IMPORT, days=29)
    long_over(globex, lines=1)
    run = sweep()
    assert [details for _, details in told(acme, Action.JOBS_EXPIRED)] == [
        {"job_lines": 3},
        {"job_lines": 3},
        {"job_lines": 1},
        {"jobs": 1},
    ]
    assert counted(globex) == {"job_lines": 1, "jobs": 1}
    assert run.counts == {"lines": 8, "jobs": 2}
    with acting_as(acme):
        assert (acme.jobs.count(), acme.job_rows.count()) == (1, 0)


def test_of_what_is_not_over_nothing_is_told(acme, recordings_folder):
    export(acme, 0, days=0)
    upload(acme, 1, days=0)
    over(acme, Job.Kind.IMPORT, days=29)
    assert sweep().counts == {}
    assert len(files(recordings_folder)) == 2
    assert events(acme) == []


def test_killed_at_any_step_the_trail_and_the_run_tell_of_exactly_what_went(acme, killing_storage, recordings_folder):
    told_before = {"exports": 0, "uploads": 0, "job_lines": 0, "jobs": 0}
    for step in range(300):
        with acting_as(acme):
            acme.jobs.all().delete()
        CleanupRun.objects.all().delete()
        export(acme, step)
        upload(acme, step)
        long_over(acme, lines=2)
        died = killed_at(step, sweep)
        with acting_as(acme):
            gone = {
                "exports": 1 - acme.jobs.exclude(output="").count(),
                "uploads": 1 - acme.jobs.exclude(inputs=[]).count(),
                "job_lines": 2 - acme.job_rows.count(),
                "jobs": 3 - acme.jobs.count(),
            }
        now = told_before | counted(acme)
        assert {what: now[what] - told_before[what] for what in now} == gone, f"after {step} steps"
        told_before = now
        (run,) = CleanupRun.objects.all() or [CleanupRun(counts={})]
        assert {"exports": 0, "uploads": 0, "lines": 0, "jobs": 0} | run.counts == {
            "lines" if what == "job_lines" else what: count for what, count in gone.items()
        }
        if not died:
            assert gone == {"exports": 1, "uploads": 1, "job_lines": 2, "jobs": 1}
            return
    pytest.fail("the run never ended")
