"""An erasure meets whoever claims a job, and whoever enrolls for one, and nobody waits in a circle."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tenants.context import acting_as
from tenants.locks import one_at_a_time
from tests.archives import zipped
from tests.cast import LIBRARY, SUSAN, audio
from tests.servers import through_the_queue
from voiceprints import bulk, erasure, opting_out, services, work
from voiceprints.models import JobRow

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())"


@pytest.fixture
def an_import(acme):
    """Queued, of somebody else than the one to be erased."""
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    line = '{"org_id": "acme", "tag_id": "staff", "external_id": "ken", "audio": "missing.wav"}'
    with through_the_queue():
        yield bulk.begin_import(acme, archive=zipped({"manifest.jsonl": line.encode()}))


def erased_with_its_answer(tenant):
    """In one transaction, as interfaces do that keep the answer."""
    with acting_as(tenant):
        erasure.erase_person(tenant, SUSAN)


def meanwhile(tenant, erases: Callable[..., object], mine: Callable[[], object], then: Callable[[], object]):
    """`mine` holds a lock when the erasure begins; `then` needs another once the erasure waits. Returns what it did."""

    def erased() -> None:
        try:
            erases(tenant)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with acting_as(tenant):
            mine()
            erasing = pool.submit(erased)
            while not somebody_waits():
                assert not erasing.done(), "it does not need what is held"
                time.sleep(0.01)
            done = then()
        erasing.result(60)
    return done


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return cursor.fetchone()[0]


def nobody_is_left(tenant) -> bool:
    with acting_as(tenant):
        return not tenant.speakers.exists()


@pytest.mark.parametrize(
    "erases", [lambda tenant: opting_out.opt_out(tenant, SUSAN), erased_with_its_answer], ids=["opt out", "erase"]
)
def test_an_erasure_and_whoever_claims_an_import_do_not_wait_for_each_other(acme, an_import, erases):
    run = meanwhile(
        acme,
        erases,
        lambda: one_at_a_time(acme, work.JOBS),
        lambda: work.claimed(acme.pk, an_import.pk),
    )
    assert run is not None
    assert nobody_is_left(acme)


def test_an_erasure_and_whoever_enrolls_for_an_import_do_not_wait_for_each_other(acme, an_import):
    run = work.claimed(acme.pk, an_import.pk)
    meanwhile(
        acme,
        erased_with_its_answer,
        lambda: list(acme.speakers.named(SUSAN).select_for_update(of=["self"])),
        lambda: run.record(1, JobRow.Outcome.UNCHANGED, external_id=SUSAN),
    )
    assert nobody_is_left(acme)
