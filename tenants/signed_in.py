"""The sessions of a user: looking through them, and ending them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.accounts import note_everywhere
from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.models import ConsoleSession

NAME_LENGTH = 16


@dataclass(frozen=True)
class SignedIn:
    """`name` stands for the session in addresses; the key itself, which opens it, is shown nowhere."""

    name: str
    begun: datetime
    seen: datetime
    address: str
    browser: str
    is_this: bool

    def __str__(self) -> str:
        return " · ".join(filter(None, [self.browser or str(_("unknown browser")), self.address]))


def sessions_of(user: AbstractBaseUser, this: str | None) -> list[SignedIn]:
    """Those that still work, the one last used first."""
    return [
        SignedIn(_name(one), one.begun, one.seen, one.address, one.browser, is_this=one.session_key == this)
        for one in _living(user)
    ]


def end_session(user: AbstractBaseUser, name: str) -> bool:
    """Whether there was one of this name among the user's own."""
    named = [one for one in _living(user) if _name(one) == name]
    for one in named:
        one.delete()
    if named:
        note_everywhere(user, Action.SESSIONS_ENDED, sessions=len(named))
    return bool(named)


def sign_out_elsewhere(user: AbstractBaseUser, this: str | None) -> int:
    """As the user asks for it."""
    with acting_as_platform():
        ended = end_other_sessions(user, this)
        note_everywhere(user, Action.SESSIONS_ENDED, sessions=ended)
    return ended


def end_other_sessions(user: AbstractBaseUser, this: str | None) -> int:
    """All but `this`; all of them without one."""
    return ConsoleSession.objects.filter(user=user.pk).exclude(session_key=this or "").delete()[0]


def _living(user: AbstractBaseUser) -> list[ConsoleSession]:
    return list(ConsoleSession.objects.filter(user=user.pk, expire_date__gt=timezone.now()).order_by("-seen"))


def _name(session: ConsoleSession) -> str:
    return hashlib.sha256(session.session_key.encode()).hexdigest()[:NAME_LENGTH]
