"""A tenant that leaves: closed at once, restorable until its day has come, then gone from every table, file and key."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from tenants import sealing
from tenants.context import acting_as, acting_as_platform
from tenants.locks import alone
from tenants.models import AuditEvent, Role, Tenant
from tenants.rates import count_request
from tenants.services import change_tenant, create_tenant, issue_token
from tests import searching
from tests.api.jdcloud.client import Jdcloud, halves
from tests.api.native.client import Native, encoded, problem
from tests.cast import KEN, LIBRARY, SUSAN, audio, recording, wav_of
from tests.console.people import member
from tests.servers import through_the_queue
from tests.voiceprints.test_crashes import killed_at, killing_storage, measured_before
from tests.voiceprints.test_erasure import imported
from voiceprints import bulk, erasure, leaving, receipts, services, tasks, work
from voiceprints.disk import JOB_FILES
from voiceprints.errors import FilesAwaited, TenantErasing, TenantStays
from voiceprints.jobs import connection as redis
from voiceprints.models import Erasure
from voiceprints.vacuuming import tables

__all__ = ["killing_storage", "measured_before"]

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timedelta(0)
# What tells of an erasure and of what there was, naming nobody.
STAY = {"tenants_auditevent", "tenants_audithead", "tenants_auditseal", "tenants_auditcheck", "voiceprints_erasure"}


@pytest.fixture(autouse=True)
def empty_redis():
    redis().flushdb()


@pytest.fixture
def at_work(client, acme, acme_credential):
    """A tenant with something of everything."""
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    native = Native(client, acme)
    body = {"org_id": "acme", "external_id": "from-the-api", "audio": [encoded(recording(KEN))]}
    assert native.post("enroll", body, {"Idempotency-Key": "kept"}).status_code == 201
    imported(acme, "in-the-list")
    bulk.begin_export(acme, LIBRARY, recordings=True)
    first, _ = halves(wav_of(KEN))
    Jdcloud(client, acme_credential).enroll(first, sequence=1, user="speaking-now")
    member(acme, Role.OWNER, "olga")
    Tenant.objects.filter(pk=acme.pk).update(requests_per_minute=100)
    count_request(Tenant.objects.get(pk=acme.pk))
    return native


def rows_of(tenant_id):
    """How many, by table, of those that have any."""
    found = {}
    with acting_as_platform(), connection.cursor() as cursor:
        for table in tables():
            column = "id" if table == "tenants_tenant" else "tenant_id"
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", [tenant_id])
            found[table] = cursor.fetchone()[0]
    return {table: count for table, count in found.items() if count}


def keys_of(tenant_id):
    return [key for key in redis().scan_iter() if str(tenant_id) in key.decode().split(":")]


def newest():
    with acting_as_platform():
        return Erasure.all_tenants.filter(kind=Erasure.Kind.TENANT).get()


def test_a_tenant_that_leaves_is_closed_at_once_and_keeps_everything(acme, at_work, recordings_folder):
    rows, files = rows_of(acme.pk), searching.files(recordings_folder)
    leaving.close(acme)
    assert problem(at_work.get("speakers")) == (403, "tenant-closed")
    erasure.tend()
    assert rows_of(acme.pk) == rows
    assert searching.files(recordings_folder) == files


def test_a_tenant_is_restored_as_it_was(acme, at_work):
    leaving.close(acme)
    leaving.restore(acme)
    assert [one["external_id"] for one in at_work.get("speakers").json()["items"]] == [SUSAN, "from-the-api"]
    assert erasure.tend() == 0


def test_a_tenant_whose_day_has_come_is_gone_from_everywhere(acme, at_work, recordings_folder):
    number = acme.pk
    with acting_as(acme):
        key_id = acme.credentials.get().key_id
        vector = searching.vector(acme.voiceprints.first().embedding)
    there = rows_of(number)
    assert {"voiceprints_utteranceembedding", "tenants_credential", "tenants_membership"} <= there.keys()
    assert {"native_keptanswer", "voiceprints_job", "voiceprints_library"} <= there.keys()
    assert keys_of(number)
    said = [SUSAN, "from-the-api", "in-the-list", "speaking-now", key_id, vector]
    assert [text for text in said if text not in searching.dump() and text.encode() not in searching.in_redis()] == []
    leaving.close(acme, grace=NOW)
    assert erasure.tend() == 1
    assert newest().is_done
    assert rows_of(number).keys() <= STAY
    assert list(recordings_folder.rglob("*")) == [recordings_folder / JOB_FILES]
    assert keys_of(number) == []
    dump = searching.dump()
    assert [text for text in said if text in dump or text.encode() in searching.in_redis()] == []


def test_others_stay_as_they_are(acme, globex, at_work, recordings_folder):
    services.enroll(globex, LIBRARY, KEN, [audio(KEN)])
    before = rows_of(globex.pk)
    leaving.close(acme, grace=NOW)
    erasure.tend()
    assert rows_of(globex.pk) == before
    assert len(searching.files(recordings_folder)) == 1
    assert services.identify(globex, globex.libraries.all(), audio(KEN, 2)).best


def test_the_receipt_of_a_tenant_is_signed_and_names_the_event_of_the_platform(acme, at_work):
    leaving.close(acme, grace=NOW)
    erasure.tend()
    document = newest().receipt
    assert receipts.verify(document, receipts.public_keys())
    said = document["receipt"]
    assert (said["kind"], said["tenant"]["slug"], said["removed"]["speakers"]) == ("tenant", "acme", 2)
    with acting_as_platform():
        event = AuditEvent.all_tenants.get(tenant_id=0, number=said["audit"]["number"])
    assert (event.action, bytes(event.digest).hex()) == ("tenant.erased", said["audit"]["digest"])


def test_the_trail_of_a_tenant_that_is_gone_is_empty_and_still_verifies(acme, at_work):
    leaving.close(acme, grace=NOW)
    erasure.tend()
    with acting_as_platform():
        assert not AuditEvent.all_tenants.filter(tenant_id=acme.pk).exists()
    assert sealing.verify(acme.pk).intact
    assert sealing.verify(0).intact


def test_a_tenant_that_leaves_is_opened_by_being_restored_only(acme):
    closed = leaving.close(acme)
    closed.active, closed.name = True, "Anew"
    change_tenant(closed, ["active", "name"])
    stored = Tenant.objects.get(pk=acme.pk)
    assert (stored.active, stored.name, stored.erased_from) == (False, "Anew", closed.erased_from)
    assert leaving.restore(acme).active


def test_an_erasure_of_somebody_that_waits_is_brought_to_its_end_before_its_tenant_goes(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with through_the_queue():
        work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        person = erasure.erase_person(acme, "unknown")
        assert not erasure.go_on(acme, person.pk).is_done
        leaving.close(acme, grace=NOW)
        leaving.begin_due()
        erasure.go_on(acme, newest().pk)
    said = erasure.receipt_of_gone(person.pk)["receipt"]
    assert said["tenant"] == {"id": acme.pk, "slug": "acme"}
    assert newest().is_done
    assert erasure.tend() == 0
    with acting_as_platform():
        assert not AuditEvent.all_tenants.filter(tenant_id=acme.pk).exists()
    assert sealing.verify(acme.pk).intact


def test_an_erasure_of_somebody_that_is_to_be_signed_is_signed_before_its_tenant_goes(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with through_the_queue():
        person = erasure.erase_person(acme, SUSAN)
        with connection.execute_wrapper(_storing_no_receipt), pytest.raises(OperationalError):
            erasure.go_on(acme, person.pk)
        assert erasure.find_erasure(acme, person.pk).state == Erasure.State.REMOVED
        leaving.close(acme, grace=NOW)
        leaving.begin_due()
        erasure.go_on(acme, newest().pk)
    document = erasure.receipt_of_gone(person.pk)
    assert receipts.verify(document, receipts.public_keys())
    assert document["receipt"]["removed"]["speakers"] == 1
    assert erasure.tend() == 0


def _storing_no_receipt(execute, statement, *arguments):
    if 'UPDATE "voiceprints_erasure"' in statement and '"receipt"' in statement.partition("WHERE")[0]:
        raise OperationalError
    return execute(statement, *arguments)


def test_a_tenant_stays_while_somebody_else_is_at_the_erasure_of_a_person_in_it(acme):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with through_the_queue(), ThreadPoolExecutor(1) as pool:
        person = erasure.erase_person(acme, SUSAN)
        leaving.close(acme, grace=NOW)
        leaving.begin_due()
        with alone(f"erasure {person.pk}"):
            pool.submit(_go_on, acme, newest().pk).result()
        assert Tenant.objects.filter(pk=acme.pk).exists()
        erasure.go_on(acme, newest().pk)
    assert erasure.receipt_of_gone(person.pk)["receipt"]["removed"]["speakers"] == 1
    assert newest().is_done


def test_what_is_being_erased_is_not_restored(acme):
    leaving.close(acme, grace=NOW)
    leaving.begin_due()
    with pytest.raises(TenantErasing):
        leaving.restore(acme)
    with pytest.raises(TenantErasing):
        leaving.close(acme)


def test_what_does_not_leave_is_not_restored(acme):
    with pytest.raises(TenantStays):
        leaving.restore(acme)


def test_a_slug_may_be_taken_anew(acme):
    leaving.close(acme, grace=NOW)
    erasure.tend()
    assert services.list_speakers(_opened_again(), Tenant.objects.get(slug="acme").libraries.all()) == []


def _opened_again():
    return create_tenant("acme").tenant


def test_whoever_runs_a_job_of_a_tenant_that_goes_has_lost_it(acme, recordings_folder):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with through_the_queue():
        job = bulk.begin_export(acme, LIBRARY)
        run = work.claimed(acme.pk, job.pk)
        leaving.close(acme, grace=NOW)
        leaving.begin_due()
        erasure.go_on(acme, newest().pk)
        with pytest.raises(work.JobLost):
            run.progress(1)
    assert rows_of(acme.pk).keys() <= STAY


class Arriving(io.BytesIO):
    """A file; while it is written into the storage something else happens."""

    def __init__(self, content, meanwhile):
        super().__init__(content)
        self.meanwhile = meanwhile

    def read(self, *arguments):
        content = super().read(*arguments)
        if content:
            self.meanwhile()
        return content


def test_a_tenant_stays_while_an_export_of_it_is_written(acme, recordings_folder):
    def erased_meanwhile():
        with pytest.raises(FilesAwaited) as awaited:
            erasure.go_on(acme, newest().pk)
        (listed,) = erasure.page_gone(where={}, limit=2).rows
        assert listed.waits_for_files_until == awaited.value.until

    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        leaving.close(acme, grace=NOW)
        leaving.begin_due()
        path = work.stored(acme, Arriving(b"voices", erased_meanwhile), ".zip")
        assert rows_of(acme.pk).keys() & {"voiceprints_speaker", "voiceprints_job"} == set()
        with pytest.raises(work.JobLost):
            run.succeed(work.Product({}, path))
        erasure.go_on(acme, newest().pk)
    assert newest().is_done
    assert searching.files(recordings_folder) == {}


def test_all_rows_go_while_a_file_resists(acme, monkeypatch):
    monkeypatch.setattr(leaving, "SPEAKERS_AT_ONCE", 1)
    for name in (SUSAN, KEN):
        services.enroll(acme, LIBRARY, name, [audio(SUSAN)])
    leaving.close(acme, grace=NOW)
    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
        erasure.tend()
        assert not rows_of(acme.pk).keys() & {"voiceprints_speaker", "voiceprints_utterance"}
    erasure.tend()
    assert newest().receipt["receipt"]["removed"]["files"] == 2


def _refuse(*_):
    raise PermissionError


def test_of_two_workers_who_erase_a_tenant_one_counts_what_went(acme, recordings_folder):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    leaving.close(acme, grace=NOW)
    leaving.begin_due()
    with ThreadPoolExecutor(2) as pool:
        with acting_as(acme):
            acme.speakers.select_for_update(of=["self"]).get()
            workers = [pool.submit(_go_on, acme, newest().pk) for _ in range(2)]
            while _waiting() + sum(worker.done() for worker in workers) < len(workers):
                wait(workers, timeout=0.05)
        for worker in workers:
            worker.result()
    assert newest().receipt["receipt"]["removed"]["speakers"] == 1


def _go_on(tenant, erasure_id):
    try:
        tasks.go_on_erasing(tenant.pk, erasure_id)
    finally:
        connection.close()


def _waiting():
    """How many wait for somebody else's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_a_tenants_erasure_killed_along_the_way_is_brought_to_its_end(
    acme, killing_storage, recordings_folder, measured_before
):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)])
    issue_token(acme, scopes=["read"])
    imported(acme, KEN)
    leaving.close(acme, grace=NOW)
    deaths = sum(killed_at(step, erasure.tend) for step in range(3, 400, 13))
    assert deaths > 5
    erasure.tend()
    assert newest().is_done
    assert newest().receipt["receipt"]["removed"]["utterances"] == 2
    assert rows_of(acme.pk).keys() <= STAY
    assert searching.files(recordings_folder) == {}
    with acting_as_platform():
        assert AuditEvent.all_tenants.filter(action="tenant.erased").count() == 1
