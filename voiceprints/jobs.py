"""Having a recording measured by a worker, within bounds: so many at once, so long, and an answer in any case.

The recording and the reply lie in Redis under keys of their own, which expire. A message of the queue would carry the
recording in base64 inside JSON, twice. And Celery's own result backend shares one subscription between threads, which
is not safe in a threaded web server; here each request waits for exactly its own list.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import msgpack
import redis
from celery import current_app
from django.conf import settings
from opentelemetry.trace import SpanKind
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from audio.errors import AudioError
from audio.results import Analysis
from tenants.models import Tenant
from tenants.origins import origin
from tenants.tracing import carried, spanned
from voiceprints import metrics
from voiceprints.errors import AnalysisTimedOut, EngineFailed, EngineUnreachable, TooBusy, TooManyAtOnce
from voiceprints.failures import from_wire
from voiceprints.messages import message_for
from voiceprints.results import AudioInput

logger = logging.getLogger(__name__)

ANALYZE, DRAW = "voiceprints.analyze", "voiceprints.draw"
REPLY_KEPT_SECONDS = 30
COMMAND_SECONDS = 3.0
SPARE_SECONDS = 5
IN_FLIGHT = "openvpr:in-flight"

EMBED, EMBED_BULK = "embed", "embed-bulk"
"""The queues of recordings: somebody waits for the answer, or nobody does and the workers have what is left over."""
# What nobody waits for may stand back for as long as others keep the processors busy.
BULK_PATIENCE = 6

_queue: ContextVar[str] = ContextVar("queue", default=EMBED)

_recordings_here: dict[str, bytes] = {}
_replies_here: dict[str, dict[str, Any]] = {}

# Entries are "<id>:<bytes>", scored with the second at which their request gives up, so that what a crash leaves behind
# frees itself. Returns 0 when admitted, else which limit was reached.
ADMIT = """
local now = tonumber(redis.call('TIME')[1])
local platform, tenant, entry, bytes = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
for _, key in ipairs(KEYS) do redis.call('ZREMRANGEBYSCORE', key, '-inf', now) end
local entries = redis.call('ZRANGE', platform, 0, -1)
local total = bytes
for _, other in ipairs(entries) do total = total + tonumber(string.match(other, ':(%d+)$')) end
if #entries >= tonumber(ARGV[4]) then return 1 end
if #entries > 0 and total > tonumber(ARGV[5]) then return 3 end
if redis.call('ZCARD', tenant) >= tonumber(ARGV[6]) then return 2 end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + tonumber(ARGV[3]), entry)
    redis.call('EXPIRE', key, tonumber(ARGV[3]) + 1)
