"""What a client of this dialect is told, by what went wrong: the vendor's error table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed

from api.bodies import Malformed, NotJson, NotUtf8, Unacceptable
from api.dolphin import conf
from api.protocol import AccessRefused, DialectClosed, TenantClosed, UnknownPath
from audio.errors import AudioError, TooLarge
from tenants.rates import RateLimited
from voiceprints.errors import (
    AnalysisTimedOut,
    ConsentMissing,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    NobodyEnrolled,
    OptedOut,
    QuotaExhausted,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    StorageFailed,
    TooBusy,
    TurnPassed,
    TurnsCompleted,
    TurnTooEarly,
)


class Missing(Malformed):
    """A required field is absent, null or empty. The text names it."""


def nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class Answer:
    status: str
    message: str
    detail: Callable[[Any], str] = nothing
    http_status: int = 200

    def message_for(self, error: Exception) -> str:
        detail = self.detail(error)
        return f"{self.message}: {detail}" if detail else self.message


SUCCESS = Answer("00000", "success")
TAKEN = {
    1: replace(SUCCESS, message="the first time you enroll successfully, you need to enroll twice more"),
    2: replace(SUCCESS, message="the second registration is successful, please register one more time"),
    3: replace(SUCCESS, message="the third registration is successful, registration completed"),
}

MISSING_PARAMETER = Answer("22111", "missing parameter", str)
INVALID_PARAMETER = Answer("22121", "invalid parameter", str)
NOT_JSON = Answer("22123", "json string error")
UNUSABLE_AUDIO = Answer("22124", "audio data in data does not meet the required constraints")
MISMATCH = Answer("22124", "Voiceprint mismatch with that of the initial registration")
COMPLETED = Answer("22131", "invalid operation: the registration process has already been completed")
PASSED = Answer("22131", "invalid operation: a subsequent registration has already been completed")
TOO_EARLY = Answer("22132", "invalid operation: the previous registration has not been completed")
UNKNOWN_USER = Answer("22133", "the user_name hasn't been registered")
INCOMPLETE = Answer(conf.INCOMPLETE_STATUS, "the user_name hasn't been registered completely")
NOT_UNREGISTERED = Answer("22135", "unregistration failed: this user_name hasn't been registered")
NOBODY = Answer("22136", "no available user_name")
SERVICE_ERROR = Answer("22151", "service error")
UNREADABLE = Answer("22152", "request decoder error")
NOT_HERE = replace(SERVICE_ERROR, http_status=404)

ANSWERS: dict[type[BaseException], Answer] = {
    # Who does not know the base address learns nothing about it.
    UnknownPath: NOT_HERE,
    AccessRefused: NOT_HERE,
    TenantClosed: NOT_HERE,
    DialectClosed: NOT_HERE,
    MethodNotAllowed: replace(SERVICE_ERROR, http_status=405),
    RateLimited: SERVICE_ERROR,
    TooLarge: UNREADABLE,
    UnreadablePostError: UNREADABLE,
    SuspiciousOperation: UNREADABLE,
    Malformed: UNREADABLE,
    NotUtf8: UNREADABLE,
    NotJson: NOT_JSON,
    Missing: MISSING_PARAMETER,
    Unacceptable: INVALID_PARAMETER,
    TurnsCompleted: COMPLETED,
    TurnPassed: PASSED,
    TurnTooEarly: TOO_EARLY,
    # The name was completed by another dialect in the very moment.
    SpeakerExists: COMPLETED,
    SpeakerNotFound: UNKNOWN_USER,
    SpeakerNotEnrolled: INCOMPLETE,
    NobodyEnrolled: NOBODY,
    ConsentMissing: INVALID_PARAMETER,
    OptedOut: INVALID_PARAMETER,
    SpeakerMismatch: MISMATCH,
    AudioError: UNUSABLE_AUDIO,
    LibraryNotFound: SERVICE_ERROR,
    QuotaExhausted: SERVICE_ERROR,
    TooBusy: SERVICE_ERROR,
    AnalysisTimedOut: SERVICE_ERROR,
    EngineFailed: SERVICE_ERROR,
    EngineUnreachable: SERVICE_ERROR,
    StorageFailed: SERVICE_ERROR,
    DatabaseFailed: SERVICE_ERROR,
    Exception: SERVICE_ERROR,
}

UNREGISTER_ANSWERS = ANSWERS | {SpeakerNotFound: NOT_UNREGISTERED}
