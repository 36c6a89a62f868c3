"""A tenant that asks too often is told so, in every dialect."""

from __future__ import annotations

import pytest

from tenants import rates
from tests.api.abcpen.client import Abcpen
from tests.api.native.client import Native, problem
from tests.servers import REDIS

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(acme):
    rates._connection().flushall()
    acme.requests_per_minute = 2
    acme.save()
    return acme


def test_what_is_left_is_told_until_nothing_is(client, limited):
    native = Native(client, limited)
    first, second, third = (native.get("speakers") for _ in range(3))
    assert [reply.status_code for reply in (first, second, third)] == [200, 200, 429]
    assert first["RateLimit-Policy"] == '"minute";q=2;w=60'
    assert [reply["RateLimit"].split(";t=")[0] for reply in (first, second, third)] == [
        '"minute";r=1',
        '"minute";r=0',
        '"minute";r=0',
    ]
    assert problem(third) == (429, "rate-limited")
    assert 55 <= int(third["Retry-After"]) <= 60
    assert third["RateLimit"].endswith(f";t={third['Retry-After']}")


def test_each_limit_is_told(client, limited):
    limited.requests_per_second, limited.requests_per_day = 1000, 10
    limited.save()
    reply = Native(client, limited).get("speakers")
    assert reply["RateLimit-Policy"] == '"second";q=1000;w=1, "minute";q=2;w=60, "day";q=10;w=86400'
    assert reply["RateLimit"].startswith('"second";r=999;t=1, "minute";r=1;t=')


def test_who_has_no_requests_left_today_is_told_when_to_come_back(client, limited):
    limited.requests_per_minute, limited.requests_per_day = None, 1
    limited.save()
    native = Native(client, limited)
    assert native.get("speakers").status_code == 200
    refused = native.get("speakers")
    assert problem(refused) == (429, "day-exhausted")
    assert 1 <= int(refused["Retry-After"]) <= rates.DAY_SECONDS
    assert refused["RateLimit"] == f'"day";r=0;t={refused["Retry-After"]}'


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
    assert refused["RateLimit"].startswith('"minute";r=0')


def test_a_tenant_whose_requests_nobody_can_count_is_told_so_and_others_are_served(client, limited, globex):
    with REDIS.down():
        assert problem(Native(client, limited).get("speakers")) == (503, "unavailable")
        assert Native(client, globex).get("speakers").status_code == 200
    assert Native(client, limited).get("speakers").status_code == 200
