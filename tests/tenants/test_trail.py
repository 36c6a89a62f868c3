"""What is noted is stored with the deed or not at all, linked to what was noted before, and stays as it is."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from django.db import DatabaseError, connection, transaction

from tenants import sealing
from tenants.actions import Action
from tenants.chains import linked_text
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, AuditHead
from tenants.trail import FEW, PLATFORM_CHAIN, NotInATransaction, Target, note

pytestmark = pytest.mark.django_db


def events_of(tenant) -> list[AuditEvent]:
    with acting_as_platform():
        chain = PLATFORM_CHAIN if tenant is None else tenant.pk
        return list(AuditEvent.all_tenants.filter(tenant_id=chain).order_by("number"))


def raw(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def noted(tenant, **details):
    with acting_as(tenant):
        note(tenant, Action.TENANT_CHANGED, Target("tenant", tenant.pk, tenant.slug), **details)


def test_an_event_hangs_on_the_one_before(acme):
    noted(acme, a=1)
    noted(acme, b="ä")
    first, second = events_of(acme)[-2:]
    assert second.number == first.number + 1
    assert bytes(second.previous) == bytes(first.digest)
    with acting_as(acme):
        ((text,),) = raw(f"SELECT {linked_text('e')} FROM tenants_auditevent e WHERE id = %s", second.pk)
    assert bytes(second.digest) == hashlib.sha256(bytes(first.digest) + text.encode()).digest()
    assert "ä" in text


def test_of_very_many_in_one_transaction_each_hangs_on_the_one_before(acme, globex):
    noted(acme)
    noted(globex)
    before = {who: len(events_of(who)) for who in (acme, globex, None)}
    with acting_as_platform():
        for number in range(FEW):
            for who in (acme, globex):
                note(who, Action.TENANT_CHANGED, number=number)
        note(None, Action.TENANT_OPENED)
    noted(acme, afterwards=True)
    assert {who: len(events_of(who)) - before[who] for who in before} == {acme: FEW + 1, globex: FEW, None: 1}
    assert [event.details["number"] for event in events_of(acme)[-FEW - 1 : -1]] == list(range(FEW))
    for who in (acme, globex):
        assert sealing.verify(sealing.chain_of(who)).intact


def test_nothing_is_stored_of_a_transaction_that_is_undone(acme):
    before = len(events_of(acme))
    with pytest.raises(ZeroDivisionError), acting_as(acme):
        note(acme, Action.TENANT_CHANGED)
        1 / 0
    assert len(events_of(acme)) == before


def test_what_a_part_noted_that_was_undone_is_forgotten(acme):
    with acting_as(acme):
        note(acme, Action.TENANT_CHANGED, kept=True)
        with pytest.raises(ZeroDivisionError), acting_as(acme):
            note(acme, Action.TENANT_CHANGED, kept=False)
            1 / 0
    assert events_of(acme)[-1].details == {"kept": True}


def test_a_note_outside_of_a_transaction_is_a_mistake(acme):
    with pytest.raises(NotInATransaction):
        note(acme, Action.TENANT_CHANGED)


def test_a_note_that_cannot_be_stored_undoes_the_deed(acme):
    with pytest.raises(DatabaseError), acting_as(acme):
        acme.libraries.create(org_id="acme")
        note(acme, Action.TENANT_CHANGED, unfit="\x00")
    with acting_as(acme):
        assert not acme.libraries.exists()


@pytest.mark.django_db(transaction=True)
def test_the_note_is_stored_before_the_commit_by_the_transaction_itself(acme):
    seen = []
    with acting_as(acme):
        note(acme, Action.TENANT_CHANGED)
        transaction.on_commit(lambda: seen.append(len(events_of(acme))))
        ((transaction_id,),) = raw("SELECT pg_current_xact_id()::text")
    assert seen
    with acting_as(acme):
        ((stored_by,),) = raw("SELECT xmin::text FROM tenants_auditevent ORDER BY number DESC LIMIT 1")
    assert stored_by == transaction_id


def test_one_transaction_may_note_in_several_chains(acme, globex):
    before = {who: len(events_of(who)) for who in (acme, globex, None)}
    with acting_as(acme):
        note(globex, Action.TENANT_CHANGED)
        note(None, Action.TENANT_OPENED)
        note(acme, Action.TENANT_CHANGED)
    assert {who: len(events_of(who)) - before[who] for who in before} == {acme: 1, globex: 1, None: 1}


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE tenants_auditevent SET action = 'x'",
        "DELETE FROM tenants_auditevent",
        "TRUNCATE tenants_auditevent",
        "TRUNCATE tenants_audithead",
        "TRUNCATE tenants_auditseal",
    ],
)
def test_nobody_changes_what_was_written(tampering, acme):
    noted(acme)
    before = [event.digest for event in events_of(acme)]
    with suppress(DatabaseError), transaction.atomic(), acting_as_platform():
        raw(tampering)
    assert [event.digest for event in events_of(acme)] == before


@pytest.mark.parametrize("deed", ["UPDATE tenants_audithead SET number = 1", "DELETE FROM tenants_audithead"])
def test_nobody_moves_the_head_of_a_chain(deed, acme):
    noted(acme)
    with pytest.raises(DatabaseError, match="moves with its events"), acting_as_platform():
        raw(deed)


def test_a_tenant_sees_no_other_tenants_events_and_writes_none(acme, globex):
    noted(acme)
    with acting_as(globex):
        assert {event.tenant_id for event in AuditEvent.all_tenants.all()} <= {globex.pk}
        assert {head.tenant_id for head in AuditHead.all_tenants.all()} <= {globex.pk}
    with pytest.raises(DatabaseError, match="row-level security"), acting_as(globex):
        AuditEvent.all_tenants.create(tenant_id=acme.pk, number=1, at="2026-01-01T00:00Z", previous=b"", digest=b"")
