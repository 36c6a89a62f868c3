"""Signing in with a second factor: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass

import segno
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from tenants.accounts import note_everywhere
from tenants.actions import Action
from tenants.context import acting_as_platform
from tenants.models import RecoveryCode, SecondFactor
from tenants.signed_in import end_other_sessions

ISSUER = "OpenVPR"
SEED_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""Clocks may be wrong by so many steps."""

RECOVERY_CODES = 10
RECOVERY_BYTES = 10
RECOVERY_GROUP = 4


@dataclass(frozen=True)
class Enrolment:
    """What an app needs to know, as a picture and as text."""

    address: str
    seed: str

    @property
    def picture(self) -> str:
        """A data address of an SVG, dark on white whatever the page's colours."""
        return segno.make(self.address, error="m", micro=False).svg_data_uri(scale=5, border=4, light="white")


def has_second_factor(user: AbstractBaseUser) -> bool:
    return SecondFactor.objects.filter(user=user.pk, confirmed__isnull=False).exists()


def begin(user: AbstractBaseUser) -> Enrolment:
    """With a new seed each time, so that one which was seen before and left does not come to count."""
    seed = secrets.token_hex(SEED_BYTES)
    factor, _ = SecondFactor.objects.update_or_create(user_id=user.pk, confirmed=None, defaults={"seed": seed})
    return _enrolment(user, factor)


def begun(user: AbstractBaseUser) -> Enrolment | None:
    """The one that waits for its first code."""
    factor = SecondFactor.objects.filter(user=user.pk, confirmed=None).first()
    return _enrolment(user, factor) if factor else None


def _enrolment(user: AbstractBaseUser, factor: SecondFactor) -> Enrolment:
    address = _totp(factor).get_provisioning_uri(user.get_username(), ISSUER)
    return Enrolment(address=address, seed=base64.b32encode(bytes.fromhex(factor.seed)).decode())


@acting_as_platform()
def turn_on(user: AbstractBaseUser, code: str, *, session_key: str | None) -> list[str] | None:
    """The recovery codes, or None when the code is not the app's. Ends the sessions that began without a code."""
    factor = SecondFactor.objects.select_for_update().filter(user=user.pk, confirmed=None).first()
    if factor is None or not _spend(factor, code):
        return None
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed=timezone.now())
    end_other_sessions(user, session_key)
    note_everywhere(user, Action.SECOND_FACTOR_ON)
    return _codes_made_anew(user)


@acting_as_platform()
def turn_off(user: AbstractBaseUser, *, session_key: str | None = None) -> None:
    """Ends all sessions of the user but this one."""
    SecondFactor.objects.filter(user=user.pk).delete()
    RecoveryCode.objects.filter(user=user.pk).delete()
    end_other_sessions(user, session_key)
    note_everywhere(user, Action.SECOND_FACTOR_OFF)


@acting_as_platform()
def new_recovery_codes(user: AbstractBaseUser) -> list[str]:
    """They replace the old ones, and can be read this once."""
    note_everywhere(user, Action.RECOVERY_CODES_MADE)
    return _codes_made_anew(user)


def _codes_made_anew(user: AbstractBaseUser) -> list[str]:
    codes = [_readable(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user.pk).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user_id=user.pk, digest=_digest(code)) for code in codes)
    return codes


def recovery_codes_left(user: AbstractBaseUser) -> int:
    return RecoveryCode.objects.filter(user=user.pk).count()


def passes(user: AbstractBaseUser, code: str) -> bool:
    """Whether this is a code of the app, or a recovery code, that was not used before. It is used now."""
    factor = SecondFactor.objects.filter(user=user.pk, confirmed__isnull=False).first()
    return factor is not None and (_spend(factor, code) or _spend_recovery_code(user, code))


def _spend(factor: SecondFactor, code: str) -> bool:
    """Of several who send the same code at once, one passes."""
    step = _step_of(factor, "".join(code.split()))
    if step is None:
        return False
    return SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step).update(last_step=step) == 1


def _step_of(factor: SecondFactor, code: str) -> int | None:
    now, totp, given = int(time.time()) // STEP_SECONDS, _totp(factor), code.encode(errors="replace")
    near = range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
    # All are compared, so that the time it takes says nothing.
    right = [step for step in near if bytes_eq(totp.generate(step * STEP_SECONDS), given)]
    return right[0] if right else None


def _spend_recovery_code(user: AbstractBaseUser, code: str) -> bool:
    deleted, _ = RecoveryCode.objects.filter(user=user.pk, digest=_digest(code)).delete()
    return deleted == 1


def _totp(factor: SecondFactor) -> TOTP:
    return TOTP(bytes.fromhex(factor.seed), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what the apps speak


def _readable(raw: bytes) -> str:
    text = base64.b32encode(raw).decode().lower()
    return "-".join(text[start : start + RECOVERY_GROUP] for start in range(0, len(text), RECOVERY_GROUP))


def _digest(code: str) -> str:
    # The code is 10 random bytes: nothing that a slow hash would have to protect from guessing.
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(letters.encode(errors="replace")).hexdigest()
