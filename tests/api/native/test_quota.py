"""How much of its quotas a tenant has used, asked over the API."""

from __future__ import annotations

import pytest

from tenants import rates
from tests.api.native.client import Native, problem
from tests.cast import KEN, SUSAN, recording
from tests.servers import REDIS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted_from_zero(services):
    rates._connection().flushall()


def standings(native):
    reply = native.get("quota")
    assert reply.status_code == 200
    return {one["quota"]: (one["limit"], one["used"], one["remaining"]) for one in reply.json()["items"]}


def test_limits_are_told_with_how_much_is_used(native, acme):
    acme.requests_per_second, acme.requests_per_minute, acme.requests_per_day = 50, 40, 30
    acme.max_speakers, acme.max_storage_bytes = 2, 10**9
    acme.save()
    stored = native.enroll(SUSAN, recording(SUSAN)).json()
    told = standings(native)
    size = told["storage_bytes"][1]
    assert stored
    assert size > 1000
    assert told == {
        "requests_per_second": (50, None, None),
        "requests_per_minute": (40, 2, 38),
        "requests_per_day": (30, 1, 29),
        "concurrent_analyses": (16, 0, 16),
        "speakers": (2, 1, 1),
        "storage_bytes": (10**9, size, 10**9 - size),
    }


def test_a_tenant_without_limits_has_none(native):
    told = standings(native)
    assert {quota for quota, (limit, _, _) in told.items() if limit is not None} == {"concurrent_analyses"}
    assert told["speakers"] == (None, 0, None)


def test_who_has_no_requests_left_today_may_still_ask_how_many(native, acme):
    acme.requests_per_day = 1
    acme.save()
    native.get("speakers")
    assert problem(native.get("speakers")) == (429, "day-exhausted")
    assert standings(native)["requests_per_day"] == (1, 1, 0)


def test_what_redis_cannot_tell_is_not_known(native):
    with REDIS.down():
        assert standings(native)["concurrent_analyses"] == (16, None, None)


def test_a_tenant_is_told_of_itself(native, stranger, acme):
    acme.max_speakers = 5
    acme.save()
    native.enroll(SUSAN, recording(SUSAN))
    assert standings(stranger)["speakers"] == (None, 0, None)


def test_it_is_read_with_the_scope_to_read(client, acme):
    assert Native(client, acme, "read").get("quota").status_code == 200
    assert problem(Native(client, acme, "enroll").get("quota")) == (403, "insufficient-scope")


def test_who_has_as_many_speakers_as_may_be_is_told_how_many(native, acme):
    acme.max_speakers = 1
    acme.save()
    native.enroll(SUSAN, recording(SUSAN))
    refused = native.enroll(KEN, recording(KEN))
    assert problem(refused) == (403, "speakers-exhausted")
    assert refused.json()["limit"] == 1


def test_who_has_no_room_is_told_how_much_there_may_be(native, acme):
    acme.max_storage_bytes = 10
    acme.save()
    refused = native.enroll(KEN, recording(KEN))
    assert problem(refused) == (403, "storage-exhausted")
    assert refused.json()["limit_bytes"] == 10
