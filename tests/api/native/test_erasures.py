"""POST /api/v1/erasures and what it leaves: a row that names nobody, a receipt, and keys to check it with."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.api.native.client import STAFF, Native, problem
from tests.cast import KEN, SUSAN, recording
from tests.servers import through_the_queue
from tests.threads import making_a_backup
from voiceprints import backup_lock, bulk, erasure, receipts, work
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def enrolled(native):
    for library in (STAFF, STAFF | {"tag_id": "guests"}):
        for name in (SUSAN, KEN):
            assert native.enroll(name, recording(name), **library).status_code == 201
    return native


def names(native):
    return sorted((one["external_id"], one["tag_id"]) for one in native.get("speakers").json()["items"])


def test_a_person_goes_from_every_library_with_a_receipt(enrolled):
    begun = enrolled.post("erasures", {"external_id": SUSAN})
    assert begun.status_code == 202
    done = enrolled.get(begun["Location"].removeprefix("/api/v1/")).json()
    assert (done["kind"], done["state"], done["removed"]["speakers"]) == ("person", "done", 2)
    assert names(enrolled) == [(KEN, "guests"), (KEN, "staff")]
    document = enrolled.get(f"erasures/{done['id']}/receipt").json()
    assert receipts.is_about(document, SUSAN)


def test_a_speaker_goes_from_the_one_library(enrolled):
    done = enrolled.post("erasures", {"external_id": SUSAN, "org_id": "acme", "tag_id": "guests"}).json()
    assert done["kind"] == "speaker"
    assert names(enrolled) == [(KEN, "guests"), (KEN, "staff"), (SUSAN, "staff")]


def test_a_receipt_is_checked_with_the_key_that_anybody_can_get(enrolled, client):
    begun = enrolled.post("erasures", {"external_id": SUSAN}).json()
    document = enrolled.get(f"erasures/{begun['id']}/receipt").json()
    keys = client.get("/api/v1/erasures/key").json()["keys"]
    assert [key["current"] for key in keys] == [True]
    key = receipts.key_in(keys[0]["pem"].encode())
    assert receipts.verify(document, [key]).id == keys[0]["id"]
    document["receipt"]["removed"]["speakers"] = 3
    with pytest.raises(receipts.ReceiptRefused, match="signature"):
        receipts.verify(document, [key])


def test_there_is_no_receipt_while_it_is_under_way(enrolled):
    with through_the_queue():
        begun = enrolled.post("erasures", {"external_id": SUSAN}).json()
        assert begun["state"] == "removing"
        assert problem(enrolled.get(f"erasures/{begun['id']}/receipt")) == (409, "erasure-unfinished")


def test_an_erasure_says_since_when_it_waits_for_a_backup(enrolled):
    with making_a_backup():
        begun = enrolled.post("erasures", {"external_id": SUSAN}).json()
        found = enrolled.get(f"erasures/{begun['id']}").json()
        listed = enrolled.get("erasures").json()["items"]
        since = backup_lock.holder().since
        for one in (begun, found, *listed):
            assert (one["state"], datetime.fromisoformat(one["waits_for_backup_since"])) == ("removing", since)
            assert one["waits_for_files_until"] is None
    erasure.tend()
    (done,) = enrolled.get("erasures").json()["items"]
    assert (done["state"], done["waits_for_backup_since"]) == ("done", None)
    with making_a_backup():
        assert enrolled.get(f"erasures/{begun['id']}").json()["waits_for_backup_since"] is None


def test_an_erasure_says_since_when_it_waits_for_an_export(enrolled, acme):
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LibraryKey("acme", "staff")).pk)
        begun = enrolled.post("erasures", {"external_id": "nobody-known"}).json()
        since = bulk.find_job(acme, run.job.pk).started
        for one in (begun, enrolled.get(f"erasures/{begun['id']}").json()):
            assert (one["state"], datetime.fromisoformat(one["waits_for_export_since"])) == ("begun", since)


def test_nobody_is_not_found(enrolled):
    assert problem(enrolled.post("erasures", {"external_id": "nobody"})) == (404, "speaker-not-found")
    elsewhere = {"external_id": SUSAN, "org_id": "elsewhere"}
    assert problem(enrolled.post("erasures", elsewhere)) == (404, "speaker-not-found")
    assert len(names(enrolled)) == 4


@pytest.mark.parametrize("way", ["post", "form"])
def test_a_library_without_an_organisation_is_refused_and_nobody_goes(enrolled, way):
    body = {"external_id": SUSAN, "org_id": "", "tag_id": ""}
    reply = enrolled.post("erasures", body) if way == "post" else enrolled.form("erasures", **body)
    assert problem(reply) == (422, "invalid-request")
    assert "org_id" in reply.content.decode()
    assert (SUSAN, "guests") in names(enrolled)


def test_another_tenant_finds_neither_speakers_nor_erasures(enrolled, stranger):
    assert problem(stranger.post("erasures", {"external_id": SUSAN})) == (404, "speaker-not-found")
    assert problem(stranger.post("erasures", {"external_id": SUSAN} | STAFF)) == (404, "speaker-not-found")
    begun = enrolled.post("erasures", {"external_id": SUSAN}).json()
    assert problem(stranger.get(f"erasures/{begun['id']}")) == (404, "erasure-not-found")
    assert problem(stranger.get(f"erasures/{begun['id']}/receipt")) == (404, "erasure-not-found")
    assert stranger.get("erasures").json()["items"] == []
    assert [one["id"] for one in enrolled.get("erasures").json()["items"]] == [begun["id"]]


def test_a_request_sent_twice_erases_once(enrolled):
    key = {"Idempotency-Key": "once"}
    first, second = (enrolled.post("erasures", {"external_id": SUSAN}, key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second["Idempotency-Replayed"] == "true"


def test_nobody_is_known_for_having_been_asked_for(enrolled):
    for key in ("one", "two nobody"):
        reply = enrolled.post("erasures", {"external_id": "nobody"}, {"Idempotency-Key": key.replace(" ", "-")})
        assert problem(reply) == (404, "speaker-not-found")


def test_a_token_that_may_enroll_may_not_erase(enrolled, acme):
    clerk = Native(enrolled.client, acme, "read", "enroll", "recognise")
    assert problem(clerk.post("erasures", {"external_id": SUSAN})) == (403, "insufficient-scope")
    assert len(names(enrolled)) == 4