end
return 0
"""


@dataclass
class Place:
    """Of a recording among those in flight. The worker that replies gives it back, or else whoever took it."""

    entry: str
    keys: list[str]
    given_back: bool = False

    def to_wire(self) -> list[str]:
        return [self.entry, *self.keys]


@cache
def connection() -> redis.Redis:
    """For commands that are answered at once. Thread-safe; a dead connection is replaced on the next call."""
    return _connection(COMMAND_SECONDS, retries=1)


@cache
def _waiting_connection(deadline_seconds: float) -> redis.Redis:
    """For waiting so long, and hardly longer for a Redis that stands still."""
    return _connection(deadline_seconds + COMMAND_SECONDS, retries=0)


def _connection(answered_within_seconds: float, *, retries: int) -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=COMMAND_SECONDS,
        socket_timeout=answered_within_seconds,
        health_check_interval=10,
        retry=Retry(NoBackoff(), retries),
    )


@contextmanager
def nobody_waiting() -> Iterator[None]:
    """What is measured in here stands back behind every recording that somebody waits for."""
    token = _queue.set(EMBED_BULK)
    try:
        yield
    finally:
        _queue.reset(token)


def deadline_seconds() -> float:
    patience = BULK_PATIENCE if _queue.get() == EMBED_BULK else 1
    return patience * settings.ANALYSIS_DEADLINE_SECONDS


def analyze(
    tenant: Tenant, audio: AudioInput, options: dict[str, Any], meanwhile: Callable[[], None] = lambda: None
) -> Analysis:
    """Have a recording measured, which is fetched once it is admitted.

    `meanwhile` is done while a worker measures, or before a recording is fetched from elsewhere; what it raises comes
    before whatever is wrong with the recording.

    Raises what fetching it raises, AudioError for the recording, and for us TooBusy, AnalysisTimedOut, EngineFailed or
    EngineUnreachable.
    """
    with metrics.analysis(_queue.get()):
        return Analysis.from_wire(_answered(tenant, ANALYZE, audio, options, meanwhile)["measured"])


def draw(tenant: Tenant, content: bytes) -> dict[str, Any]:
    """What a worker says a recording looks like, as the fields of a Picture.

    Raises AudioError, and TooBusy, AnalysisTimedOut, EngineFailed or EngineUnreachable.
    """
    audio = AudioInput(lambda: content, len(content))
    drawn: dict[str, Any] = _answered(tenant, DRAW, audio, {}, lambda: None)["drawn"]
    return drawn


def _answered(
    tenant: Tenant, task: str, audio: AudioInput, options: dict[str, Any], meanwhile: Callable[[], None]
) -> dict[str, Any]:
    """What a worker makes of a recording. Raises as `analyze` does."""
    with spanned(f"wait for {task}", SpanKind.PRODUCER):
        if _eager():
            content, meanwhile = _read_in(audio, meanwhile)
            meanwhile()
            message = _answered_here(task, content, options)
        else:
            try:
                message = _answered_by_worker(tenant, task, audio, options, meanwhile)
            except redis.RedisError as error:
                raise EngineUnreachable(type(error).__name__) from error
    if "refused" in message:
        raise AudioError.from_wire(message["refused"])
    return message


def in_flight(tenant: Tenant) -> int:
    """How many recordings are being measured that somebody waits for. Raises RedisError."""
    now: Any = connection().time()
    # What has expired is taken away by the next that comes in.
    waiting: Any = connection().zcount(f"{IN_FLIGHT}:{EMBED}:{tenant.pk}", f"({now[0]}", "+inf")
    return int(waiting)


def places(queue: str) -> list[float]:
    """Of all recordings that were let in to the queue and not answered yet, for how many seconds. Raises RedisError."""
    now: Any = connection().time()
    with nobody_waiting() if queue == EMBED_BULK else nullcontext():
        given_up_after = _lifetime_seconds()
    scores: Any = connection().zrangebyscore(f"{IN_FLIGHT}:{queue}", f"({now[0]}", "+inf", withscores=True)
    return [max(0.0, given_up_after - (gives_up - now[0])) for _, gives_up in scores]


def ask(task: str, arguments: list[Any]) -> dict[str, Any]:
    """Have a worker do something that needs no recording sent along; returns what it replies.

    Raises AnalysisTimedOut, EngineFailed or EngineUnreachable.
    """
    task_id = uuid.uuid4().hex
    if _eager():
        return _done_here(task, arguments, task_id)
    try:
        _send(task, arguments, task_id)
        return _wait(task_id, time.monotonic() + deadline_seconds())
    except redis.RedisError as error:
        raise EngineUnreachable(type(error).__name__) from error


def _send(task: str, arguments: list[Any], task_id: str, recording: bytes | None = None) -> None:
    """To the workers of whoever is asking, who gives up at the deadline, along with the recording if there is one."""
    queue, deadline = _queue.get(), deadline_seconds()
    message = message_for(
        queue,
        task,
        arguments,
        task_id=task_id,
        headers={"request_id": origin().request_id, **carried()},
        expires=deadline,
        time_limit=int(deadline) + SPARE_SECONDS,
    )
    with connection().pipeline() as together:
        if recording is not None:
            together.set(_recording_key(task_id), recording, px=int(1000 * deadline))
        together.lpush(queue, message)
        together.execute()


def _done_here(task: str, arguments: list[Any], task_id: str) -> dict[str, Any]:
    current_app.tasks[task].apply(args=tuple(arguments), task_id=task_id).get()
    return _unfailed(_replies_here.pop(task_id))


def _eager() -> bool:
    return bool(current_app.conf.task_always_eager)


def recording_of(job_id: str) -> bytes | None:
    """Called by the worker: what to measure, or None when nobody waits for it any more."""
    if _eager():
        return _recordings_here.get(job_id)
    content: bytes | None = connection().get(_recording_key(job_id))  # type: ignore[assignment]
    return content


def reply(job_id: str, message: dict[str, Any], place: Sequence[str] = ()) -> None:
    """Called by the worker: hand the outcome to whoever waits for it. Nobody may be left to do so.

    The `place` of a recording, as it travels, is given back along with it: that spares who waits a round trip. It is no
    return value of the task, because Celery writes those to its log.
    """
    if _eager():
        _replies_here[job_id] = message
        return
    with connection().pipeline() as together:
        if place:
            _give_back(together, job_id, *place)
        together.rpush(_reply_key(job_id), msgpack.packb(message))
        together.expire(_reply_key(job_id), REPLY_KEPT_SECONDS)
        together.execute()


def _answered_here(task: str, content: bytes, options: dict[str, Any]) -> dict[str, Any]:
    job_id = uuid.uuid4().hex
    _recordings_here[job_id] = content
    try:
        return _done_here(task, [options], job_id)
    finally:
        del _recordings_here[job_id]


def _answered_by_worker(
    tenant: Tenant, task: str, audio: AudioInput, options: dict[str, Any], meanwhile: Callable[[], None]
) -> dict[str, Any]:
    job_id, deadline, size_bytes = uuid.uuid4().hex, deadline_seconds(), audio.size_bytes
    if size_bytes is None:
        # A share of the room for as long as it is on its way: servers that never answer take nobody else's.
        with _admitted(tenant, job_id, settings.QUEUE_BYTES // settings.QUEUE_DEPTH):
            content, meanwhile = _read_in(audio, meanwhile)
        size_bytes, audio = len(content), replace(audio, read=lambda: content, size_bytes=len(content))
    with _admitted(tenant, job_id, size_bytes) as place:
        content, meanwhile = _read_in(audio, meanwhile)
        gives_up = time.monotonic() + deadline
        _send(task, [options, place.to_wire()], job_id, content)
        meanwhile()
        message = _wait(job_id, gives_up)
        place.given_back = True
    return message


def _read_in(audio: AudioInput, meanwhile: Callable[[], None]) -> tuple[bytes, Callable[[], None]]:
    """The recording, and what is left to be done meanwhile."""
    if audio.size_bytes is None:
        meanwhile()
        return audio.read(), lambda: None
    try:
        return audio.read(), meanwhile
    except AudioError:
        meanwhile()
        raise


@contextmanager
def _admitted(tenant: Tenant, job_id: str, size_bytes: int) -> Iterator[Place]:
    in_flight = f"{IN_FLIGHT}:{_queue.get()}"
    place = Place(f"{job_id}:{size_bytes}", [in_flight, f"{in_flight}:{tenant.pk}"])
    limits = [settings.QUEUE_DEPTH, settings.QUEUE_BYTES, tenant.max_concurrent_analyses]
    refused = connection().eval(
        ADMIT, len(place.keys), *place.keys, place.entry, size_bytes, _lifetime_seconds(), *limits
    )
    if refused == 1:
        raise TooBusy(what="recordings waiting on this platform", limit=settings.QUEUE_DEPTH)
    if refused == 2:
        raise TooManyAtOnce(what="recordings of this tenant at once", limit=tenant.max_concurrent_analyses)
    if refused == 3:
        raise TooBusy(what="bytes of recordings waiting on this platform", limit=settings.QUEUE_BYTES)
    try:
        yield place
    finally:
        if not place.given_back:
            _release(job_id, place)


def _lifetime_seconds() -> int:
    """After which nobody waits for a recording any more that is let in now."""
    return int(settings.DOWNLOAD_SECONDS + deadline_seconds()) + SPARE_SECONDS


def _release(job_id: str, place: Place) -> None:
    try:
        with connection().pipeline() as together:
            _give_back(together, job_id, *place.to_wire())
            together.execute()
    except redis.RedisError:
        logger.warning("could not release an admission; it expires by itself")


def _give_back(together: Pipeline, job_id: str, entry: str, *in_flight: str) -> None:
    """The recording goes, and its entries with it."""
    together.delete(_recording_key(job_id))
    for key in in_flight:
        together.zrem(key, entry)


def _wait(job_id: str, gives_up: float) -> dict[str, Any]:
    deadline, patience = deadline_seconds(), max(0.01, gives_up - time.monotonic())
    answer = _waiting_connection(deadline).blpop([_reply_key(job_id)], timeout=patience)
    if answer is None:
        raise AnalysisTimedOut(deadline_seconds=deadline)
    return _unfailed(msgpack.unpackb(answer[1]))


def _unfailed(message: dict[str, Any]) -> dict[str, Any]:
    """Raises EngineFailed, and what else a worker says is the matter."""
    if "failed" in message:
        raise EngineFailed(message["failed"])
    if "problem" in message:
        raise from_wire(message["problem"])
    return message


def _recording_key(job_id: str) -> str:
    return f"openvpr:recording:{job_id}"


def _reply_key(job_id: str) -> str:
    return f"openvpr:reply:{job_id}"
