"""How much a tenant uses, asked over the API."""

from __future__ import annotations

import pytest

from tests.api.native.client import problem
from tests.usage import used

pytestmark = pytest.mark.django_db


def test_usage_is_told_per_day_and_kind_of_request(native, acme):
    day = used(acme, "verify", outcome="refused", reason="SpeakerNotFound", count=2, milliseconds=7, days_ago=1)
    used(acme, "enroll", days_ago=40)
    reply = native.get("usage")
    assert reply.status_code == 200
    told = reply.json()
    assert told["latency_bounds_ms"][:2] == [5, 10]
    assert told["time_zone"] == "UTC"
    assert told["items"] == [
        {
            "day": day.isoformat(),
            "operation": "verify",
            "interface": "native",
            "outcome": "refused",
            "reason": "SpeakerNotFound",
            "count": 2,
            "latency": [0, 2, *[0] * 15],
        }
    ]


def test_days_are_chosen(native, acme):
    day = used(acme, "enroll", days_ago=40)
    used(acme, "enroll", days_ago=39)
    told = native.get("usage", **{"from": day.isoformat(), "to": day.isoformat()}).json()
    assert (told["from"], told["to"], len(told["items"])) == (day.isoformat(), day.isoformat(), 1)


def test_another_tenant_is_told_nothing_of_ours(stranger, acme):
    used(acme, "enroll")
    assert stranger.get("usage").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2026-01-01", "to": "2026-04-03"},
        {"from": "yesterday"},
        {"days": "7"},
    ],
)
def test_days_that_make_no_sense_are_refused(query, native):
    assert problem(native.get("usage", **query)) == (422, "invalid-request")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_days_too(day, native):
    assert native.get("usage", to=day).status_code == 200
