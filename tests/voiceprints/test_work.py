"""Jobs run by real workers over a real Redis, killed and cancelled in the middle, and taken up again."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from urllib.parse import quote

import msgpack
import psutil
import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.core.files.storage import storages
from django.db import connection, connections
from django.utils import timezone

from tenants.context import acting_as, acting_as_platform
from tests.archives import csv_manifest, voices, zipped
from tests.cast import LIBRARY, VOICES, audio
from tests.second_model import TINY, install_tiny
from tests.servers import REDIS, through_the_queue
from tests.threads import all_at_once
from voiceprints import bulk, generations, jobs, services, tasks, work
from voiceprints.errors import JobFinished, LibraryNotFound, TooBusy
from voiceprints.models import DoomedRecording, Job
from voiceprints.results import WhenEnrolled

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PATIENCE_SECONDS = 150
# Recordings per second, at which an embedding sends few at a time and takes long enough for a middle.
SLOWLY = 3.9


@pytest.fixture(autouse=True)
def queued():
    with through_the_queue():
        yield
    jobs.connection().flushall()


@pytest.fixture(autouse=True)
def recordings_folder(settings):
    """Where the workers look, who have the settings of the test run's home."""
    folder = django_settings.HOME / "recordings"
    kept = settings.STORAGES["recordings"]
    settings.STORAGES = settings.STORAGES | {
        "recordings": kept | {"OPTIONS": kept["OPTIONS"] | {"location": folder}},
    }
    storages._storages.clear()
    return folder


