"""How often a tenant may ask: so many requests a second, a minute and a day, counted in Redis for all processes.

One script looks at all of them and counts the request in each, or in none when one of them refuses it. The second is a
bucket of as many tokens as there may be requests; the minute is a window that begins with its first request; the day is
the calendar's in the time zone of the installation. What a Redis that was restarted has forgotten of the day is taken
from the usage that was stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from tenants.context import acting_as
from tenants.metering import NO_REQUESTS
from tenants.models import Tenant

WINDOW_SECONDS: Final = 60
DAY_SECONDS: Final = 24 * 60 * 60
KEPT_AFTER_ITS_DAY_SECONDS: Final = 60 * 60
COUNTED_WITHIN_SECONDS: Final = 0.5

# Returns "day unknown", or which limit refuses ("" for none), what is left of the second, and how many there were in
# the minute, with the milliseconds until it ends, and in the day. A limit of 0 is none.
TAKE = """
local second, minute, day = KEYS[1], KEYS[2], KEYS[3]
local per_second, per_minute, per_day = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local cost = tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local refused = ''

local tokens = per_second
if per_second > 0 then
    local known = redis.call('HMGET', second, 'tokens', 'at')
    if known[1] then
        tokens = math.min(per_second, known[1] + math.max(0, now - known[2]) * per_second / 1000000)
    end
    if tokens < 1 then refused = 'second' end
end

local in_minute = tonumber(redis.call('GET', minute) or 0)
if per_minute > 0 and in_minute >= per_minute then refused = 'minute' end

local in_day = tonumber(redis.call('GET', day) or ARGV[5])
if per_day > 0 and in_day < 0 then return {'day unknown', 0, 0, 0, 0} end
if per_day > 0 and in_day >= per_day and cost > 0 then refused = 'day' end

if refused == '' then
    if per_second > 0 then
        tokens = tokens - 1
        redis.call('HSET', second, 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
        redis.call('PEXPIRE', second, 2000)
    end
    if per_minute > 0 then
        in_minute = redis.call('INCR', minute)
        if redis.call('PTTL', minute) < 0 then redis.call('PEXPIRE', minute, ARGV[7]) end
    end
    in_day = in_day + cost
end
if per_day > 0 then redis.call('SET', day, string.format('%.0f', in_day), 'EX', ARGV[6]) end
return {refused, math.floor(tokens), in_minute, redis.call('PTTL', minute), in_day}
"""


class RateLimited(Exception):
    """The tenant has asked as often as it may for now."""

    def __init__(self, *, limit: int, window: str, retry_after_seconds: int) -> None:
        self.limit, self.window, self.retry_after_seconds = limit, window, retry_after_seconds
        super().__init__(f"limit of {limit} requests per {window} reached")


class DayExhausted(RateLimited):
    """For today."""


REFUSED_UNCOUNTED: Final = (RateLimited.__name__, DayExhausted.__name__)


@dataclass(frozen=True)
class Allowance:
    """What is left of a window that ends in `seconds_left`."""

    window: str
    limit: int
    remaining: int
    window_seconds: int
    seconds_left: int


@dataclass(frozen=True)
class Allowances:
    """Of a request that was counted in each, unless one of them, `refused`, says that it comes too often."""

    each: tuple[Allowance, ...]
    refused: str = ""

    def of(self, window: str) -> Allowance | None:
        return next((one for one in self.each if one.window == window), None)

    def refuse_exceeded(self) -> None:
        """Raises RateLimited, DayExhausted."""
        spent = self.of(self.refused)
        if spent:
            kind = DayExhausted if spent.window == "day" else RateLimited
            raise kind(limit=spent.limit, window=spent.window, retry_after_seconds=spent.seconds_left)


Limits = tuple[int, int, int]

UNLIMITED: Final = Allowances(())


def count_request(tenant: Tenant, *, of_the_day: bool = True) -> Allowances:
    """Without `of_the_day` it is none of those that the tenant may make in a day. Raises RedisError."""
    limits = (tenant.requests_per_second or 0, tenant.requests_per_minute or 0, tenant.requests_per_day or 0)
    if not any(limits):
        return UNLIMITED
    today, cost = timezone.localdate(), int(of_the_day)
    verdict, *counted = _take(tenant, today, limits, cost, used=-1)
    if verdict == b"day unknown":
        verdict, *counted = _take(tenant, today, limits, cost, used=stored_requests(tenant, today))
    return Allowances(tuple(_allowances(limits, *counted)), verdict.decode())


def requests_this_minute(tenant: Tenant) -> int | None:
    """None for a tenant without a limit of them. Raises RedisError."""
    if tenant.requests_per_minute is None:
        return None
    counted: Any = _connection().get(_minute_key(tenant))
    return int(counted or 0)


def requests_today(tenant: Tenant) -> int:
    """As counted against the limit of a day; of a tenant without one, as they were stored. Raises RedisError."""
    today = timezone.localdate()
    counted: Any = _connection().get(_day_key(tenant, today)) if tenant.requests_per_day else None
    return stored_requests(tenant, today) if counted is None else int(counted)


def stored_requests(tenant: Tenant, day: date) -> int:
    """Those that came in, without what jobs did and people at the console."""
    with acting_as(tenant):
        came = tenant.usage_days.filter(day=day).exclude(dialect__in=NO_REQUESTS).exclude(reason__in=REFUSED_UNCOUNTED)
        total: int = came.aggregate(total=Sum("count", default=0))["total"]
    return total


def _take(tenant: Tenant, today: date, limits: Limits, cost: int, *, used: int) -> Any:
    """`used`: of the day, for a Redis that does not know it; -1 when we do not know it either."""
    keys = [f"openvpr:second:{tenant.pk}", _minute_key(tenant), _day_key(tenant, today)]
    kept = seconds_left_today() + KEPT_AFTER_ITS_DAY_SECONDS
    return _script()(keys, [*limits, cost, used, kept, int(WINDOW_SECONDS * 1000)])


def _allowances(limits: Limits, tokens: int, in_minute: int, minute_ms: int, in_day: int) -> Iterator[Allowance]:
    per_second, per_minute, per_day = limits
    if per_second:
        yield Allowance("second", per_second, tokens, 1, 1)
    if per_minute:
        minute_left = max(1, math.ceil(minute_ms / 1000))
        yield Allowance("minute", per_minute, max(0, per_minute - in_minute), WINDOW_SECONDS, minute_left)
    if per_day:
        yield Allowance("day", per_day, max(0, per_day - in_day), DAY_SECONDS, seconds_left_today())


def seconds_left_today() -> int:
    now = timezone.localtime()
    midnight = timezone.make_aware(datetime.combine(now.date() + timedelta(days=1), time()))
    # Of two moments in one time zone the difference would leave out an hour that the clocks are set by.
    return max(1, math.ceil(midnight.timestamp() - now.timestamp()))


def _minute_key(tenant: Tenant) -> str:
    return f"openvpr:requests:{tenant.pk}"


def _day_key(tenant: Tenant, today: date) -> str:
    return f"openvpr:day:{tenant.pk}:{today.isoformat()}"


@cache
def _script() -> Script:
    return _connection().register_script(TAKE)


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=COUNTED_WITHIN_SECONDS,
        socket_timeout=COUNTED_WITHIN_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
