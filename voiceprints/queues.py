"""How much waits for the workers at this moment, of all tenants together."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from voiceprints import work
from voiceprints.jobs import EMBED, EMBED_BULK, IN_FLIGHT, connection


@dataclass(frozen=True)
class Queues:
    """Messages that no worker has taken, and recordings that were let in and not answered yet."""

    embed: int
    embed_bulk: int
    bulk: int
    in_flight: int
    in_flight_bulk: int


def queues_now() -> Queues | None:
    """None when Redis does not answer."""
    try:
        return Queues(*_lengths())
    except redis.RedisError:
        return None


def _lengths() -> list[int]:
    with connection().pipeline(transaction=False) as asked:
        asked.time()
        for queue in (EMBED, EMBED_BULK, work.QUEUE):
            asked.llen(queue)
        (now, _), *waiting = asked.execute()
        for queue in (EMBED, EMBED_BULK):
            # What has expired is taken away by the next that comes in.
            asked.zcount(f"{IN_FLIGHT}:{queue}", f"({now}", "+inf")
        return [*waiting, *asked.execute()]
