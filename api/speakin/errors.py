"""What a client of this dialect is told, by what went wrong: the vendor's error tables.

The gateway answers with an HTTP status of its own. Behind it everything is HTTP 200: the vendor's client libraries
throw on any other status, and would hide the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import HttpRequest, UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed, ParseError, UnsupportedMediaType

from api.bodies import Malformed
from api.protocol import (
    AccessRefused,
    OutsideTimeWindow,
    TenantClosed,
    UnknownKey,
    UnknownPath,
    WrongSignature,
)
from audio.errors import AudioError
from tenants.rates import RateLimited
from voiceprints.errors import (
    ConsentMissing,
    OptedOut,
    QuotaExhausted,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    VoiceprintError,
)


class NotSigned(AccessRefused):
    """There is no Authorization header."""


class UnreadableAuthorization(AccessRefused):
    """The Authorization header has another form."""


class NothingToVerify(AccessRefused):
    """The Authorization header names no key, or brings no signature."""


class HeaderNotSent(AccessRefused):
    """The header of this name is said to be signed, and is not there."""


class UnknownAlgorithm(AccessRefused):
    pass


class UnknownStage(Exception):
    """The gateway has no stage of this name."""


class TooFewFiles(Exception):
    pass


class TooManyIds(Exception):
    pass


class Answer(Protocol):
    @property
    def http_status(self) -> int: ...

    def body(self, error: Exception, request: HttpRequest) -> dict[str, Any]: ...


@dataclass(frozen=True)
class GatewayAnswer:
    http_status: int
    message: str
    """A template over `error` and `request`."""

    def body(self, error: Exception, request: HttpRequest) -> dict[str, Any]:
        return {"message": self.message.format(error=error, request=request)}


@dataclass(frozen=True)
class BusinessAnswer:
    error_id: str
    error_desc: str
    http_status: ClassVar[int] = 200

    def body(self, error: Exception, request: HttpRequest) -> dict[str, Any]:
        return {"hasError": True, "errorId": self.error_id, "errorDesc": self.error_desc, "data": {}}


NOT_VERIFIED = "HMAC signature cannot be verified"
INTERNAL_ERROR = GatewayAnswer(500, "internal error")
NO_USAGE_PLAN = GatewayAnswer(403, "Found no validate usage plan")
TOO_FEW_FILES = BusinessAnswer("LOGINC_ERROR", "文件个数太少，请重试")
BAD_FILE = BusinessAnswer("LOGINC_ERROR", "上传文件格式错误，请重试")
UNKNOWN_ID = BusinessAnswer("LOGINC_ERROR", "vecid错误，请重试")
OTHER_VOICES = BusinessAnswer("LOGINC_ERROR", "文件不是同一人的声音，请重试")
TOO_MANY_IDS = BusinessAnswer("LOGINC_ERROR", "一次最多比对100条，请重试")
BAD_REQUEST = BusinessAnswer("LOGINC_ERROR", "请求参数错误，请重试")
QUOTA_EXHAUSTED = BusinessAnswer("LOGINC_ERROR", "已达到配额上限，请联系管理员")
NO_CONSENT = BusinessAnswer("LOGINC_ERROR", "缺少说话人的同意凭证，请联系管理员")
OPTED_OUT = BusinessAnswer("LOGINC_ERROR", "该用户已拒绝注册声纹，请勿重试")
SYSTEM_ERROR = BusinessAnswer("SYSTEM_ERROR", "系统错误，请重试")

GATEWAY_ANSWERS: Mapping[type[BaseException], Answer] = {
    NotSigned: GatewayAnswer(401, f"{NOT_VERIFIED}, a validate authorization header is required"),
    UnreadableAuthorization: GatewayAnswer(403, "authorization headers is invalidate"),
    NothingToVerify: GatewayAnswer(403, "id or signature missing"),
    HeaderNotSent: GatewayAnswer(403, NOT_VERIFIED + ", a valid {error} header is required"),
    OutsideTimeWindow: GatewayAnswer(403, f"{NOT_VERIFIED}, a valid date header is required"),
    UnknownKey: GatewayAnswer(403, NOT_VERIFIED),
    UnknownAlgorithm: GatewayAnswer(403, NOT_VERIFIED),
    AccessRefused: GatewayAnswer(403, NOT_VERIFIED),
    WrongSignature: GatewayAnswer(403, "HMAC signature does not match"),
    TenantClosed: NO_USAGE_PLAN,
    UnknownPath: GatewayAnswer(404, "There is no api match uri[{request.path}]"),
    MethodNotAllowed: GatewayAnswer(404, "There is no api match method[{request.method}]"),
    UnknownStage: GatewayAnswer(404, "There is no api match default env_mapping[{error}]"),
    RateLimited: GatewayAnswer(429, "too many requests"),
    DatabaseFailed: INTERNAL_ERROR,
    Exception: INTERNAL_ERROR,
}

ANSWERS: Mapping[type[BaseException], Answer] = {
    **GATEWAY_ANSWERS,
    TooFewFiles: TOO_FEW_FILES,
    ParseError: TOO_FEW_FILES,
    UnsupportedMediaType: TOO_FEW_FILES,
    AudioError: BAD_FILE,
    VoiceprintError: SYSTEM_ERROR,
    QuotaExhausted: QUOTA_EXHAUSTED,
    ConsentMissing: NO_CONSENT,
    OptedOut: OPTED_OUT,
    SpeakerMismatch: OTHER_VOICES,
    SpeakerNotFound: UNKNOWN_ID,
    SpeakerNotEnrolled: UNKNOWN_ID,
    TooManyIds: TOO_MANY_IDS,
    Malformed: BAD_REQUEST,
    SuspiciousOperation: BAD_REQUEST,
    UnreadablePostError: BAD_REQUEST,
    DatabaseFailed: SYSTEM_ERROR,
    Exception: SYSTEM_ERROR,
}
