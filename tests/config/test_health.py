"""Whether the platform lives, and whether it can answer."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from config import health
from config.health import BEHIND, NEEDED, READINESS, Health, Question, Readiness, State, verdict
from tests.servers import POSTGRES, REDIS, through_the_queue
from voiceprints import heartbeats, installed, jobs
from voiceprints.heartbeats import BEAT
from voiceprints.models import EmbeddingModel

pytestmark = pytest.mark.django_db(transaction=True)

ALL_WELL = dict.fromkeys([*NEEDED, *BEHIND], State.OK)


@pytest.fixture(autouse=True)
def looked_at_anew(services, recordings_folder):
    jobs.connection().delete(heartbeats.ALIVE)
    READINESS.forget()
    yield
    READINESS.forget()


@pytest.fixture
def everybody(looked_at_anew):
    """All processes say that they are alive, and work goes to them."""
    for name in (jobs.EMBED, *BEHIND):
        heartbeats.say(name)
    with through_the_queue():
        yield


def told(client):
    READINESS.forget()
    reply = client.get("/health/ready")
    said = reply.json()
    return reply.status_code, said["status"], {part: state for part, state in said["parts"].items() if state != "ok"}


def test_the_web_server_says_that_it_lives(client):
    reply = client.get("/health/live")
    assert (reply.status_code, reply.json(), reply["Cache-Control"]) == (200, {"status": "alive"}, "no-store")


@pytest.mark.parametrize("address", ["/health/live", "/health/ready", "/metrics", "/"])
def test_a_wrong_method_is_refused_in_words(client, address):
    reply = client.post(address)
    assert (reply.status_code, reply.json()["title"]) == (405, "method not allowed")
    assert "GET" in reply["Allow"]


def test_with_everything_in_place_the_platform_is_ready(client, everybody):
    reply = client.get("/health/ready")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "parts": ALL_WELL})


def test_nothing_is_said_about_tenants_or_places(client, everybody, acme):
    said = client.get("/health/ready").content.decode()
    assert "acme" not in said
    assert heartbeats.pulses()[0].host not in said


def test_without_those_who_measure_it_is_not_ready(client):
    with through_the_queue():
        status, said, wrong = told(client)
    assert (status, said) == (503, "not ready")
    assert wrong == dict.fromkeys([jobs.EMBED, *BEHIND], "down") | {"model": "unknown"}


@pytest.mark.parametrize("name", BEHIND)
def test_without_what_nobody_waits_for_it_still_answers(client, everybody, name):
    (field,) = [f"{pulse.name}@{pulse.host}" for pulse in heartbeats.pulses() if pulse.name == name]
    jobs.connection().hdel(heartbeats.ALIVE, field)
    assert told(client) == (200, "degraded", {name: "down"})


def test_whoever_was_not_heard_of_for_a_while_is_down(client, everybody):
    (field,) = [field for field in jobs.connection().hkeys(heartbeats.ALIVE) if field.startswith(b"beat@")]
    now = jobs.connection().time()[0]
    jobs.connection().hset(heartbeats.ALIVE, field, f"{now - heartbeats.DEAD_AFTER_SECONDS - 1}:1")
    assert told(client) == (200, "degraded", {BEAT: "down"})


def test_a_machine_that_never_comes_back_is_forgotten(everybody):
    now = jobs.connection().time()[0]
    jobs.connection().hset(heartbeats.ALIVE, "embed@gone", f"{now - heartbeats.FORGOTTEN_AFTER_SECONDS - 1}:1")
    jobs.connection().hset(heartbeats.ALIVE, "embed@away", f"{now - heartbeats.DEAD_AFTER_SECONDS - 1}:1")
    heartbeats.say(BEAT)
    hosts = {pulse.host for pulse in heartbeats.pulses()}
    assert "gone" not in hosts
    assert "away" in hosts


def test_a_machine_that_embeds_without_the_models_makes_it_unready(client, everybody):
    heartbeats.say(jobs.EMBED, usable=False)
    assert told(client) == (503, "not ready", {"model": "down"})


def test_redis_down(client, everybody):
    with REDIS.down():
        status, said, wrong = told(client)
    assert (status, said) == (503, "not ready")
    assert wrong == {"redis": "down"} | dict.fromkeys([jobs.EMBED, "model", *BEHIND], "unknown")


def test_database_down(client, everybody, monkeypatch):
    # To stop a server may take longer than whoever said once that it is alive is believed.
    monkeypatch.setattr(heartbeats, "DEAD_AFTER_SECONDS", heartbeats.FORGOTTEN_AFTER_SECONDS)
    with POSTGRES.down():
        assert told(client) == (503, "not ready", {"database": "down"})
    assert told(client)[0] == 200


def test_a_storage_that_takes_nothing(client, everybody, recordings_folder):
    recordings_folder.parent.mkdir(exist_ok=True)
    recordings_folder.write_text("no folder")
    assert told(client) == (503, "not ready", {"storage": "down"})


@pytest.mark.parametrize(("size", "wrong"), [("32m", {"storage": "down"}), ("128m", {})])
def test_a_disk_with_hardly_any_room_left(client, everybody, recordings_folder, size, wrong):
    recordings_folder.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", recordings_folder], check=False
    ).returncode:
        pytest.skip("nobody may mount a file system here")
    try:
        assert told(client)[2] == wrong
    finally:
        subprocess.run(["umount", "--lazy", recordings_folder], check=True)


def test_asking_the_storage_leaves_nothing_there(client, everybody, recordings_folder):
    assert told(client)[0] == 200
    assert list(recordings_folder.iterdir()) == []


def test_everybody_who_asks_within_a_moment_gets_the_same_answer():
    asked = []

    def ask():
        asked.append(1)
        return {"part": State.OK}

    readiness = Readiness([Question(ask, "part")])
    together = [threading.Thread(target=readiness.parts) for _ in range(20)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert len(asked) == 1


def test_what_is_wrong_is_looked_at_again_sooner(monkeypatch):
    monkeypatch.setattr(health, "LOOKED_AT_EVERY_SECONDS", 3600.0)
    states = [State.DOWN, State.OK, State.DOWN]
    readiness = Readiness([Question(lambda: {"part": states.pop(0)}, "part")])
    while readiness.parts()["part"] is State.DOWN:
        time.sleep(0.01)
    assert readiness.parts()["part"] is State.OK


def test_a_part_that_does_not_answer_holds_nobody_up_and_is_asked_once(monkeypatch):
    asked, answer = [], threading.Event()
    monkeypatch.setattr(health, "ANSWERED_WITHIN_SECONDS", 0.05)

    def ask():
        asked.append(1)
        answer.wait(30)
        return {"part": State.OK}

    readiness = Readiness([Question(ask, "part")])
    for _ in range(3):
        readiness.forget()
        assert readiness.parts() == {"part": State.LATE}
    answer.set()
    while any(thread.name == "health" for thread in threading.enumerate()):
        time.sleep(0.01)
    readiness.forget()
    assert readiness.parts() == {"part": State.OK}
    assert len(asked) == 2


@pytest.mark.parametrize("part", NEEDED)
def test_it_is_not_ready_without_what_requests_need(part):
    assert verdict(ALL_WELL | {part: State.LATE}) is Health.NOT_READY


def test_the_clock_says_that_it_lives_when_it_sends_something_and_not_each_time(monkeypatch):
    said = []
    monkeypatch.setattr(heartbeats, "say", said.append)
    tick = heartbeats.Ticking()
    for _ in range(3):
        tick(sender="voiceprints.tend_jobs")
    assert said == [BEAT]


def test_nobody_is_troubled_by_a_sign_of_life_that_cannot_be_given():
    with REDIS.down():
        heartbeats.Ticking()(sender="voiceprints.tend_jobs")


def test_a_model_that_answers_nobody_may_be_missing(acme, tiny):
    acme.other_models = [tiny]
    acme.save()
    installed.store().weights_of(tiny).unlink()
    assert heartbeats.models_are_usable()
    acme.fallback_model = tiny
    acme.save()
    assert not heartbeats.models_are_usable()


def test_models_that_answer_must_lie_here_whole_and_as_the_database_knows_them(acme, tiny):
    acme.model = tiny
    acme.save()
    assert heartbeats.models_are_usable()
    weights = installed.store().weights_of(tiny)
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    assert not heartbeats.models_are_usable()
    weights.write_bytes(content)
    EmbeddingModel.objects.filter(pk=tiny).update(sha256="0" * 64)
    installed._agreed_until.clear()
    assert not heartbeats.models_are_usable()
    weights.unlink()
    assert not heartbeats.models_are_usable()
