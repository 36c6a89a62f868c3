"""Whether the platform lives, and whether it can answer: for load balancers, monitors and the launcher.

The answers name parts and states, and nothing that belongs to a tenant. However often they are asked for, each process
looks once a second at most, or five times where something is wrong, and does not wait for a part that does not answer.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from celery import current_app
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import Error as DatabaseFailed
from django.db import connection as database
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from redis import RedisError

from config import settings
from config.home import lack_of_room
from voiceprints import heartbeats, work
from voiceprints.heartbeats import BEAT, Pulse
from voiceprints.jobs import EMBED, EMBED_BULK
from voiceprints.recordings import STORAGE_FAILURES

ANSWERED_WITHIN_SECONDS: Final = 2.0
LOOKED_AT_EVERY_SECONDS: Final = 1.0
LOOKED_AGAIN_AFTER_SECONDS: Final = 0.2
"""Where something is wrong: whoever waits for it to come up asks now this process, now that."""
WRITTEN_TO_S3_EVERY_SECONDS: Final = 60.0
TRIED_AGAIN_AT_S3_AFTER_SECONDS: Final = 5.0
MAINTENANCE: Final = settings.CELERY_TASK_DEFAULT_QUEUE
CLEANUP: Final = "cleanup"
NO_STORE: Final = {"Cache-Control": "no-store"}


class State(StrEnum):
    OK = "ok"
    DOWN = "down"
    LATE = "no answer in time"
    UNKNOWN = "unknown"


class Health(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"
    """Requests are answered; something that nobody waits for is down."""
    NOT_READY = "not ready"


NEEDED: Final = ("database", "redis", "storage", EMBED, "model")
"""Without which requests go wrong."""
BEHIND: Final = (EMBED_BULK, work.QUEUE, MAINTENANCE, CLEANUP, BEAT)
"""What is done later, or nobody waits for."""

Parts = dict[str, State]


@csrf_exempt
@require_safe
def live(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "alive"}, headers=NO_STORE)


@csrf_exempt
@require_safe
def ready(_: HttpRequest) -> HttpResponse:
    parts = READINESS.parts()
    health = verdict(parts)
    return JsonResponse(
        {"status": health, "parts": parts}, status=503 if health is Health.NOT_READY else 200, headers=NO_STORE
    )


def verdict(parts: Parts) -> Health:
    if any(parts[name] is not State.OK for name in NEEDED):
        return Health.NOT_READY
    return Health.READY if all(state is State.OK for state in parts.values()) else Health.DEGRADED


class Question:
    """Asked in a thread of its own, of which there is one even when the answer never comes."""

    def __init__(self, ask: Callable[[], Parts], *parts: str) -> None:
        self._ask, self._unanswered = ask, dict.fromkeys(parts, State.LATE)
        self._found = self._unanswered
        self._asker = threading.Thread()

    def begin(self) -> None:
        if not self._asker.is_alive():
            self._found = self._unanswered
            self._asker = threading.Thread(target=self._answered, name="health", daemon=True)
            self._asker.start()

    def answer(self, until: float) -> Parts:
        """`until`: of the monotonic clock."""
        self._asker.join(max(0.0, until - time.monotonic()))
        return self._found

    def _answered(self) -> None:
        self._found = self._ask()


class Readiness:
    """What was found last, for a moment; whoever asks meanwhile waits for whoever is looking."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._questions = list(questions)
        self._lock = threading.Lock()
        self._found: Parts = {}
        self._until = 0.0

    def parts(self) -> Parts:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = self._looked()
                well = all(state is State.OK for state in self._found.values())
                self._until = time.monotonic() + (LOOKED_AT_EVERY_SECONDS if well else LOOKED_AGAIN_AFTER_SECONDS)
            return self._found

    def forget(self) -> None:
        self._until = 0.0

    def _looked(self) -> Parts:
        for question in self._questions:
            question.begin()
        until = time.monotonic() + ANSWERED_WITHIN_SECONDS
        found = [question.answer(until) for question in self._questions]
        return {name: state for parts in found for name, state in parts.items()}


def database_state() -> Parts:
    try:
        with database.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailed:
        return {"database": State.DOWN}
    finally:
        database.close()
    return {"database": State.OK}


def process_states() -> Parts:
    """Of Redis, and of those who say there that they are alive."""
    try:
        alive = [pulse for pulse in heartbeats.pulses() if pulse.alive]
    except RedisError:
        return {"redis": State.DOWN} | dict.fromkeys([EMBED, "model", *BEHIND], State.UNKNOWN)
    if current_app.conf.task_always_eager:
        model = State.OK if heartbeats.models_are_usable() else State.DOWN
        return {"redis": State.OK, "model": model} | dict.fromkeys([EMBED, *BEHIND], State.OK)
    names = {pulse.name for pulse in alive}
    states = {name: State.OK if name in names else State.DOWN for name in (EMBED, *BEHIND)}
    return {"redis": State.OK, "model": model_state(alive)} | states


def model_state(alive: Iterable[Pulse]) -> State:
    """Each machine that embeds must be able to: nobody chooses where a recording goes."""
    embedding = [pulse.usable for pulse in alive if pulse.name == EMBED]
    if not embedding:
        return State.UNKNOWN
    return State.OK if all(embedding) else State.DOWN


class Storage:
    """Whether a recording could be written now. S3 costs money: asked once a minute, while it fails more often."""

    def __init__(self) -> None:
        self._until, self._found = 0.0, State.UNKNOWN

    def __call__(self) -> Parts:
        if time.monotonic() >= self._until:
            self._found = self._written()
        return {"storage": self._found}

    def _written(self) -> State:
        storage = storages["recordings"]
        try:
            if isinstance(storage, FileSystemStorage):
                write_nameless(storage)
                if lack_of_room(Path(storage.location)):
                    return State.DOWN
            else:
                self._until = time.monotonic() + TRIED_AGAIN_AT_S3_AFTER_SECONDS
                write_and_delete(storage)
                self._until = time.monotonic() + WRITTEN_TO_S3_EVERY_SECONDS
        except STORAGE_FAILURES:
            return State.DOWN
        return State.OK


def write_nameless(storage: FileSystemStorage) -> None:
    """A crash leaves nothing behind."""
    os.makedirs(storage.location, mode=0o700, exist_ok=True)
    with tempfile.TemporaryFile(dir=storage.location) as file:
        file.write(b"ready")
        file.flush()


def write_and_delete(storage: Any) -> None:
    storage.delete(storage.save(f"health/{uuid.uuid4()}", ContentFile(b"ready")))


def questions() -> list[Question]:
    return [
        Question(database_state, "database"),
        Question(process_states, "redis", EMBED, "model", *BEHIND),
        Question(Storage(), "storage"),
    ]


READINESS: Final = Readiness(questions())
