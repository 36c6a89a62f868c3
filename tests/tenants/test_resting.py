"""How clean-ups stand back from whoever waits for an answer."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from tenants import resting
from tenants.cleaning import clean, keep_up
from tenants.context import acting_as, acting_as_platform
from tenants.models import CleanupRun
from voiceprints import erasure, leaving

pytestmark = pytest.mark.django_db(transaction=True)

TOOK_SECONDS = 0.05


@pytest.fixture
def rests(monkeypatch) -> list[float]:
    """How long each was, in seconds."""
    taken: list[float] = []

    def rest(seconds: float) -> None:
        assert not connection.in_atomic_block
        taken.append(seconds)

    monkeypatch.setattr(resting, "sleep", rest)
    return taken


@pytest.mark.parametrize(("took", "rested"), [(0.01, 0.01), (0.125, 0.125), (3.0, resting.LONGEST_SECONDS)])
def test_a_transaction_is_followed_by_a_rest_as_long_as_it_unless_that_is_too_long(took, rested, rests, monkeypatch):
    monkeypatch.setattr(resting, "perf_counter", iter([10.0, 10.0 + took]).__next__)
    with resting.resting(), acting_as_platform():
        pass
    assert rests == [pytest.approx(rested)]


def test_nobody_rests_inside_a_transaction(rests, acme):
    with resting.resting():
        with acting_as_platform(), acting_as(acme):
            pass
        assert len(rests) == 1
        with transaction.atomic(), acting_as(acme):
            pass
    assert len(rests) == 1


def test_what_is_done_after_the_commit_is_rested_for_once(rests, acme):
    def afterwards() -> None:
        with acting_as(acme):
            time.sleep(TOOK_SECONDS)

    with resting.resting(), acting_as(acme):
        transaction.on_commit(afterwards)
    (rest,) = rests
    assert rest >= TOOK_SECONDS


def test_what_fails_is_not_rested_for_and_what_follows_is(rests):
    with resting.resting():
        with pytest.raises(RuntimeError), acting_as_platform():
            raise RuntimeError
        assert not rests
        with acting_as_platform():
            pass
    assert len(rests) == 1


def test_others_do_not_rest(rests):
    with resting.resting():
        pass
    with acting_as_platform():
        pass
    assert not rests


@pytest.mark.parametrize(("run", "rested"), [(clean, 1), (keep_up, 0)])
def test_what_removes_something_rests_and_what_is_due_within_seconds_does_not(run, rested, rests):
    def deed(*_: object) -> None:
        with acting_as_platform():
            pass

    run(CleanupRun.Job.SIZES, deed)
    assert len(rests) == rested


@pytest.mark.parametrize("patiently", [True, False])
def test_an_erasure_rests_unless_somebody_waits_for_it(patiently, rests, acme):
    leaving.close(acme, grace=timedelta())
    (begun,) = leaving.begin_due()
    erasure.go_on(acme, begun.pk, patiently=patiently)
    assert bool(rests) is not patiently
