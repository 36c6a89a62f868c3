"""GET /api/v1/audit: whose chain, what the parameters find, and that programs can read on."""

from __future__ import annotations

import pytest

from tests.api.native.client import Native
from tests.cast import KEN, SUSAN, recording

pytestmark = pytest.mark.django_db

ADDRESS = "audit"


@pytest.fixture
def told(native):
    for name in (SUSAN, KEN):
        assert native.enroll(name, recording(name)).status_code == 201
    return native


def actions(client, **query):
    return [event["action"] for event in client.get(ADDRESS, **query).json()["items"]]


def test_the_newest_comes_first_with_who_did_it(told):
    newest = told.get(ADDRESS).json()["items"][0]
    assert (newest["action"], newest["object"], newest["interface"]) == ("speaker.enrolled", KEN, "native")
    assert (newest["actor_kind"], newest["outcome"]) == ("token", "done")
    assert len(newest["digest"]) == 64


def test_events_hang_on_each_other(told):
    items = told.get(ADDRESS, ordering="number").json()["items"]
    assert [one["number"] for one in items] == list(range(1, len(items) + 1))
    assert [one["previous"] for one in items[1:]] == [one["digest"] for one in items[:-1]]
    assert items[0]["previous"] == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"object": SUSAN}, ["speaker.enrolled"]),
        ({"action": "speaker.deleted"}, []),
        ({"actor": "nobody"}, []),
        ({"since": "2999-01-01T00:00:00Z"}, []),
        ({"until": "2000-01-01T00:00:00Z"}, []),
        ({"object": SUSAN, "since": "2000-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}, ["speaker.enrolled"]),
    ],
)
def test_events_are_found_by_what_is_asked(query, found, told):
    assert actions(told, **query) == found


def test_an_action_that_there_is_not_is_refused(told):
    assert told.get(ADDRESS, action="nonsense").status_code == 422


def test_a_program_reads_on_where_it_stopped(told):
    numbers, cursor = [], {"ordering": "number"}
    while cursor:
        page = told.get(ADDRESS, **cursor, limit=2).json()
        numbers += [one["number"] for one in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert numbers == list(range(1, numbers[-1] + 1))
    assert len(numbers) >= 4


def test_another_tenant_sees_nothing_of_it(told, stranger):
    assert SUSAN not in str(stranger.get(ADDRESS).json())
    assert actions(stranger, object=SUSAN) == []


def test_a_scope_below_admin_is_not_enough(told, acme):
    assert Native(told.client, acme, "read", "listen", "enroll", "recognise").get(ADDRESS).status_code == 403