@contextmanager
def celery_worker(queue, *options):
    """A worker that works in the database of the test."""
    database = connection.settings_dict
    host, password = quote(database["HOST"], safe=""), quote(database["PASSWORD"], safe="")
    url = f"postgresql://{database['USER']}:{password}@{host}/{database['NAME']}"
    # A worker that is killed with its parent answers nobody: whoever waits for it does so until the deadline.
    few = {"OPENVPR_BULK_CONCURRENCY": "2", "OPENVPR_DEADLINE_SECONDS": "3"}
    environment = os.environ | few | {"OPENVPR_EAGER": "0", "DATABASE_URL": url}
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "-Q", queue, "-n", f"{queue}@%h"]
    quiet = ["--without-gossip", "--without-mingle"]
    process = subprocess.Popen([*command, *options, *quiet], env=environment)
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    """With all its children, so that nobody has a chance to tidy up."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
        # Once it answers, Redis has noticed that they are gone and hands them nothing more.
        jobs.connection().ping()


@pytest.fixture
def measuring():
    with celery_worker(jobs.EMBED_BULK, "--concurrency", "1") as process:
        yield process


def bulk_worker():
    return celery_worker("bulk", "--pool", "threads", "--concurrency", "4")


def wait_for(condition):
    gives_up = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < gives_up, "it never happened"
        time.sleep(0.05)
    return found


def job_of(tenant, job):
    return bulk.find_job(tenant, job.pk)


def done(tenant, job, count):
    return lambda: job_of(tenant, job).done >= count


def over(tenant, job):
    """As the clock does, it looks for jobs to speak of again: a batch of a dead runner says that its job lives."""
    return lambda: work.dispatch_forgotten() >= 0 and job_of(tenant, job).is_over and job_of(tenant, job)


def everybody(tenant, **options):
    """One line for each voice, each with three recordings."""
    names = [f"{voice}/{number}.opus" for voice in VOICES for number in (1, 2, 3)]
    lines = [f"{voice}," + "|".join(f"{voice}/{number}.opus" for number in (1, 2, 3)) for voice in VOICES]
    archive = zipped({"manifest.csv": csv_manifest(*lines), **voices(*names)})
    return bulk.begin_import(tenant, archive=archive, key=LIBRARY, **options)


def given_up_for_dead():
    """The time passes after which a runner that was not heard of is thought dead, and its message lost."""
    long_ago = timezone.now() - timedelta(hours=1)
    with acting_as_platform():
        Job.all_tenants.filter(state="running").update(heartbeat=long_ago)
    message_lost()


def stop_between_transactions(process):
    """In one it would keep everybody waiting who needs the same rows, which is not what is asked here."""
    process.send_signal(signal.SIGSTOP)
    gives_up = time.monotonic() + 60
    while somebody_is_in_a_transaction():
        assert time.monotonic() < gives_up
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)


def somebody_is_in_a_transaction():
    # What it sent before it was stopped is done first.
    time.sleep(0.3)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )
        return cursor.fetchone() is not None


def message_lost():
    """As the clock does in the end for a message that went to a runner who cannot read it any more."""
    with acting_as_platform():
        Job.all_tenants.update(dispatched=timezone.now() - timedelta(hours=1))
    work.dispatch_forgotten()
    return True


def enrolled(tenant):
    listed = services.list_speakers(tenant, tenant.libraries.all(), limit=None)
    return sorted((one.speaker.external_id, one.utterance_count) for one in listed)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def recordings_of(tenant):
    with acting_as(tenant):
        return sorted(map(str, tenant.utterances.values_list("recording", flat=True)))


EVERYBODY = sorted((voice, 3) for voice in VOICES)


def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on(acme, measuring, recordings_folder):
    with bulk_worker() as first:
        job = everybody(acme)
        wait_for(done(acme, job, 2))
        kill(first)
    reached = job_of(acme, job).done
    assert 2 <= reached < len(VOICES)
    given_up_for_dead()
    with bulk_worker():
        ended = wait_for(over(acme, job))
    assert (ended.state, ended.done, ended.result) == ("succeeded", len(VOICES), {"enrolled": len(VOICES)})
    assert enrolled(acme) == EVERYBODY
    with acting_as_platform():
        DoomedRecording.all_tenants.update(not_before=timezone.now() - timedelta(hours=1))
    services.recordings.sweep()
    assert files(recordings_folder) == recordings_of(acme)


def test_adding_is_done_once_although_the_worker_dies(acme, measuring):
    with bulk_worker() as first:
        job = everybody(acme, when_enrolled=WhenEnrolled.ADD)
        wait_for(done(acme, job, 1))
        kill(first)
    given_up_for_dead()
    with bulk_worker():
        wait_for(over(acme, job))
    assert enrolled(acme) == EVERYBODY


def test_a_runner_given_up_for_dead_changes_nothing_when_it_comes_back(acme, measuring):
    with bulk_worker() as first:
        job = everybody(acme, when_enrolled=WhenEnrolled.ADD)
        wait_for(done(acme, job, 1))
        stop_between_transactions(first)
        reached = job_of(acme, job).done
        given_up_for_dead()
        with bulk_worker():
            wait_for(lambda: message_lost() and job_of(acme, job).done > reached)
            first.send_signal(signal.SIGCONT)
            ended = wait_for(over(acme, job))
    assert (ended.state, ended.done) == ("succeeded", len(VOICES))
    assert enrolled(acme) == EVERYBODY


def test_a_worker_that_is_told_to_stop_puts_its_job_back(acme, measuring):
    with bulk_worker() as first:
        job = everybody(acme)
        wait_for(done(acme, job, 1))
        first.terminate()
        first.wait(40)
    assert job_of(acme, job).state == "queued"
    given_up_for_dead()
    with bulk_worker():
        assert wait_for(over(acme, job)).result == {"enrolled": len(VOICES)}


def test_a_redis_that_loses_everything_delays_a_job_and_no_more(acme, measuring):
    with bulk_worker():
        job = everybody(acme)
        wait_for(done(acme, job, 1))
        REDIS.stop(signal.SIGKILL)
        time.sleep(1)
        REDIS.start()
        ended = wait_for(over(acme, job))
    assert ended.result == {"enrolled": len(VOICES)}


def test_a_message_that_was_lost_is_sent_again(acme, measuring):
    job = everybody(acme)
    jobs.connection().flushall()
    given_up_for_dead()
    with bulk_worker():
        assert wait_for(over(acme, job)).state == "succeeded"


def heard(seconds_ago):
    """The runner was claimed long ago, and last said so many seconds ago that it lives."""
    said = timezone.now() - timedelta(seconds=seconds_ago)
    with acting_as_platform():
        Job.all_tenants.update(heartbeat=said, dispatched=said)


def test_the_job_of_a_runner_that_is_dead_is_sent_again_without_waiting_for_a_message(acme):
    job = everybody(acme)
    assert work.claimed(acme.pk, job.pk)
    heard(seconds_ago=work.GIVEN_UP_AFTER.total_seconds() - 5)
    assert work.dispatch_forgotten() == 0
    heard(seconds_ago=work.GIVEN_UP_AFTER.total_seconds() + 1)
    assert [work.dispatch_forgotten(), work.dispatch_forgotten()] == [1, 0]
    assert work.claimed(acme.pk, job.pk)


def test_a_runner_that_could_not_say_so_for_a_while_keeps_its_job(acme):
    job = everybody(acme)
    run = work.claimed(acme.pk, job.pk)
    heard(seconds_ago=work.GIVEN_UP_AFTER.total_seconds() + 1)
    assert work.dispatch_forgotten() == 1
    with acting_as(acme):
        run.keep()
    assert work.claimed(acme.pk, job.pk) is None


def test_a_busy_platform_delays_a_job_and_no_more(acme, measuring, settings):
    settings.QUEUE_DEPTH = acme.max_concurrent_analyses = 32
    with jobs.nobody_waiting(), ExitStack() as busy:
        for number in range(32):
            busy.enter_context(jobs._admitted(acme, str(number), 1))
        with bulk_worker():
            job = everybody(acme)
            wait_for(lambda: job_of(acme, job).total)
            time.sleep(2)
            assert job_of(acme, job).done == 0
            busy.close()
            assert wait_for(over(acme, job)).result == {"enrolled": len(VOICES)}


def test_a_cancelled_job_enrolls_nobody_more(acme, measuring):
    with bulk_worker():
        job = everybody(acme)
        wait_for(done(acme, job, 1))
        bulk.cancel_job(acme, job.pk)
        known = enrolled(acme)
        time.sleep(3)
        assert enrolled(acme) == known
    assert len(known) < len(VOICES)
    with pytest.raises(JobFinished):
        bulk.cancel_job(acme, job.pk)


def test_without_a_queue_a_job_is_taken_and_waits(acme):
    REDIS.stop(signal.SIGKILL)
    try:
        job = everybody(acme)
    finally:
        REDIS.start()
    assert job_of(acme, job).state == "queued"


def test_a_job_that_takes_its_worker_down_each_time_is_given_up(acme):
    job = everybody(acme)
    for _ in range(work.MOST_ATTEMPTS):
        assert work.claimed(acme.pk, job.pk)
        given_up_for_dead()
    assert work.claimed(acme.pk, job.pk) is None
    assert (job_of(acme, job).state, job_of(acme, job).problem["kind"]) == ("failed", "JobAbandoned")


def test_a_job_that_begins_anew_each_time_is_given_up_however_far_it_came(acme):
    job = everybody(acme)
    for _ in range(work.MOST_ATTEMPTS):
        work.claimed(acme.pk, job.pk).progress(20)
        given_up_for_dead()
    assert work.claimed(acme.pk, job.pk) is None
    assert job_of(acme, job).problem["kind"] == "JobAbandoned"


def test_a_job_that_gets_a_line_further_each_time_goes_on(acme):
    job = everybody(acme)
    for number in range(work.MOST_ATTEMPTS + 1):
        with acting_as(acme):
            work.claimed(acme.pk, job.pk).record(number, "enrolled")
        given_up_for_dead()
    assert work.claimed(acme.pk, job.pk)


def cancelled_then(failure):
    def runner(run):
        bulk.cancel_job(run.tenant, run.job.pk)
        raise failure

    return runner


@pytest.mark.parametrize("failure", [work.Stopped(), LibraryNotFound(), work.JobLost()])
def test_whatever_comes_of_a_cancelled_job_the_next_is_sent(acme, monkeypatch, failure):
    mine = [everybody(acme) for _ in range(work.RUNNING_PER_TENANT + 1)]
    for job in mine[1:-1]:
        assert work.claimed(acme.pk, job.pk)
    monkeypatch.setitem(bulk.RUNNERS, Job.Kind.IMPORT, refused_meanwhile(mine[-1], cancelled_then(failure)))
    jobs.connection().flushall()
    tasks.run_job(acme.pk, mine[0].pk)
    assert job_of(acme, mine[0]).state == "cancelled"
    assert messages() == [mine[-1].pk]


def refused_meanwhile(other, runner):
    """While a job runs, another of its tenant is refused for want of room."""

    def both(run):
        assert work.claimed(run.tenant.pk, other.pk) is None
        return runner(run)

    return both


def messages():
    """The jobs of which messages in the queue speak."""
    raw = reversed(jobs.connection().lrange(work.QUEUE, 0, -1))
    return [msgpack.unpackb(base64.b64decode(json.loads(one)["body"]))[0][1] for one in raw]


def test_jobs_that_end_together_make_room_for_as_many(acme):
    mine = [everybody(acme) for _ in range(work.RUNNING_PER_TENANT + 3)]
    claims = [work.claimed(acme.pk, job.pk) for job in mine]
    for claim in claims[:2]:
        claim.succeed(work.Product({}))
    jobs.connection().flushall()
    all_at_once(*[lambda: work.dispatch_next(acme)] * 2)
    assert sorted(messages()) == [job.pk for job in mine[-3:-1]]


def test_a_job_that_was_put_back_is_the_next(acme):
    job = everybody(acme)
    work.claimed(acme.pk, job.pk).put_back()
    jobs.connection().flushall()
    work.dispatch_next(acme)
    assert messages() == [job.pk]


def test_a_job_that_found_no_room_is_sent_again_although_nobody_says_that_there_is_some(acme):
    mine = [everybody(acme) for _ in range(work.RUNNING_PER_TENANT + 1)]
    for job in mine:
        work.claimed(acme.pk, job.pk)
    jobs.connection().flushall()
    assert work.dispatch_forgotten() == 1
    assert messages() == [mine[-1].pk]


def test_simultaneous_requests_get_no_more_jobs_than_a_tenant_may_have(acme, settings):
    settings.JOBS_PER_TENANT = 3
    services.save_library(acme, LIBRARY)
    outcomes = all_at_once(*[lambda: bulk.begin_export(acme, LIBRARY).kind] * 8)
    assert sorted(outcomes, key=str) == sorted(["export"] * 3 + [TooBusy] * 5, key=str)


def test_simultaneous_runners_claim_no_more_jobs_than_a_tenant_may_run(acme):
    mine = [everybody(acme) for _ in range(2 * work.RUNNING_PER_TENANT)]
    claims = all_at_once(*(lambda job=job: work.claimed(acme.pk, job.pk) for job in mine))
    assert sum(map(bool, claims)) == work.RUNNING_PER_TENANT


def test_what_is_under_way_is_found_by_its_index():
    with acting_as_platform(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert "jobs_under_way" in Job.all_tenants.unclaimed(timezone.now()).explain()


@pytest.fixture
def no_slot():
    slots = work._slots()
    taken = 0
    while slots.acquire(blocking=False):
        taken += 1
    yield slots
    slots.release(taken)


def in_a_thread(deed):
    """Its future, and what keeps its connection."""
    wrappers = []

    def known():
        wrappers.append(connections["default"])
        connection.ensure_connection()
        try:
            return deed()
        finally:
            connection.close()

    with_one = ThreadPoolExecutor(1)
    future = with_one.submit(known)
    with_one.shutdown(wait=False)
    return future, wait_for(lambda: wrappers)[0]


def test_what_measures_nothing_waits_for_nobody_who_does(acme, no_slot):
    run = work.claimed(acme.pk, everybody(acme).pk)
    future, _ = in_a_thread(lambda: run.persistently(lambda: "stored"))
    try:
        assert future.result(5) == "stored"
    finally:
        no_slot.release()
        future.result(5)
        no_slot.acquire()


def test_who_waits_to_measure_keeps_no_connection(acme, no_slot):
    run = work.claimed(acme.pk, everybody(acme).pk)
    future, wrapper = in_a_thread(lambda: run.measure(lambda: "measured"))
    try:
        wait_for(lambda: wrapper.connection is None)
        assert not future.done()
    finally:
        no_slot.release()
        assert future.result(5) == "measured"
        no_slot.acquire()


def test_who_waits_for_a_busy_platform_keeps_no_connection(acme, monkeypatch):
    monkeypatch.setattr(work, "FIRST_PAUSE_SECONDS", 2.0)
    run = work.claimed(acme.pk, everybody(acme).pk)
    room = threading.Event()

    def busy():
        if room.is_set():
            return "done"
        connection.ensure_connection()
        room.set()
        raise TooBusy(what="recordings", limit=1)

    future, wrapper = in_a_thread(lambda: run.persistently(busy))
    room.wait(5)
    wait_for(lambda: wrapper.connection is None)
    assert not future.done()
    assert future.result(5) == "done"


def test_a_job_has_one_runner(acme):
    job = everybody(acme)
    assert work.claimed(acme.pk, job.pk)
    assert work.claimed(acme.pk, job.pk) is None


def test_one_tenant_leaves_room_for_others(acme, globex):
    mine = [everybody(acme) for _ in range(work.RUNNING_PER_TENANT + 1)]
    theirs = everybody(globex)
    assert [bool(work.claimed(acme.pk, job.pk)) for job in mine] == [True] * work.RUNNING_PER_TENANT + [False]
    assert work.claimed(globex.pk, theirs.pk)


def test_the_job_of_a_closed_tenant_waits(acme):
    job = everybody(acme)
    acme.active = False
    acme.save()
    assert work.claimed(acme.pk, job.pk) is None


def test_nobody_speaks_of_the_jobs_of_a_closed_tenant_until_it_is_opened_again(acme):
    everybody(acme)
    with acting_as_platform():
        Job.all_tenants.update(dispatched=timezone.now() - timedelta(hours=1))
    acme.active = False
    acme.save()
    assert work.dispatch_forgotten() == 0
    acme.active = True
    acme.save()
    assert work.dispatch_forgotten() == 1


# --- Embedding with another model -----------------------------------------------------------------------------------


@pytest.fixture
def everybody_enrolled(acme, settings, tmp_path):
    """And a second model installed where the workers look, too."""
    settings.MODELS = django_settings.HOME / "models"
    install_tiny(tmp_path)
    current_app.conf.task_always_eager = True
    for voice in VOICES:
        services.enroll(acme, LIBRARY, voice, [audio(voice, number) for number in (1, 2, 3)])
    current_app.conf.task_always_eager = False
    return acme


def begun(tenant, **options):
    return generations.begin(tenant, TINY, **options)


def embedded_once(tenant, job):
    """Every utterance, whatever happened on the way."""
    assert (job.state, job.result) == ("succeeded", {"model": TINY, "embedded": 3 * len(VOICES), "failed": 0})
    assert (job.done, job.total) == (3 * len(VOICES), 3 * len(VOICES))
    found = generations.switch(tenant, TINY)
    assert (found.covered, found.must_enroll_again) == (len(VOICES), 0)
    with acting_as(tenant):
        assert set(tenant.voiceprints.filter(model=TINY).values_list("utterance_count", flat=True)) == {3}
    return True


def test_an_embedding_worker_killed_in_the_middle_costs_nothing(everybody_enrolled, measuring):
    job = begun(everybody_enrolled, rate=SLOWLY)
    with bulk_worker():
        wait_for(done(everybody_enrolled, job, 2))
        kill(measuring)
        with celery_worker(jobs.EMBED_BULK, "--concurrency", "1"):
            assert embedded_once(everybody_enrolled, wait_for(over(everybody_enrolled, job)))


def test_a_runner_killed_while_its_batches_are_embedded_costs_nothing(everybody_enrolled, measuring):
    job = begun(everybody_enrolled, rate=SLOWLY)
    with bulk_worker() as first:
        wait_for(done(everybody_enrolled, job, 2))
        kill(first)
    given_up_for_dead()
    with bulk_worker():
        assert embedded_once(everybody_enrolled, wait_for(over(everybody_enrolled, job)))


def test_a_redis_that_loses_everything_costs_an_embedding_nothing(everybody_enrolled, measuring):
    job = begun(everybody_enrolled, rate=SLOWLY)
    with bulk_worker():
        wait_for(done(everybody_enrolled, job, 2))
        REDIS.stop(signal.SIGKILL)
        time.sleep(1)
        REDIS.start()
        assert embedded_once(everybody_enrolled, wait_for(over(everybody_enrolled, job)))


def test_an_embedding_that_is_paused_stands_still_until_it_is_resumed(everybody_enrolled, measuring):
    job = begun(everybody_enrolled, rate=SLOWLY)
    with bulk_worker():
        wait_for(done(everybody_enrolled, job, 1))
        reached = bulk.pause_job(everybody_enrolled, job.pk).done
        time.sleep(3)
        assert (job_of(everybody_enrolled, job).state, job_of(everybody_enrolled, job).done) == ("paused", reached)
        message_lost()
        time.sleep(1)
        assert job_of(everybody_enrolled, job).state == "paused"
        bulk.resume_job(everybody_enrolled, job.pk)
        assert embedded_once(everybody_enrolled, wait_for(over(everybody_enrolled, job)))


def test_a_model_that_no_worker_has_fails_the_job_and_says_so(everybody_enrolled, measuring):
    shutil.rmtree(django_settings.HOME / "models" / TINY)
    job = begun(everybody_enrolled)
    with bulk_worker():
        ended = wait_for(over(everybody_enrolled, job))
    assert (ended.state, ended.problem["kind"]) == ("failed", "ModelUnusable")
    assert generations.coverage(everybody_enrolled, TINY).missing == 3 * len(VOICES)
