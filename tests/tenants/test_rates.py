"""How often a tenant may ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import redis
from django.utils import timezone

from tenants import rates
from tenants.rates import DayExhausted, RateLimited, count_request, requests_today, seconds_left_today
from tests.clock import fixed
from tests.servers import REDIS
from tests.usage import used

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def counted_from_zero(services):
    """Tenants of different tests share their numbers; what was counted of them is forgotten."""
    rates._connection().flushall()


@pytest.fixture
def frozen(monkeypatch):
    """The clock of Redis stands, or is set to another second."""
    script = rates.TAKE

    def stand_at(second):
        monkeypatch.setattr(rates, "TAKE", script.replace("redis.call('TIME')", f"{{'{second}', '0'}}"))
        rates._script.cache_clear()

    stand_at(1000)
    yield stand_at
    rates._script.cache_clear()


def limited(tenant, **limits):
    for limit, number in limits.items():
        setattr(tenant, limit, number)
    tenant.save()
    return tenant


def let_in(tenant, times):
    """How many of so many requests."""
    return sum(not count_request(tenant).refused for _ in range(times))


def left(tenant, window):
    return count_request(tenant).of(window).remaining


def test_a_tenant_without_a_limit_is_not_counted(acme, monkeypatch):
    monkeypatch.setattr(rates, "_connection", None)
    assert count_request(acme) is rates.UNLIMITED


def test_requests_of_a_minute_are_counted_down(acme):
    limited(acme, requests_per_minute=3)
    allowances = [count_request(acme) for _ in range(5)]
    minutes = [one.of("minute") for one in allowances]
    assert [one.remaining for one in minutes] == [2, 1, 0, 0, 0]
    assert [one.refused for one in allowances] == ["", "", "", "minute", "minute"]
    assert all(55 <= one.seconds_left <= 60 for one in minutes)
    with pytest.raises(RateLimited, match="3 requests per minute"):
        allowances[-1].refuse_exceeded()


def test_tenants_are_counted_apart(acme, globex):
    for tenant in (acme, globex):
        limited(tenant, requests_per_second=2, requests_per_minute=2, requests_per_day=2)
    assert let_in(acme, 5) == 2
    assert let_in(globex, 5) == 2


def test_the_minute_begins_with_its_first_request_and_ends(acme, monkeypatch):
    limited(acme, requests_per_minute=3)
    monkeypatch.setattr(rates, "WINDOW_SECONDS", 0)
    assert let_in(acme, 20) == 20


def test_a_second_lets_as_many_come_at_once_and_fills_up_again(acme, frozen):
    limited(acme, requests_per_second=7)
    assert let_in(acme, 20) == 7
    frozen("1000.5")
    assert let_in(acme, 20) == 3
    frozen(1100)
    assert let_in(acme, 20) == 7


def test_a_clock_of_redis_that_goes_back_lets_nobody_else_in(acme, frozen):
    limited(acme, requests_per_second=5)
    let_in(acme, 5)
    frozen(10)
    assert let_in(acme, 5) == 0


@pytest.mark.parametrize("limit", ["requests_per_second", "requests_per_minute", "requests_per_day"])
def test_of_200_requests_at_once_exactly_as_many_come_in_as_may(acme, frozen, limit):
    limited(acme, **{limit: 120})
    count_request(acme)
    with ThreadPoolExecutor(50) as pool:
        refused = list(pool.map(lambda _: count_request(acme).refused, range(200)))
    assert refused.count("") == 119


def test_what_one_limit_refuses_is_counted_by_none(acme, frozen):
    limited(acme, requests_per_second=2, requests_per_day=10)
    assert let_in(acme, 20) == 2
    frozen(1001)
    assert let_in(acme, 20) == 2
    assert requests_today(acme) == 4


def test_a_day_is_that_of_the_installation(acme, monkeypatch, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    limited(acme, requests_per_day=2)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        for unix, expected in [(NOON, 2), (NOON + 4 * 3600 - 1, 0), (NOON + 4 * 3600, 2), (NOON + 28 * 3600, 2)]:
            monkeypatch.setattr(timezone, "now", fixed(unix))
            assert let_in(acme, 3) == expected


def test_who_has_no_requests_left_today_is_told_until_when(acme, monkeypatch):
    limited(acme, requests_per_day=1)
    monkeypatch.setattr(timezone, "now", fixed(NOON))
    count_request(acme)
    with pytest.raises(DayExhausted) as refused:
        count_request(acme).refuse_exceeded()
    assert refused.value.retry_after_seconds == seconds_left_today() == 12 * 3600


def test_the_night_in_which_the_clocks_change_ends_at_midnight(monkeypatch):
    with timezone.override(ZoneInfo("Europe/Berlin")):
        monkeypatch.setattr(timezone, "now", fixed(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()))
        assert seconds_left_today() == 25 * 3600


def test_what_is_free_for_the_day_is_let_in_when_it_is_over_and_told_what_is_left(acme):
    limited(acme, requests_per_day=2)
    assert let_in(acme, 2) == 2
    free = count_request(acme, of_the_day=False)
    assert (free.refused, free.of("day").remaining) == ("", 0)


def test_a_redis_that_was_restarted_takes_the_day_from_the_usage_that_was_stored(acme):
    limited(acme, requests_per_day=10)
    used(acme, "verify", count=4)
    used(acme, "enroll", count=3, outcome="refused", reason="SpeakerExists")
    used(acme, "verify", count=100, outcome="refused", reason="DayExhausted")
    used(acme, "enroll", count=100, dialect="jobs")
    used(acme, "enroll", count=100, dialect="console")
    used(acme, "verify", count=100, days_ago=1)
    with REDIS.down(), pytest.raises(redis.RedisError):
        count_request(acme)
    assert requests_today(acme) == 7
    assert let_in(acme, 20) == 3


def test_a_limit_that_is_lowered_below_what_was_used_refuses_at_once(acme):
    limited(acme, requests_per_day=10)
    let_in(acme, 8)
    limited(acme, requests_per_day=5)
    assert let_in(acme, 1) == 0
    limited(acme, requests_per_day=9)
    assert let_in(acme, 5) == 1


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_nobody_comes_in_while_nobody_can_count(url, acme, settings):
    limited(acme, requests_per_second=3)
    settings.REDIS_URL = url
    rates._connection.cache_clear()
    rates._script.cache_clear()
    try:
        with pytest.raises(redis.RedisError):
            count_request(acme)
    finally:
        rates._connection.cache_clear()
        rates._script.cache_clear()
