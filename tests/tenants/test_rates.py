"""How often a tenant may ask."""

from __future__ import annotations

import time

import pytest
import redis
from django.conf import settings

from tenants import rates
from tenants.rates import WINDOW_SECONDS, count_request

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted_from_zero(services):
    """Tenants of different tests share their numbers; what was counted of them is forgotten."""
    store = redis.Redis.from_url(settings.REDIS_URL)
    for key in store.keys("openvpr:requests:*"):
        store.delete(key)
    store.close()


@pytest.fixture
def limited(acme):
    acme.requests_per_minute = 3
    acme.save()
    return acme


def test_a_tenant_without_a_limit_is_not_counted(acme, monkeypatch):
    monkeypatch.setattr(rates, "_connection", None)
    assert count_request(acme) is None


def test_requests_are_counted_down(limited):
    allowances = [count_request(limited) for _ in range(5)]
    assert [allowance.remaining for allowance in allowances] == [2, 1, 0, 0, 0]
    assert [allowance.exceeded for allowance in allowances] == [False, False, False, True, True]
    assert all(WINDOW_SECONDS - 5 <= allowance.seconds_left <= WINDOW_SECONDS for allowance in allowances)


def test_tenants_are_counted_apart(limited, globex):
    globex.requests_per_minute = 1
    globex.save()
    for _ in range(3):
        count_request(limited)
    assert not count_request(globex).exceeded


def test_the_window_ends(limited, monkeypatch):
    monkeypatch.setattr(rates, "WINDOW_SECONDS", 0.2)
    for _ in range(4):
        last = count_request(limited)
    assert last.exceeded
    time.sleep(0.3)
    assert not count_request(limited).exceeded


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_nobody_is_refused_while_nobody_can_count(url, limited, settings, caplog):
    settings.REDIS_URL = url
    rates._connection.cache_clear()
    try:
        assert count_request(limited) is None
    finally:
        rates._connection.cache_clear()
    assert "requests are not counted" in caplog.text
