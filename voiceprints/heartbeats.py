"""Who of the processes behind the web server is alive: each says so in Redis every few seconds."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import redis
from django.db import Error as DatabaseFailed
from django.db import connection as database

from audio.errors import ModelError
from voiceprints import installed
from voiceprints.jobs import EMBED, connection

logger = logging.getLogger(__name__)

SAID_EVERY_SECONDS: Final = 5.0
DEAD_AFTER_SECONDS: Final = 20
FORGOTTEN_AFTER_SECONDS: Final = 3600
ALIVE: Final = "openvpr:alive"
BEAT: Final = "beat"

# The clock is that of Redis, so that machines need not agree on the time. Machines that never come back are forgotten.
SAY = """
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], now .. ':' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local said = redis.call('HGETALL', KEYS[1])
for index = 1, #said, 2 do
    if tonumber(string.match(said[index + 1], '^%d+')) < now - tonumber(ARGV[3]) then
        redis.call('HDEL', KEYS[1], said[index])
    end
end
"""


@dataclass(frozen=True)
class Pulse:
    """Of a worker of a queue, or of Celery's clock, on one machine."""

    name: str
    host: str
    age_seconds: int
    usable: bool
    """Of who embeds: whether the speaker models that answer for tenants are there as they should be."""

    @property
    def alive(self) -> bool:
        return self.age_seconds <= DEAD_AFTER_SECONDS


def say(name: str, *, usable: bool = True) -> None:
    """That who bears this name here is alive now. Raises RedisError."""
    field = f"{name}@{socket.gethostname()}"
    connection().eval(SAY, 1, ALIVE, field, int(usable), FORGOTTEN_AFTER_SECONDS)


def pulses() -> list[Pulse]:
    """Of everybody who was alive within the hour. Raises RedisError."""
    with connection().pipeline(transaction=False) as asked:
        asked.time()
        asked.hgetall(ALIVE)
        (now, _), said = asked.execute()
    return [_pulse(field.decode(), value.decode(), now) for field, value in said.items()]


def _pulse(field: str, value: str, now: int) -> Pulse:
    name, _, host = field.partition("@")
    when, _, usable = value.partition(":")
    return Pulse(name, host, max(0, now - int(when)), usable == "1")


class Beating:
    """A thread that says that its process is alive, from when it is begun until the process ends."""

    def __init__(self, queues: Iterable[str]) -> None:
        self._queues = list(queues)

    def begin(self) -> None:
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def _run(self) -> NoReturn:
        while True:
            quietly(self._say_all)
            time.sleep(SAID_EVERY_SECONDS)

    def _say_all(self) -> None:
        for queue in self._queues:
            say(queue, usable=queue != EMBED or models_are_usable())


def quietly(deed: Callable[[], object]) -> None:
    """Nobody is helped by a log full of what the next beat finds mended."""
    try:
        deed()
    except redis.RedisError as error:
        logger.debug("no sign of life: %s", type(error).__name__)


def models_are_usable() -> bool:
    """Whether those that answer for most tenants lie on this machine, whole and as the database knows them."""
    try:
        return all(_is_usable(name) for name in installed.most_answering())
    except DatabaseFailed:
        # Who asks whether we are ready hears of the database as well.
        return True
    finally:
        # Whoever waits for seconds keeps no connection.
        database.close()


def _is_usable(name: str) -> bool:
    try:
        installed.refuse_disagreement(name)
        store = installed.store()
        return store.weights_of(name).stat().st_size == store.find(name).size_bytes
    except (ModelError, OSError):
        return False


class Ticking:
    """Celery's clock says that it is alive when it sends something, at most every few seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, **_: Any) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SAID_EVERY_SECONDS
            quietly(lambda: say(BEAT))
