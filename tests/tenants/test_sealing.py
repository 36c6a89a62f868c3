"""Whoever tampers with the audit trail is found out, and trimming it is no tampering."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from config.embedded import as_superuser
from tenants import sealing
from tenants.actions import Action
from tenants.chains import linked_text
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditCheck, AuditEvent, AuditSeal, CleanupRun
from tenants.tasks import check_trail
from tenants.trail import Target, note
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 12


def noted(tenant, count=1):
    for number in range(count):
        with acting_as(tenant):
            note(tenant, Action.TENANT_CHANGED, Target("tenant", tenant.pk, "é\n,"), number=number)


@pytest.fixture
def chain(acme) -> int:
    noted(acme, EVENTS)
    return acme.pk


def tamper(*statements):
    """As somebody may who owns the whole database."""
    with as_superuser(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for statement in statements:
            superuser.execute(statement)


def places(chain) -> list[int]:
    return [problem.number for problem in sealing.verify(chain).problems]


def test_an_untouched_chain_is_intact(chain):
    verdict = sealing.verify(chain)
    assert (verdict.problems, verdict.events) == ([], verdict.last.number)
    assert verdict.events >= EVENTS


TAMPERINGS = {
    "removed": (["DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 5"], [5]),
    "altered": (["UPDATE tenants_auditevent SET actor_name = 'x' WHERE tenant_id = {chain} AND number = 5"], [5]),
    "altered details": (
        ["UPDATE tenants_auditevent SET details = details || '{{\"a\":1}}' WHERE tenant_id = {chain} AND number = 5"],
        [5],
    ),
    "backdated": (
        ["UPDATE tenants_auditevent SET at = at - interval '1 day' WHERE tenant_id = {chain} AND number = 5"],
        [5],
    ),
    "first removed": (["DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 1"], [1]),
    "reordered": (
        [
            "UPDATE tenants_auditevent SET number = -5 WHERE tenant_id = {chain} AND number = 5",
            "UPDATE tenants_auditevent SET number = 5 WHERE tenant_id = {chain} AND number = 6",
            "UPDATE tenants_auditevent SET number = 6 WHERE tenant_id = {chain} AND number = -5",
        ],
        [5, 5, 6, 6, 7],
    ),
    "cut off": (["DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number > 9"], [10]),
    "headless": (["DELETE FROM tenants_audithead WHERE tenant_id = {chain}"], None),
    "wiped": (["DELETE FROM tenants_auditevent WHERE tenant_id = {chain}"], [1]),
}


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_each_kind_of_tampering_is_found_where_it_was_done(kind, chain):
    statements, expected = TAMPERINGS[kind]
    tamper(*(statement.format(chain=chain) for statement in statements))
    assert places(chain) == expected if expected else places(chain)
    with pytest.raises(CommandError, match="acme: event"):
        call_command("audit", "verify", "--tenant", "acme")


def insert_behind(chain, number):
    """A line more, with everything after it renumbered."""
    columns = "tenant_id, actor_kind, actor_name, interface, address, request_id, action, outcome, object_kind, "
    columns += "object_name, org_id, tag_id, details, previous, digest"
    tamper(
        f"UPDATE tenants_auditevent SET number = -number WHERE tenant_id = {chain} AND number > {number}",
        f"UPDATE tenants_auditevent SET number = 1 - number WHERE tenant_id = {chain} AND number < 0",
        f"INSERT INTO tenants_auditevent ({columns}, number, at) SELECT {columns}, {number + 1}, at "
        f"FROM tenants_auditevent WHERE tenant_id = {chain} AND number = {number}",
        f"UPDATE tenants_audithead SET number = number + 1 WHERE tenant_id = {chain}",
    )


def test_an_inserted_line_is_found(chain):
    insert_behind(chain, 5)
    assert places(chain)[0] == 6


def forge(chain):
    """Make the chain anew from the first line to the head, so that it hangs together."""
    with as_superuser(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("SET session_replication_role = replica")
        query = f"SELECT id, {linked_text('e')} FROM tenants_auditevent e WHERE tenant_id = {chain} ORDER BY number"
        previous = b""
        for pk, text in superuser.execute(query).fetchall():
            digest = hashlib.sha256(previous + text.encode()).digest()
            change = "UPDATE tenants_auditevent SET previous = %s, digest = %s WHERE id = %s"
            superuser.execute(change, [previous, digest, pk])
            previous = digest
        superuser.execute("UPDATE tenants_audithead SET digest = %s WHERE tenant_id = %s", [previous, chain])


def test_a_chain_that_was_made_anew_is_betrayed_by_its_seal(chain):
    sealing.seal_all()
    tamper(f"UPDATE tenants_auditevent SET actor_name = 'x' WHERE tenant_id = {chain} AND number = 5")
    forge(chain)
    assert [problem.said for problem in sealing.verify(chain).problems] == ["not what was sealed"]


def test_without_a_seal_a_chain_that_was_made_anew_is_betrayed_by_an_anchor(chain, capsys):
    call_command("audit", "heads", "--tenant", "acme")
    known = capsys.readouterr().out.strip()
    tamper(f"UPDATE tenants_auditevent SET actor_name = 'x' WHERE tenant_id = {chain} AND number = 5")
    forge(chain)
    assert sealing.verify(chain).intact
    with pytest.raises(CommandError, match="not what was sealed"):
        call_command("audit", "verify", "--tenant", "acme", "--anchor", known)


def test_a_forged_seal_is_none_of_ours(chain):
    sealing.seal_all()
    tamper(f"UPDATE tenants_auditseal SET digest = digest || 'x' WHERE tenant_id = {chain}")
    assert [problem.said for problem in sealing.verify(chain).problems] == ["carries a seal that is not ours"]


def test_a_seal_whose_event_was_cut_off_with_the_head_is_missed(chain):
    sealing.seal_all()
    tamper(
        f"DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number > 9",
        f"UPDATE tenants_audithead SET number = 9, digest = (SELECT digest FROM tenants_auditevent "
        f"WHERE tenant_id = {chain} AND number = 9) WHERE tenant_id = {chain}",
    )
    assert [problem.said for problem in sealing.verify(chain).problems] == ["was sealed and is missing"]


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(sealing, "LINES_AT_ONCE", 3)


def sealed_at_every_event(tenant, count):
    for _ in range(count):
        noted(tenant)
        sealing.seal(tenant.pk)


@pytest.mark.parametrize("number", [1, 3, 4, 11])
def test_page_by_page_nothing_escapes(acme, chain, small_pages, number):
    sealed_at_every_event(acme, 10)
    sealing.trim(chain, timezone.now())
    sealed_at_every_event(acme, 10)
    verdict = sealing.verify(chain)
    assert (verdict.problems, verdict.sealed) == ([], verdict.last.number)
    first = verdict.begins.number
    tamper(f"UPDATE tenants_auditevent SET actor_name = 'x' WHERE tenant_id = {chain} AND number = {first + number}")
    tamper(f"UPDATE tenants_auditseal SET mac = 'x' WHERE tenant_id = {chain} AND number = {first + 5}")
    assert set(places(chain)) == {first + 5, first + number}


def between(beginning, deed):
    """Does the deed in another connection before the first statement that begins so."""
    done = []

    def around(execute, statement, *arguments):
        if statement.startswith(beginning) and not done:
            done.append(True)
            all_at_once(deed)
        return execute(statement, *arguments)

    return connection.execute_wrapper(around)


def test_an_event_that_comes_before_the_head_is_looked_at_breaks_nothing(acme, chain):
    sealing.seal(chain)
    with between('SELECT "tenants_audithead"', lambda: noted(acme)):
        verdict = sealing.seal(chain)
    assert (verdict.problems, verdict.events) == ([], 1)


def test_a_chain_that_is_trimmed_while_it_is_verified_is_intact(acme, chain, small_pages):
    with between('SELECT "tenants_auditevent"."number"', lambda: sealing.trim(chain, timezone.now())):
        verdict = sealing.verify(chain)
    assert (verdict.problems, verdict.begins.number > EVENTS) == ([], True)


def test_a_seal_made_with_an_earlier_field_key_counts_on(chain, settings):
    sealing.seal_all()
    settings.FIELD_KEYS = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", *settings.FIELD_KEYS]
    assert sealing.verify(chain).intact
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    assert not sealing.verify(chain).intact


def test_a_broken_chain_is_not_sealed(chain, caplog):
    tamper(f"UPDATE tenants_auditevent SET actor_name = 'x' WHERE tenant_id = {chain} AND number = 5")
    sealing.seal_all()
    with acting_as_tenant(chain):
        assert not AuditSeal.all_tenants.exists()
    assert "is broken and not sealed" in caplog.text


def test_a_seal_is_made_once_for_what_is_new(acme, chain):
    assert sealing.seal(chain).events
    assert sealing.seal(chain).events == 0
    noted(acme)
    assert sealing.seal(chain).events == 1


def test_what_remains_of_a_trimmed_chain_verifies(acme, chain):
    sealing.seal_all()
    gone = sealing.trim(chain, timezone.now() + timedelta(seconds=1))
    noted(acme, 3)
    verdict = sealing.verify(chain)
    assert verdict.problems == []
    assert (gone, verdict.events) == (verdict.last.number - 4, 4)
    with acting_as(acme):
        first = AuditEvent.all_tenants.order_by("number").first()
    assert (first.action, first.details["events"]) == (Action.TRAIL_TRIMMED, gone)


def test_a_chain_is_trimmed_more_than_once(acme, chain):
    for _ in range(2):
        sealing.trim(chain, timezone.now() + timedelta(seconds=1))
        noted(acme, 2)
    assert sealing.verify(chain).intact


def test_a_checkpoint_of_somebody_else_hides_nothing(chain):
    tamper(
        f"INSERT INTO tenants_auditseal (tenant_id, number, digest, checkpoint, mac, at) SELECT tenant_id, number, "
        f"digest, true, 'x', now() FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 5",
        f"DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number <= 5",
    )
    assert [str(problem) for problem in sealing.verify(chain).problems] == [
        "event 5: carries a seal that is not ours",
        "events 1 to 5: missing",
    ]


def test_a_broken_chain_is_not_trimmed(chain):
    tamper(f"DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 5")
    with pytest.raises(sealing.TrailBroken):
        sealing.trim(chain, timezone.now())


GONE = [
    f"DELETE FROM tenants_{table} WHERE tenant_id = {{chain}}" for table in ("auditevent", "audithead", "auditseal")
]
UNVERIFIED = [*GONE, "DELETE FROM tenants_auditcheck WHERE tenant_id = {chain}"]


@pytest.mark.parametrize("statements", [GONE, UNVERIFIED], ids=["verified once", "never verified"])
def test_a_chain_of_which_nothing_is_left_is_missed(statements, chain, capsys):
    sealing.verify(chain)
    tamper(*(statement.format(chain=chain) for statement in statements))

    # Each time: what was found to be missing is not what is expected from then on.
    for _ in range(2):
        with pytest.raises(CommandError, match=r"acme: events? 1( to \d+)?: missing, to which the chain had come"):
            call_command("audit", "verify")
    assert "platform: intact" not in capsys.readouterr().out


def test_the_command_begins_with_how_many_chains_are_broken(acme, globex, chain):
    noted(globex, 1)
    tamper(f"DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 1")
    with pytest.raises(CommandError, match=r"^1 of \d chains broken\n.*missing.*\n.*: intact"):
        call_command("audit", "verify")


def test_a_chain_that_is_put_right_is_intact_whatever_was_forged_onto_it(acme, globex, chain):
    sealing.verify(chain)
    moved = "UPDATE tenants_auditevent SET tenant_id = {}, number = {} WHERE tenant_id = {} AND number = {}"
    noted(globex, 3)
    tamper(moved.format(chain, 99, globex.pk, 2))
    said = "event 99: added after the event that the chain ended with"
    assert [str(found) for found in sealing.verify(chain).problems][-1] == said

    tamper(moved.format(globex.pk, 2, chain, 99))

    assert [sealing.verify(one).problems for one in (chain, globex.pk)] == [[], []]


def test_an_anchor_in_a_chain_of_which_nothing_is_left_is_missed(acme):
    anchor = f"{acme.pk + 100}:7:{bytes(32).hex()}"

    with pytest.raises(CommandError, match=rf"tenant {acme.pk + 100}: event 7: was sealed and is missing"):
        call_command("audit", "verify", "--anchor", anchor)


def test_a_broken_chain_makes_the_nightly_verification_one_that_failed(acme, globex, chain, caplog):
    noted(globex)
    tamper(f"DELETE FROM tenants_auditevent WHERE tenant_id = {chain} AND number = 5")

    with pytest.raises(sealing.TrailBroken):
        check_trail()

    run = CleanupRun.objects.get(job="audit")
    assert (run.problem, run.finished is None) == ("TrailBroken", False)
    assert run.findings == [{"chain": "acme", "number": 5, "until": None, "said": "missing", "places": 1}]
    assert f"chain {chain} is broken: event 5: missing" in caplog.text
    # The others are verified all the same.
    with acting_as_platform():
        assert set(AuditCheck.all_tenants.values_list("pk", flat=True)) >= {chain, globex.pk}


def test_what_a_verification_came_to_is_kept(acme, chain):
    sealing.verify(chain)
    with acting_as(acme):
        check = AuditCheck.all_tenants.get()
    assert (check.problems, check.number) == ([], sealing.verify(chain).last.number)


def test_fifty_writers_at_once_leave_an_unbroken_chain(acme):
    all_at_once(*[lambda: noted(acme, 4)] * 50)
    verdict = sealing.verify(acme.pk)
    assert verdict.problems == []
    assert verdict.events >= 200


def acting_as_tenant(chain):
    return acting_as(sealing._tenant_of(chain))


def test_the_command_says_that_all_chains_are_intact(chain, capsys):
    call_command("audit", "verify")
    said = capsys.readouterr().out
    assert "acme: intact" in said
    assert "platform: intact" in said
