"""How often a tenant may ask: so many requests a minute, counted in Redis for all processes together."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenants.models import Tenant

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
COUNTED_WITHIN_SECONDS = 0.5

# The window begins with its first request.
COUNT = """
local count = redis.call('INCR', KEYS[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


@dataclass(frozen=True)
class Allowance:
    """What is left of a window, `used` counting the request at hand."""

    limit: int
    used: int
    seconds_left: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit


def count_request(tenant: Tenant) -> Allowance | None:
    """None for a tenant without a limit, and while nobody can count: better too much is served than nothing."""
    if tenant.requests_per_minute is None:
        return None
    try:
        used, milliseconds = _connection().eval(COUNT, 1, f"openvpr:requests:{tenant.pk}", int(WINDOW_SECONDS * 1000))
    except redis.RedisError as error:
        logger.warning("requests are not counted: %s", type(error).__name__)
        return None
    return Allowance(tenant.requests_per_minute, int(used), max(1, math.ceil(int(milliseconds) / 1000)))


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=COUNTED_WITHIN_SECONDS,
        socket_timeout=COUNTED_WITHIN_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
