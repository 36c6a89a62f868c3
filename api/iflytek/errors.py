"""What a client of this dialect is told, by what went wrong: the vendor's error table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed

from api.bodies import Malformed, NotJson, Unacceptable
from api.protocol import (
    AccessRefused,
    DialectClosed,
    OutsideTimeWindow,
    TenantClosed,
    UnknownPath,
    WrongSignature,
)
from audio.errors import AudioError, TooLarge
from tenants.rates import RateLimited
from voiceprints.errors import (
    AnalysisTimedOut,
    ConsentMissing,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    OptedOut,
    QuotaExhausted,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    StorageFailed,
    TooBusy,
)

PLAIN_TEXT = "text/plain; charset=utf-8"


class NoAuthorization(AccessRefused):
    """The request does not even try to prove whose it is."""


class ForeignApplication(Exception):
    """The application named in the request is not that of the tenant who signed it."""


class NotBase64(Exception):
    pass


class ParameterInvalid(Exception):
    """A parameter is missing, or has not the type, length or value it must have."""

    def __init__(self, path: str, name: str, problem: str) -> None:
        super().__init__(f"{path} '{name}' param {problem}")


def nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class Answer:
    """What the service says: always with HTTP status 200."""

    code: int
    message: str
    detail: Callable[[Any], str] = nothing

    def message_for(self, error: Exception) -> str:
        return self.message + self.detail(error)


@dataclass(frozen=True)
class GatewayAnswer:
    """What the vendor's gateway says before any service hears of the request."""

    http_status: int
    message: str
    content_type: str = PLAIN_TEXT


SUCCESS = Answer(0, "success")
INVALID_AUDIO = Answer(10009, "input invalid data")
NO_SERVICE_LEFT = Answer(10010, "service license not enough")
INVALID_PARAMETER = Answer(10139, "invalid param")
NOT_JSON = Answer(10160, "parse request json error")
NOT_BASE64 = Answer(10161, "parse base64 string error")
PARAMETER_ERROR = Answer(10163, "param validate error:", str)
BODY_TIMED_OUT = Answer(10200, "read data timeout")
TIMED_OUT = Answer(10222, "context deadline exceeded")
INVALID_APPLICATION = Answer(10313, "invalid appid")
NO_LICENSE = Answer(11200, "auth no license")
OVER_LIMIT = Answer(11201, "auth no enough license")
SERVER_ERROR = Answer(11503, "server error :atmos return an error data")
NOT_CREATED = Answer(23005, "failed to create feature detail")
NOT_DELETED = Answer(23006, "failed to delete feature detail")
NOT_FOUND = Answer(23007, "failed to find feature detail")

# What is missing is told by what was to be done with it.
NOT_FOUND_BY = {"createFeature": NOT_CREATED, "deleteFeature": NOT_DELETED}

UNAUTHORIZED = GatewayAnswer(401, "Unauthorized")
UNVERIFIABLE = GatewayAnswer(401, "HMAC signature cannot be verified")
WRONG_SIGNATURE = GatewayAnswer(401, "HMAC signature does not match")
WRONG_DATE = GatewayAnswer(
    403,
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication",
)
NOTHING_HERE = GatewayAnswer(404, "there is nothing at this path", "application/json")
ONLY_POST = GatewayAnswer(405, "only POST is answered here", "application/json")

ANSWERS: dict[type[BaseException], Answer | GatewayAnswer] = {
    NoAuthorization: UNAUTHORIZED,
    AccessRefused: UNVERIFIABLE,
    WrongSignature: WRONG_SIGNATURE,
    OutsideTimeWindow: WRONG_DATE,
    TenantClosed: NO_SERVICE_LEFT,
    DialectClosed: NO_LICENSE,
    RateLimited: OVER_LIMIT,
    UnknownPath: NOTHING_HERE,
    MethodNotAllowed: ONLY_POST,
    NotJson: NOT_JSON,
    Malformed: NOT_JSON,
    SuspiciousOperation: NOT_JSON,
    UnreadablePostError: BODY_TIMED_OUT,
    TooLarge: replace(PARAMETER_ERROR, detail=lambda _: "/payload/resource 'audio' param is too long"),
    ForeignApplication: INVALID_APPLICATION,
    Unacceptable: INVALID_PARAMETER,
    ParameterInvalid: PARAMETER_ERROR,
    NotBase64: NOT_BASE64,
    LibraryNotFound: NOT_FOUND,
    SpeakerNotFound: NOT_FOUND,
    SpeakerNotEnrolled: NOT_FOUND,
    ConsentMissing: NOT_CREATED,
    OptedOut: NOT_CREATED,
    AudioError: INVALID_AUDIO,
    SpeakerMismatch: INVALID_AUDIO,
    QuotaExhausted: OVER_LIMIT,
    TooBusy: OVER_LIMIT,
    AnalysisTimedOut: TIMED_OUT,
    EngineFailed: SERVER_ERROR,
    EngineUnreachable: SERVER_ERROR,
    StorageFailed: SERVER_ERROR,
    DatabaseFailed: SERVER_ERROR,
    Exception: SERVER_ERROR,
}
