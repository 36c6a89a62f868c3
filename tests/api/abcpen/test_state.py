"""What is kept, replaced, found and removed, and who sees it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from tests.api.abcpen.client import ILLEGAL, Abcpen, fetched, part
from tests.cast import KEN, SUSAN, recording

pytestmark = pytest.mark.django_db


@pytest.fixture
def susan(abcpen):
    abcpen.register(recording(SUSAN), SUSAN, tag_id="t1")
    return abcpen


def names(reply):
    return [entry["spk_name"] for entry in reply["data"]]


def address(abcpen):
    return abcpen.get("voice-url", org_id="acme", tag_id="t1", spk_name=SUSAN)["data"]["audio_path"]


@pytest.mark.parametrize("operation", ["register", "register/v2"])
def test_a_second_register_of_one_triple_changes_nothing(susan, operation):
    before = fetched(susan.client, address(susan)).body
    assert susan.register(recording(KEN), SUSAN)["code"] == ILLEGAL
    assert fetched(susan.client, address(susan)).body == before


def test_the_same_name_under_another_tag_is_another_speaker(susan):
    assert susan.register(recording(KEN), SUSAN, tag_id="t2")["code"] == "0"
    found = susan.recognize(recording(SUSAN, 2))["data"]
    assert [(entry["spk_name"], entry["tag"]) for entry in found] == [(SUSAN, "t1"), (SUSAN, "t2")]


def test_two_simultaneous_registers_of_one_triple_make_one_speaker(transactional_db, acme_credential):
    def register(_):
        try:
            return Abcpen(Client(), acme_credential).register(recording(SUSAN))["code"]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(register, range(4)))
    assert codes == ["0", ILLEGAL, ILLEGAL, ILLEGAL]
    assert Abcpen(Client(), acme_credential).get("count", org_id="acme")["data"] == {"count": 1}


def test_update_replaces_the_voice(susan):
    susan.post("update", spk_name=SUSAN, org_id="acme", tag_id="t1", audio=said_by(KEN))
    assert susan.recognize(recording(KEN, 2))["data"][0]["score"] > 70


def test_update_replaces_the_recording(susan, django_capture_on_commit_callbacks):
    before = address(susan)
    with django_capture_on_commit_callbacks(execute=True):
        reply = susan.post("update", spk_name=SUSAN, org_id="acme", tag_id="t1", audio=said_by(KEN))
    assert reply["data"]["audio_url"].rpartition("/")[2] == address(susan).rpartition("/")[2]
    assert fetched(susan.client, before).status_code == 404


def test_update_of_an_unknown_name_is_illegal(susan):
    reply = susan.post("update", spk_name="nobody", org_id="acme", tag_id="t1", audio=said_by(KEN))
    assert reply["code"] == ILLEGAL


@pytest.mark.parametrize("operation", ["voice-url", "del-spk-name"])
@pytest.mark.parametrize(
    "where", [{"tag_id": "t1", "spk_name": "nobody"}, {"tag_id": "t2", "spk_name": SUSAN}], ids=str
)
def test_an_unknown_name_is_illegal(susan, operation, where):
    assert susan.get(operation, org_id="acme", **where)["code"] == ILLEGAL


def test_one_speaker_is_deleted_by_name(susan):
    assert susan.get("del-spk-name", org_id="acme", tag_id="t1", spk_name=SUSAN) == {
        "code": "0",
        "msg": "success",
        "data": 1,
    }
    assert susan.get("count", org_id="acme")["data"] == {"count": 0}


def test_a_name_is_deleted_under_every_tag_when_none_is_given(susan):
    susan.register(recording(SUSAN), SUSAN, tag_id="t2")
    assert susan.get("del-spk-name", org_id="acme", spk_name=SUSAN)["data"] == 2


def test_deleting_a_speaker_deletes_the_recording(susan, django_capture_on_commit_callbacks, recordings_folder):
    with django_capture_on_commit_callbacks(execute=True):
        susan.get("del-spk-name", org_id="acme", tag_id="t1", spk_name=SUSAN)
    assert list(recordings_folder.rglob("*.flac")) == []


def test_a_deleted_name_can_be_registered_anew(susan):
    susan.get("del-spk-name", org_id="acme", tag_id="t1", spk_name=SUSAN)
    assert susan.register(recording(SUSAN))["code"] == "0"


@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers"])
def test_a_library_is_emptied_again_and_again(susan, operation):
    counts = [susan.get(operation, org_id="acme", tag_id="t1")["data"] for _ in range(2)]
    assert counts == [1, 0]


@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers"])
def test_only_the_given_tag_is_emptied(susan, operation):
    susan.register(recording(KEN), KEN, tag_id="t2")
    assert susan.get(operation, org_id="acme", tag_id="t2")["data"] == 1
    assert names(susan.get("list", org_id="acme")) == [SUSAN]


@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers"])
def test_without_a_tag_the_whole_organisation_is_emptied(susan, operation):
    susan.register(recording(KEN), KEN, tag_id="t2")
    assert susan.get(operation, org_id="acme")["data"] == 2


@pytest.mark.parametrize("method", ["head", "options", "put", "delete", "post"])
@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers", "del-spk-name"])
def test_only_get_deletes(susan, operation, method):
    path = f"/voiceid/{operation}?org_id=acme&tag_id=t1&spk_name={SUSAN}"
    assert getattr(susan.client, method)(path, headers=susan.headers()).status_code == 405
    assert susan.get("count", org_id="acme")["data"] == {"count": 1}


@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers", "del-spk-name"])
def test_no_cache_may_keep_the_reply_to_a_delete(susan, operation):
    reply = susan.raw_get(operation, org_id="acme", tag_id="t1", spk_name=SUSAN)
    assert reply["Cache-Control"] == "no-store"


def test_the_oldest_registration_is_listed_first(abcpen):
    for name in ["b", "a", "c"]:
        abcpen.register(recording(SUSAN), name)
    assert names(abcpen.get("list", org_id="acme", tag_id="t1")) == ["b", "a", "c"]
    assert names(abcpen.get("list", org_id="acme", tag_id="t1", offset=1, limit=1)) == ["a"]


def test_an_unknown_library_is_empty(abcpen):
    assert abcpen.get("count", org_id="nowhere", tag_id="t")["data"] == {"count": 0}
    assert abcpen.get("list", org_id="nowhere", tag_id="t")["data"] == []
    assert abcpen.recognize(recording(SUSAN), org_id="nowhere")["data"] == []


@pytest.mark.parametrize("operation", ["recognize", "recognize/v2"])
def test_at_most_ten_are_found_best_first(abcpen, operation):
    for number in range(12):
        abcpen.register(recording(SUSAN, 1 + number % 4), f"susan {number}")
    found = abcpen.post(operation, org_id="acme", audio=said_by(SUSAN))["data"]
    scores = [entry["score"] for entry in found]
    assert len(found) == 10
    assert scores == sorted(scores, reverse=True)


def test_another_tenant_sees_nothing_of_an_organisation_of_the_same_name(susan, stranger):
    assert stranger.get("count", org_id="acme")["data"] == {"count": 0}
    assert stranger.get("list", org_id="acme", tag_id="t1")["data"] == []
    assert stranger.recognize(recording(SUSAN))["data"] == []


@pytest.mark.parametrize("operation", ["voice-url", "del-spk-name"])
def test_another_tenants_speaker_is_an_unknown_name(susan, stranger, operation):
    reply = stranger.get(operation, org_id="acme", tag_id="t1", spk_name=SUSAN)
    assert reply == {"code": ILLEGAL, "msg": f"illegal parameter: no speaker '{SUSAN}'"}


def test_another_tenants_speaker_cannot_be_updated(susan, stranger):
    reply = stranger.post("update", spk_name=SUSAN, org_id="acme", tag_id="t1", audio=said_by(KEN))
    assert reply["code"] == ILLEGAL


@pytest.mark.parametrize("operation", ["delete-all", "delete-speakers"])
def test_another_tenant_deletes_nothing(susan, stranger, operation):
    assert stranger.get(operation, org_id="acme", tag_id="t1")["data"] == 0
    assert susan.get("count", org_id="acme")["data"] == {"count": 1}


def test_another_tenant_may_register_the_same_triple(susan, stranger):
    assert stranger.register(recording(KEN), SUSAN)["code"] == "0"
    assert susan.get("count", org_id="acme")["data"] == {"count": 1}


def said_by(voice):
    return part(recording(voice))
