"""What a client of this dialect is told, by what went wrong: the vendor's error table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed, ParseError, UnsupportedMediaType

from api.bodies import Malformed, Unacceptable
from api.protocol import AccessRefused, TenantClosed, UnknownPath, described
from audio.download import DownloadError
from audio.errors import AudioError, Undecodable
from tenants.rates import RateLimited
from voiceprints.errors import (
    AnalysisTimedOut,
    ConsentMissing,
    EngineFailed,
    EngineUnreachable,
    LibraryNotFound,
    OptedOut,
    QuotaExhausted,
    RecordingNotFound,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    StorageFailed,
    TooBusy,
)


class NotHttpUrl(Exception):
    """`audio` came as text, but not as an http(s) address."""


def nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class Answer:
    code: str
    message: str
    detail: Callable[[Any], str] = nothing
    http_status: int = 200

    def message_for(self, error: Exception) -> str:
        detail = self.detail(error)
        return f"{self.message}: {detail}" if detail else self.message


SUCCESS = Answer("0", "success")
ILLEGAL_ACCESS = Answer("10105", "illegal access")
INVALID_PARAMETER = Answer("10106", "invalid parameter", str)
ILLEGAL_PARAMETER = Answer("10107", "illegal parameter", str)
ILLEGAL_RECORDING = replace(ILLEGAL_PARAMETER, detail=described)
NO_LICENSE = Answer("10110", "no license")
NOT_HTTP_URL = Answer("10109", "audio url is not valid http(s) url")
DOWNLOAD_FAILED = Answer("10111", "HTTP异常", described)
ENGINE_ERROR = Answer("10700", "engine error")
UNDECODABLE = Answer("10701", "Audio encode error, only support pcm, aac, mpeg2, opus and flac")
OVER_LIMIT = Answer("10800", "over max connect limit", str)
COMPONENT_ERROR = Answer("16003", "basic component error")

ANSWERS: dict[type[BaseException], Answer] = {
    AccessRefused: ILLEGAL_ACCESS,
    TenantClosed: NO_LICENSE,
    RateLimited: OVER_LIMIT,
    Malformed: INVALID_PARAMETER,
    ParseError: replace(INVALID_PARAMETER, detail=lambda _: "unreadable body"),
    UnsupportedMediaType: replace(INVALID_PARAMETER, detail=lambda _: "Content-Type"),
    SuspiciousOperation: replace(INVALID_PARAMETER, detail=lambda _: "too much in one request"),
    UnreadablePostError: replace(INVALID_PARAMETER, detail=lambda _: "the body ended early"),
    UnknownPath: replace(INVALID_PARAMETER, http_status=404),
    RecordingNotFound: replace(INVALID_PARAMETER, detail=nothing, http_status=404),
    MethodNotAllowed: replace(INVALID_PARAMETER, detail=lambda _: "method", http_status=405),
    Unacceptable: ILLEGAL_PARAMETER,
    ConsentMissing: ILLEGAL_PARAMETER,
    OptedOut: ILLEGAL_PARAMETER,
    SpeakerExists: ILLEGAL_PARAMETER,
    SpeakerMismatch: replace(ILLEGAL_PARAMETER, detail=lambda _: "the voice is not that of the earlier recordings"),
    SpeakerNotFound: ILLEGAL_PARAMETER,
    SpeakerNotEnrolled: ILLEGAL_PARAMETER,
    LibraryNotFound: ILLEGAL_PARAMETER,
    NotHttpUrl: NOT_HTTP_URL,
    DownloadError: DOWNLOAD_FAILED,
    Undecodable: UNDECODABLE,
    AudioError: ILLEGAL_RECORDING,
    QuotaExhausted: OVER_LIMIT,
    TooBusy: OVER_LIMIT,
    AnalysisTimedOut: OVER_LIMIT,
    EngineFailed: ENGINE_ERROR,
    EngineUnreachable: ENGINE_ERROR,
    StorageFailed: COMPONENT_ERROR,
    DatabaseFailed: COMPONENT_ERROR,
    Exception: COMPONENT_ERROR,
}

# A player that fetches a recording looks at the HTTP status and nothing else.
RECORDING_ANSWERS = ANSWERS | {
    AccessRefused: replace(ILLEGAL_ACCESS, http_status=403),
    TenantClosed: replace(NO_LICENSE, http_status=403),
    StorageFailed: replace(COMPONENT_ERROR, http_status=503),
    DatabaseFailed: replace(COMPONENT_ERROR, http_status=503),
    Exception: replace(COMPONENT_ERROR, http_status=503),
}
