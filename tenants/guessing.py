"""A brake on guessing passwords and codes: after some failures, each further one makes the pause longer.

An attempt is counted before anything is compared, in one statement, so that many at once cannot pass together; a right
one is taken back. Names are counted whether or not they have an account, so that a pause says nothing about that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from tenants.actions import Action
from tenants.addresses import neighbourhood
from tenants.cleaning import delete_rows
from tenants.context import acting_as_platform
from tenants.models import Guesses
from tenants.targets import user_target
from tenants.trail import Target, note

FREE_BY_NAME = 5
FREE_BY_ADDRESS = 30
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_DOUBLINGS = 20

# No row comes back while a pause lasts. Where there is none it ends with the last attempt: of many at once each has its
# own time, and who is counted last may have come first.
COUNT = """
INSERT INTO tenants_guesses AS known (key, user_id, address, failures, last, paused_until)
VALUES (%(key)s, %(user)s, %(address)s, 1, %(now)s, %(now)s)
ON CONFLICT (key) DO UPDATE SET
    user_id = excluded.user_id,
    last = excluded.last,
    failures = CASE WHEN known.last < %(forgotten)s THEN 1 ELSE known.failures + 1 END,
    paused_until = CASE
        WHEN known.last < %(forgotten)s OR known.failures + 1 < %(free)s THEN excluded.last
        ELSE excluded.last + least(
            %(longest)s::interval, %(first)s::interval * power(2, least(known.failures + 1 - %(free)s, %(doublings)s))
        )
    END
WHERE known.paused_until <= greatest(known.last, excluded.last)
RETURNING failures
"""


class TooManyGuesses(Exception):
    def __init__(self, *, until: datetime) -> None:
        super().__init__(f"paused until {until:%H:%M:%S}")
        self.until = until

    @property
    def minutes(self) -> int:
        return max(1, -(-int((self.until - timezone.now()).total_seconds()) // 60))


@dataclass(frozen=True)
class Attempt:
    """One that was counted as a failure until somebody knows better."""

    keys: tuple[str, ...]

    def was_right(self) -> None:
        unpaused = Guesses.objects.filter(pk__in=self.keys)
        unpaused.update(failures=Greatest(F("failures") - 1, 0), paused_until=F("last"))


def attempt(name: str, address: str) -> Attempt:
    """Raises TooManyGuesses while the name or the address must wait."""
    keys = _count_address(address)
    user = get_user_model().objects.filter(username=name).first()
    keys.append(_count(_key("name", _normal(name)), FREE_BY_NAME, user=user))
    return Attempt(tuple(keys))


def attempt_at_names(address: str) -> Attempt:
    """Whether a name is taken is found out at the expense of the address alone. Raises TooManyGuesses."""
    return Attempt(tuple(_count_address(address)))


def forget(user: AbstractBaseUser) -> None:
    """Somebody signed in, or is let in again."""
    Guesses.objects.filter(pk=_key("name", _normal(user.get_username()))).delete()


def lift_of(user: AbstractBaseUser) -> None:
    with acting_as_platform():
        forget(user)
        note(None, Action.LOCK_OUT_LIFTED, user_target(user))


def lift(guesses: Guesses) -> None:
    with acting_as_platform():
        whose = user_target(guesses.user) if guesses.user else Target("address", None, guesses.address)
        note(None, Action.LOCK_OUT_LIFTED, whose)
        guesses.delete()


def sweep() -> int:
    return sum(delete_rows(Guesses.objects.filter(last__lt=timezone.now() - _forgotten_after())))


def _count_address(address: str) -> list[str]:
    if not address:
        return []
    return [_count(_key("address", neighbourhood(address)), FREE_BY_ADDRESS, address=address)]


def _count(key: str, free: int, *, user: AbstractBaseUser | None = None, address: str = "") -> str:
    now = timezone.now()
    values: dict[str, Any] = {
        "key": key,
        "user": user.pk if user else None,
        "address": address,
        "now": now,
        "forgotten": now - _forgotten_after(),
        "free": free,
        "first": FIRST_PAUSE,
        "longest": LONGEST_PAUSE,
        "doublings": MOST_DOUBLINGS,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)
        if cursor.fetchone():
            return key
    raise TooManyGuesses(until=_paused_until(key))


def _forgotten_after() -> timedelta:
    return timedelta(seconds=settings.FAILURES_KEPT_SECONDS)


def _paused_until(key: str) -> datetime:
    found = Guesses.objects.filter(pk=key).values_list("paused_until", flat=True).first()
    return found or timezone.now()


def _key(kind: str, text: str) -> str:
    # What was typed may be a password in the wrong place, so that it is not kept.
    return hashlib.sha256(f"{kind}:{text}".encode(errors="replace")).hexdigest()


def _normal(name: str) -> str:
    return str(get_user_model().normalize_username(name)).casefold()
