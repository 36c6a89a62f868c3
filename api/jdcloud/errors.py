"""What a client of this dialect is told, by what went wrong: the vendor's error tables."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed

from api.bodies import Malformed, Unacceptable
from api.protocol import (
    AccessRefused,
    DialectClosed,
    KeyDisabled,
    OutsideTimeWindow,
    TenantClosed,
    UnknownKey,
    UnknownPath,
)
from audio.errors import (
    AudioError,
    Damaged,
    NotEnoughSpeech,
    PoorQuality,
    TooLarge,
    TooLong,
    TooShort,
    Undecodable,
    UnexpectedContainer,
    UnexpectedLayout,
)
from tenants.rates import DayExhausted, RateLimited
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


class AppkeyMissing(AccessRefused):
    pass


class TimestampMissing(AccessRefused):
    pass


class SignMissing(AccessRefused):
    pass


class NotMilliseconds(AccessRefused):
    """The timestamp of a NeuHub sign is no number."""


class UserIdTooLong(Unacceptable):
    pass


class UnknownMode(Unacceptable):
    """`vpr_mode` is neither enroll nor test."""


class UnknownFormat(Unacceptable):
    """`encode.format` is none of the three."""


class UnknownLayout(Unacceptable):
    """`encode` declares another sample rate or number of channels than the one there is."""


class NotTheNextPacket(Exception):
    """A packet of an utterance that is over, was never begun, or expects another packet."""


class SpeakerTaken(Exception):
    """Another utterance of the same speaker is under way."""


class NothingSaid(Exception):
    """An utterance, or the first packet of one, without a single byte."""


@dataclass(frozen=True)
class Business:
    """Inside `result`; `text` is the single entry of its array, "" for an empty array."""

    status: int
    message: str
    text: str = ""


@dataclass(frozen=True)
class System:
    """The outer `code`, for who signed with appkey, timestamp and sign."""

    code: str
    msg: str


@dataclass(frozen=True)
class Gateway:
    """For who signed with Authorization, or not at all."""

    http_status: int
    name: str
    text: str


INTERNAL = Gateway(500, "INTERNAL", "内部错误")
QUOTA_EXCEEDED = Gateway(429, "QUOTA_EXCEEDED", "配额不足")


@dataclass(frozen=True)
class Answer:
    """One failure. `business` is for who has proved who it is; of the others the one of its way to sign."""

    business: Business | None = None
    system: System | None = None
    gateway: Gateway | None = None

    def to_caller(self, *, known: bool, by_sign: bool) -> Business | System | Gateway:
        outside = self.system if by_sign and self.system else self.gateway
        if self.business and (known or outside is None):
            return self.business
        return outside or INTERNAL


def business(status: int, message: str, text: str = "") -> Answer:
    return Answer(business=Business(status, message, text))


def unauthenticated(code: str, msg: str) -> Answer:
    return Answer(system=System(code, msg), gateway=Gateway(401, "UNAUTHENTICATED", "认证失败"))


def forbidden(code: str, msg: str) -> Answer:
    return Answer(system=System(code, msg), gateway=Gateway(403, "HTTP_FORBIDDEN", "认证失败"))


NORMAL = System("10000", "查询成功")
BUSY = System("10020", "系统繁忙，请稍后再试")

BAD_PARAMETERS = business(61003, "request params error.")
TOO_LONG = business(61002, "speech data is too long.")
TOO_SHORT = business(63003, "vpr audio too short.")
WRONG_FORMAT = business(61006, "speech format error.")
WRONG_LAYOUT = business(61005, "speech sample rate or channel error.")
CODEC_ERROR = business(62001, "codec error.")
OTHER_ERROR = Answer(
    business=Business(63005, "vpr other error."),
    system=System("11010", "发布方接口调用异常，请稍后再试"),
    gateway=INTERNAL,
)

ANSWERS: dict[type[BaseException], Answer] = {
    # Who asks.
    AccessRefused: unauthenticated("10047", "请求签名sign无效，请检查签名信息"),
    UnknownKey: unauthenticated("10001", "错误的请求appkey"),
    AppkeyMissing: unauthenticated("10004", "URL上appkey参数不能为空"),
    TimestampMissing: unauthenticated("10041", "URL上timestamp参数不能为空"),
    SignMissing: unauthenticated("10042", "URL上sign参数不能为空"),
    OutsideTimeWindow: unauthenticated("10045", "timestamp参数无效，请检查timestamp距离当前时间是否超过5分钟"),
    NotMilliseconds: unauthenticated("10046", "timestamp参数格式错误"),
    KeyDisabled: forbidden("10050", "用户已被禁用"),
    TenantClosed: forbidden("10050", "用户已被禁用"),
    DialectClosed: forbidden("10048", "无接口权限，请下单购买"),
    # Where, and how often.
    UnknownPath: Answer(gateway=Gateway(404, "NOT_FOUND", "找不到 resource")),
    MethodNotAllowed: Answer(gateway=Gateway(501, "NOT_IMPLEMENTED", "目前不支持 method")),
    RateLimited: Answer(
        system=System("10043", "超过QPS限额，请降低调用频率或与京东云联系"),
        gateway=Gateway(429, "RATE_LIMIT_EXCEEDED", "请求过频繁"),
    ),
    DayExhausted: Answer(system=System("10040", "超过每天限量，请明天继续"), gateway=QUOTA_EXCEEDED),
    QuotaExhausted: Answer(system=System("10010", "接口需要付费，请充值"), gateway=QUOTA_EXCEEDED),
    TooBusy: Answer(system=BUSY, gateway=Gateway(503, "UNAVAILABLE", "服务不可用")),
    AnalysisTimedOut: Answer(system=BUSY, gateway=Gateway(504, "DEADLINE_EXCEEDED", "超时")),
    # What is asked.
    Malformed: BAD_PARAMETERS,
    SuspiciousOperation: BAD_PARAMETERS,
    UnreadablePostError: BAD_PARAMETERS,
    UserIdTooLong: business(63001, "vpr userid too long."),
    UnknownMode: business(63002, "vpr mode error."),
    UnknownFormat: WRONG_FORMAT,
    UnknownLayout: WRONG_LAYOUT,
    NotTheNextPacket: business(63009, "vpr reqid is invalidation."),
    SpeakerTaken: business(63007, "vpr other request enrolling or testing this userid."),
    NothingSaid: business(61001, "speech data is empty."),
    # Who is meant.
    SpeakerNotFound: business(63004, "vpr not enrolled.", "not_enrolled"),
    ConsentMissing: business(63005, "vpr other error."),
    OptedOut: business(63005, "vpr other error."),
    SpeakerNotEnrolled: business(0, "", "enrolling"),
    # What is heard.
    SpeakerMismatch: OTHER_ERROR,
    TooLarge: TOO_LONG,
    TooLong: TOO_LONG,
    TooShort: TOO_SHORT,
    NotEnoughSpeech: TOO_SHORT,
    PoorQuality: TOO_SHORT,
    Undecodable: business(61004, "speech data file header error."),
    UnexpectedLayout: WRONG_LAYOUT,
    UnexpectedContainer: WRONG_FORMAT,
    Damaged: CODEC_ERROR,
    AudioError: CODEC_ERROR,
    # What failed of ours.
    EngineFailed: business(62002, "am server internal error."),
    EngineUnreachable: business(62003, "connect to decoder server error."),
    LibraryNotFound: OTHER_ERROR,
    StorageFailed: OTHER_ERROR,
    DatabaseFailed: OTHER_ERROR,
    Exception: OTHER_ERROR,
}
