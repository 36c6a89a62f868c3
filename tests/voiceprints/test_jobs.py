"""Recordings measured by a real Celery worker over a real Redis, and what happens when either dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache

import psutil
import pytest
import redis
from celery import current_app

from audio.errors import AudioError, NotEnoughSpeech
from audio.results import SAMPLE_RATE
from tenants.origins import Origin, coming_from
from tests.cast import LIBRARY, SUSAN, audio, pcm_of, recording, silence, wav
from tests.servers import REDIS, through_the_queue
from voiceprints import heartbeats, jobs, services
from voiceprints.errors import (
    AnalysisTimedOut,
    EngineFailed,
    EngineUnreachable,
    RecordingNotFound,
    TooBusy,
    VoiceprintError,
)
from voiceprints.models import Utterance
from voiceprints.pictures import picture_of
from voiceprints.results import AudioInput

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = {"required_speech_seconds": 1.1}


@pytest.fixture(autouse=True)
def queued():
    with through_the_queue():
        yield
    jobs.connection().flushall()


@pytest.fixture(autouse=True)
def short_deadline(settings):
    settings.ANALYSIS_DEADLINE_SECONDS = 8.0


def celery_worker(log=None, app="config.celery"):
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", "embed", "--concurrency", "1"]
    environment = os.environ | {"OPENVPR_EAGER": "0", "OPENVPR_LOG_FORMAT": "json"}
    return subprocess.Popen([*command, "--without-gossip", "--without-mingle"], env=environment, stdout=log, stderr=log)


def wait_until_ready():
    for _ in range(600):
        with suppress(redis.ConnectionError):
            if current_app.control.ping(timeout=0.1):
                return
    pytest.fail("the worker did not start")


@pytest.fixture
def worker_log(tmp_path):
    return tmp_path / "worker.log"


@pytest.fixture
def worker_app():
    return "config.celery"


@pytest.fixture
def worker(worker_log, worker_app):
    with worker_log.open("w") as log:
        process = celery_worker(log, worker_app)
    wait_until_ready()
    yield process
    for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
        child.kill()
    process.kill()
    process.wait()


@pytest.fixture
def redis_that_dies():
    yield REDIS
    if REDIS.process.poll() is not None:
        REDIS.start()


@contextmanager
def soon(deed, *arguments):
    timer = threading.Timer(0.3, deed, arguments)
    timer.start()
    yield
    timer.join()


def kill_when_busy(process):
    """In the middle of a recording, however long the worker took to get it."""
    idle = process.cpu_times().user
    while process.cpu_times().user < idle + 0.3:
        time.sleep(0.02)
    process.kill()


@cache
def minutes_of_speech():
    """Long enough to be caught in the middle of being measured."""
    spoken = pcm_of(SUSAN)
    return wav(spoken * int(290 * 2 * SAMPLE_RATE / len(spoken)))


def outcomes_until(tenant, wanted):
    """Whether the platform comes back to this outcome by itself within a few requests."""
    return any(outcome_of(tenant, recording(SUSAN)) == wanted for _ in range(3))


def measure(tenant, content=None):
    spoken = content or recording(SUSAN)
    return jobs.analyze(tenant, AudioInput(read=lambda: spoken, size_bytes=len(spoken)), OPTIONS)


def pool_child(worker):
    """The one process of the worker that measures."""
    for _ in range(100):
        if children := psutil.Process(worker.pid).children():
            return children[0]
        time.sleep(0.05)
    raise AssertionError("the worker has no child")


# --- In the ordinary case --------------------------------------------------------------------------------------------


def test_a_worker_measures_the_recording(acme, worker):
    analysis = measure(acme)
    assert (analysis.model, len(analysis.embedding)) == ("ge2e", 256)
    assert analysis.flac.startswith(b"fLaC")


def test_a_worker_that_measures_also_draws(acme, worker):
    enrollment = services.enroll(acme, LIBRARY, "susan", [audio(SUSAN)])
    assert picture_of(enrollment.utterances[0]).bands > 0
    with pytest.raises(RecordingNotFound, match="acme/never"):
        picture_of(Utterance(tenant=acme, recording="acme/never.flac"))
    assert jobs.in_flight(acme) == 0


def test_nobody_waits_longer_for_a_picture_than_for_a_measurement(acme, settings):
    settings.ANALYSIS_DEADLINE_SECONDS = 0.5
    with pytest.raises(AnalysisTimedOut, match=r"0\.5 s"):
        jobs.draw(acme, recording(SUSAN))
    assert jobs.in_flight(acme) == 0


def test_a_worker_names_in_its_log_the_request_it_works_for(acme, worker, worker_log):
    with coming_from(Origin(request_id="r-1")):
        jobs.analyze(acme, audio(SUSAN), OPTIONS | {"standing_by": ["nowhere"]})
    (line,) = [line for line in worker_log.read_text().splitlines() if "goes without a model" in line]
    assert json.loads(line)["request_id"] == "r-1"


def test_why_a_recording_was_refused_comes_back_with_its_numbers(acme, worker):
    with pytest.raises(NotEnoughSpeech) as refused:
        measure(acme, silence().read())
    assert refused.value.required_seconds == 1.1


def test_many_requests_at_once_each_get_their_own_answer(acme, worker, settings):
    settings.QUEUE_DEPTH = acme.max_concurrent_analyses = 40
    settings.ANALYSIS_DEADLINE_SECONDS = 120
    voices = [recording(SUSAN), silence().read()] * 10
    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda content: outcome_of(acme, content), voices))
    assert outcomes == ["measured", "NotEnoughSpeech"] * 10


def outcome_of(tenant, content):
    try:
        measure(tenant, content)
    except (AudioError, VoiceprintError) as error:
        return type(error).__name__
    return "measured"


# --- Bounds ----------------------------------------------------------------------------------------------------------


def test_beyond_the_depth_of_the_queue_a_request_is_refused_at_once(acme, settings):
    settings.QUEUE_DEPTH = 1
    with admitted_by(acme), pytest.raises(TooBusy):
        measure(acme)


def test_beyond_the_tenants_concurrency_a_request_is_refused_at_once(acme):
    acme.max_concurrent_analyses = 1
    with admitted_by(acme), pytest.raises(TooBusy, match="of this tenant"):
        measure(acme)


def test_one_tenants_concurrency_is_not_anothers(acme, globex, worker):
    acme.max_concurrent_analyses = globex.max_concurrent_analyses = 1
    with admitted_by(acme):
        assert measure(globex)


def test_what_nobody_waits_for_holds_up_nobody(acme, settings, worker):
    """The worker is one of those for whose answers somebody waits: it takes nothing else."""
    acme.max_concurrent_analyses, settings.ANALYSIS_DEADLINE_SECONDS = 1, 5

    def in_the_background():
        with jobs.nobody_waiting():
            return outcome_of(acme, recording(SUSAN))

    with ThreadPoolExecutor(1) as pool:
        stands_back = pool.submit(in_the_background)
        time.sleep(0.3)
        assert measure(acme)
        assert not stands_back.done()
        assert stands_back.result() == "AnalysisTimedOut"


def test_beyond_the_bytes_of_the_queue_a_request_is_refused_at_once(acme, settings):
    settings.QUEUE_BYTES = 1000
    with admitted_by(acme), pytest.raises(TooBusy, match="limit of 1000 bytes"):
        measure(acme)


def test_a_single_recording_larger_than_the_queue_is_still_admitted(acme, settings, worker):
    settings.QUEUE_BYTES = 1000
    assert measure(acme)


def test_recordings_that_never_come_take_nobody_elses_room(acme, globex, settings, worker):
    settings.ANALYSIS_DEADLINE_SECONDS = 60
    over, on_their_way = threading.Event(), threading.Semaphore(0)

    def never_comes():
        on_their_way.release()
        over.wait()
        return recording(SUSAN)

    with ThreadPoolExecutor(12) as pool:
        fetched = [pool.submit(jobs.analyze, acme, AudioInput(read=never_comes), OPTIONS) for _ in range(12)]
        for _ in fetched:
            on_their_way.acquire()
        try:
            assert measure(globex)
        finally:
            over.set()
        assert all(one.result() for one in fetched)


def test_what_is_refused_is_not_even_fetched(acme, settings):
    settings.QUEUE_DEPTH = 1
    with admitted_by(acme), pytest.raises(TooBusy):
        jobs.analyze(acme, AudioInput(read=lambda: pytest.fail("it was fetched")), OPTIONS)


def test_a_redis_that_hangs_does_not_hold_a_request(acme, redis_that_dies):
    redis_that_dies.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(EngineUnreachable):
            measure(acme)
    finally:
        redis_that_dies.process.send_signal(signal.SIGCONT)


def test_a_finished_request_makes_room(acme, settings, worker):
    settings.QUEUE_DEPTH = 1
    assert measure(acme)
    assert measure(acme)


def test_room_that_a_crash_left_taken_frees_itself(acme, settings, monkeypatch):
    settings.QUEUE_DEPTH, settings.ANALYSIS_DEADLINE_SECONDS, settings.DOWNLOAD_SECONDS = 1, 0.1, 0.1
    monkeypatch.setattr(jobs, "SPARE_SECONDS", 1)
    taken = admitted_by(acme)
    taken.__enter__()
    time.sleep(2.1)
    with admitted_by(acme):
        pass


def admitted_by(tenant):
    return jobs._admitted(tenant, "another", 2000)


# --- When something dies ---------------------------------------------------------------------------------------------


def test_without_any_worker_the_request_gives_up_at_its_deadline(acme, settings):
    settings.ANALYSIS_DEADLINE_SECONDS = 0.5
    with pytest.raises(AnalysisTimedOut):
        measure(acme)


def test_a_recording_whose_request_gave_up_is_not_measured_later(acme, settings, caplog):
    settings.ANALYSIS_DEADLINE_SECONDS = 0.5
    with pytest.raises(AnalysisTimedOut):
        measure(acme)
    time.sleep(0.6)
    process = celery_worker()
    wait_until_ready()
    time.sleep(0.5)
    process.kill()
    process.wait()
    assert jobs.connection().keys("openvpr:reply:*") == []


def test_a_worker_killed_while_it_measures_is_reported_before_the_deadline(acme, worker):
    with soon(kill_when_busy, pool_child(worker)), pytest.raises(EngineFailed):
        measure(acme, minutes_of_speech())


def test_after_a_worker_was_killed_the_next_recording_is_measured(acme, worker):
    pool_child(worker).kill()
    assert measure(acme)


def test_a_request_in_flight_when_redis_dies_fails_cleanly(acme, redis_that_dies):
    with soon(redis_that_dies.stop, signal.SIGKILL), pytest.raises(EngineUnreachable):
        measure(acme)


def test_without_redis_a_request_fails_cleanly(acme, redis_that_dies):
    redis_that_dies.stop(signal.SIGKILL)
    with pytest.raises(EngineUnreachable):
        measure(acme)


@pytest.mark.parametrize("worker_app", ["tests.slow_worker"])
def test_a_process_that_comes_in_anothers_place_may_take_its_time_to_load_what_it_needs(acme, worker):
    for child in psutil.Process(worker.pid).children():
        child.kill()
    assert outcomes_until(acme, "measured")


def test_nobody_waits_much_longer_than_the_deadline_for_a_redis_that_stands_still():
    patience = jobs._waiting_connection(8.0).connection_pool.connection_kwargs["socket_timeout"]
    assert patience == 8.0 + jobs.COMMAND_SECONDS


def test_after_redis_was_started_again_recordings_are_measured(acme, worker, redis_that_dies):
    assert measure(acme)
    redis_that_dies.stop(signal.SIGKILL)
    redis_that_dies.start()
    assert outcomes_until(acme, "measured")


def test_a_recording_leaves_nothing_behind_in_redis(acme, worker):
    measure(acme)
    own = (b"_kombu", b"unacked", heartbeats.ALIVE.encode())
    assert [key for key in jobs.connection().keys("*") if not key.startswith(own)] == []


def test_a_reply_that_nobody_takes_goes_by_itself():
    jobs.reply("nobody", {"failed": "ZeroDivisionError"})
    (key,) = jobs.connection().keys("*nobody*")
    assert 0 < jobs.connection().ttl(key) <= jobs.REPLY_KEPT_SECONDS


def test_an_enrollment_whose_worker_dies_leaves_nothing(acme, worker, recordings_folder):
    with soon(kill_when_busy, pool_child(worker)), pytest.raises(EngineFailed):
        services.enroll(acme, LIBRARY, SUSAN, [AudioInput(read=minutes_of_speech)])
    assert services.count_speakers(acme, acme.libraries.within("acme")) == 0
    assert not recordings_folder.exists()


def test_no_part_of_a_recording_reaches_the_workers_log(acme, capfd, worker):
    analysis = measure(acme)
    with pytest.raises(NotEnoughSpeech):
        measure(acme, silence().read())
    log = "".join(capfd.readouterr())
    assert "flac" not in log
    assert analysis.embedding.tobytes()[:8].hex() not in log
