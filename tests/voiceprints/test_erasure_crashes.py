"""The process that erases somebody is killed around its statements and operations on files, at every third of them.

Whatever the moment, the erasure was never begun, or whoever finds it goes on to its end: nothing is left of the person,
the audit trail says so once, and there is a receipt.
"""

from __future__ import annotations

import pytest

from tenants.context import acting_as
from tenants.models import AuditEvent
from tests import searching
from tests.cast import KEN, LIBRARY, SUSAN, audio
from tests.voiceprints.test_crashes import killed_at, killing_storage, measured_before
from tests.voiceprints.test_erasure import imported
from voiceprints import bulk, erasure, opting_out, receipts, services
from voiceprints.models import Erasure

__all__ = ["killing_storage", "measured_before"]

pytestmark = pytest.mark.django_db(transaction=True)

MOST_STEPS = 500


def enrolled_and_exported(tenant):
    services.enroll(tenant, LIBRARY, SUSAN, [audio(SUSAN, 1), audio(SUSAN, 2)])
    bulk.begin_export(tenant, LIBRARY, recordings=True)


def events_of(tenant, done):
    with acting_as(tenant):
        return AuditEvent.all_tenants.filter(action="erasure.done", object_number=done.pk).count()


def test_an_erasure_killed_at_any_step_is_brought_to_its_end(acme, killing_storage, recordings_folder, measured_before):
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)])
    imported(acme, KEN)
    others = searching.files(recordings_folder).keys()
    begun_and_killed = 0
    for step in range(0, MOST_STEPS, 3):
        enrolled_and_exported(acme)
        before = erasure.page_erasures(acme, where={}, limit=1000).rows
        died = killed_at(step, lambda: erasure.erase_person(acme, SUSAN))
        erasure.tend()
        after = erasure.page_erasures(acme, where={}, limit=1000).rows
        if len(after) == len(before):
            assert died
            erasure.erase_person(acme, SUSAN)
            after = erasure.page_erasures(acme, where={}, limit=1000).rows
        newest: Erasure = after[0]
        begun_and_killed += died
        assert newest.is_done, f"stuck after {step} steps"
        assert receipts.verify(newest.receipt, receipts.public_keys())
        assert newest.counts["utterances"] == 2
        assert newest.counts["exports"] == 1
        assert events_of(acme, newest) == 1
        with acting_as(acme):
            assert list(acme.speakers.values_list("external_id", flat=True)) == [KEN]
        assert searching.files(recordings_folder).keys() == others, f"left over after {step} steps"
        if not died:
            assert begun_and_killed > 20
            return
    pytest.fail("the erasure never ended")


def test_an_opt_out_killed_at_any_step_leaves_nobody_enrolled(acme, killing_storage, measured_before):
    listed_and_killed = 0
    for step in range(MOST_STEPS):
        services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN, 1)])
        died = killed_at(step, lambda: opting_out.opt_out(acme, SUSAN))
        erasure.tend()
        with acting_as(acme):
            listed, found = acme.opt_outs.first(), acme.speakers.named(SUSAN).exists()
        assert bool(listed) is not found, f"half opted out after {step} steps"
        listed_and_killed += died and bool(listed)
        if not died:
            assert listed_and_killed > 2
            return
        if listed:
            opting_out.lift(acme, listed.pk)
        else:
            erasure.erase_person(acme, SUSAN)
    pytest.fail("the opt-out never ended")
