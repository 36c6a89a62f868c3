"""The brake on guessing: who must wait, how long, and that many at once do not pass together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants import guessing
from tenants.guessing import TooManyGuesses, attempt
from tenants.models import Guesses
from tests.threads import all_at_once

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.7"


def fail(times: int, name: str = "olga", address: str = "") -> None:
    for _ in range(times):
        attempt(name, address)


def let_time_pass(passed: timedelta) -> None:
    for guesses in Guesses.objects.all():
        guesses.last -= passed
        guesses.paused_until -= passed
        guesses.save()


def pause(name: str = "olga", address: str = "") -> timedelta:
    with pytest.raises(TooManyGuesses) as refusal:
        attempt(name, address)
    return refusal.value.until - timezone.now()


def test_five_failures_are_followed_by_a_pause():
    fail(5)
    assert timedelta(seconds=25) < pause() <= timedelta(seconds=30)


def test_each_further_failure_makes_the_pause_twice_as_long_up_to_an_hour():
    fail(5)
    pauses = []
    for _ in range(10):
        pauses.append(round(pause().total_seconds(), -1))
        let_time_pass(timedelta(hours=2))
        fail(1)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_what_is_tried_during_a_pause_does_not_make_it_longer():
    fail(5)
    before = pause()
    assert pause() <= before


def test_a_right_attempt_is_taken_back():
    for _ in range(20):
        attempt("olga", ADDRESS).was_right()
    assert set(Guesses.objects.values_list("failures", flat=True)) == {0}


def test_the_right_one_after_a_pause_opens_again():
    fail(5)
    let_time_pass(timedelta(minutes=1))
    attempt("olga", "").was_right()
    attempt("olga", "")


def test_failures_of_yesterday_are_forgotten():
    fail(4)
    let_time_pass(timedelta(hours=25))
    fail(4)
    assert Guesses.objects.get().failures == 4
    let_time_pass(timedelta(hours=25))
    assert guessing.sweep() == 1


def test_an_address_that_tries_many_names_must_wait():
    for number in range(30):
        attempt(f"name {number}", ADDRESS)
    assert pause("another", ADDRESS) > timedelta(0)
    attempt("another", "203.0.113.8")


def test_addresses_of_one_household_count_together():
    for number in range(30):
        attempt(f"name {number}", f"2001:db8:1:2::{number:x}")
    assert pause("another", "2001:db8:1:2:ffff::1") > timedelta(0)
    attempt("another", "2001:db8:1:3::1")


def test_a_name_that_is_locked_can_be_locked_from_everywhere_and_others_cannot():
    fail(5, address=ADDRESS)
    assert pause(address="198.51.100.1") > timedelta(0)
    attempt("peter", ADDRESS)


def test_names_count_together_however_they_are_spelled():
    fail(3, "Olga")
    fail(2, "oLGA")
    assert pause("olga") > timedelta(0)


def test_what_was_typed_is_not_kept():
    attempt("my password by mistake", "")
    assert "password" not in str(Guesses.objects.values().get())


def test_signing_in_forgets_the_failures(django_user_model):
    fail(5)
    guessing.forget(django_user_model.objects.create(username="olga"))
    attempt("olga", "")


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_pass_than_one_after_another():
    def guess() -> bool:
        try:
            attempt("olga", "")
        except TooManyGuesses:
            return False
        return True

    assert sum(all_at_once(*[guess] * 16)) == 5
    assert Guesses.objects.get().failures == 5


def test_an_attempt_is_not_paused_by_another_that_began_later_and_was_counted_first(monkeypatch):
    fail(1)
    earlier = timezone.now() - timedelta(seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: earlier)
    fail(1)
    assert Guesses.objects.get().failures == 2
