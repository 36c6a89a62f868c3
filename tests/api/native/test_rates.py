"""A tenant that asks too often is told so, in every dialect."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings

from tenants import rates
from tests.api.abcpen.client import Abcpen
from tests.api.native.client import Native, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(acme):
    acme.requests_per_minute = 2
    acme.save()
    store = redis.Redis.from_url(settings.REDIS_URL)
    store.delete(f"openvpr:requests:{acme.pk}")
    yield acme
    store.delete(f"openvpr:requests:{acme.pk}")
    store.close()


def test_what_is_left_is_told_until_nothing_is(client, limited):
    native = Native(client, limited)
    first, second, third = (native.get("speakers") for _ in range(3))
    assert [reply.status_code for reply in (first, second, third)] == [200, 200, 429]
    assert first["RateLimit-Policy"] == '"default";q=2;w=60'
    assert [reply["RateLimit"].split(";t=")[0] for reply in (first, second, third)] == [
        '"default";r=1',
        '"default";r=0',
        '"default";r=0',
    ]
    assert problem(third) == (429, "rate-limited")
    assert 55 <= int(third["Retry-After"]) <= 60
    assert third["RateLimit"].endswith(f";t={third['Retry-After']}")


def test_nothing_is_told_to_a_tenant_without_a_limit(native):
    assert "RateLimit" not in native.get("speakers").headers


def test_whoever_cannot_come_in_is_not_counted(client, limited):
    native = Native(client, limited)
    for _ in range(5):
        native.get("speakers", headers={"Authorization": "Bearer wrong"})
    assert native.get("speakers").status_code == 200


def test_the_limit_holds_for_all_dialects_together(client, limited, acme_credential):
    native, abcpen = Native(client, limited), Abcpen(client, acme_credential)
    assert native.get("speakers").status_code == 200
    assert abcpen.get("count", org_id="acme")["code"] == "0"
    refused = abcpen.raw_get("count", org_id="acme")
    assert refused.json()["code"] == "10800"
    assert refused["RateLimit"].startswith('"default";r=0')


def test_all_are_served_while_nobody_can_count(client, limited, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    rates._connection.cache_clear()
    try:
        replies = [Native(client, limited).get("speakers").status_code for _ in range(4)]
    finally:
        rates._connection.cache_clear()
    assert replies == [200] * 4
