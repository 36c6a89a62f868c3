"""What a client of our own API is told, by what went wrong: problem details of RFC 9457."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailed
from django.http import UnreadablePostError
from rest_framework.exceptions import (
    MethodNotAllowed,
    NotAcceptable,
    ParseError,
    UnsupportedMediaType,
    ValidationError,
)

from api.bodies import Malformed, Unacceptable
from api.native.auth import InsufficientScope, NoToken, UnusableToken
from api.native.idempotency import KeyInUse, KeyReused
from api.native.wire import flattened
from api.protocol import AccessRefused, DialectClosed, TenantClosed, UnknownPath
from audio.errors import (
    AudioError,
    Damaged,
    NotEnoughSpeech,
    PoorQuality,
    TooExpensive,
    TooLarge,
    TooLong,
    TooShort,
    Undecodable,
    Unrecognised,
)
from tenants.rates import DayExhausted, RateLimited
from voiceprints.errors import (
    AnalysisTimedOut,
    ArchiveRefused,
    ConsentMissing,
    EmbeddingUnfinished,
    EngineFailed,
    EngineUnreachable,
    ErasureNotFound,
    ErasureUnfinished,
    FileMissing,
    GenerationNotFound,
    JobAbandoned,
    JobFileNotFound,
    JobFinished,
    JobNotFound,
    JobUnderWay,
    LibraryExists,
    LibraryNotFound,
    ManifestRefused,
    ModelUnusable,
    NothingToRetry,
    OptedOut,
    OptOutNotFound,
    Outdated,
    RecordingNotFound,
    RowRefused,
    SpeakerExists,
    SpeakerMismatch,
    SpeakerNotEnrolled,
    SpeakerNotFound,
    SpeakersExhausted,
    SpeakersExist,
    StorageExhausted,
    StorageFailed,
    SubjectErased,
    TooBusy,
    TooManyAtOnce,
    UploadsGone,
    UtteranceNotFound,
)

REALM = 'Bearer realm="openvpr"'
SOON_SECONDS = "1"

Members = Callable[[Any], Mapping[str, Any]]
Headers = Callable[[Any], Mapping[str, str]]


def numbers(error: Any) -> Mapping[str, Any]:
    """What the error carries."""
    return error.numbers if isinstance(error, AudioError) else vars(error)


def nothing(_: Any) -> Mapping[str, Any]:
    return {}


def each_error(error: ValidationError) -> Mapping[str, Any]:
    """Members of a body are named by JSON pointers, parameters of a query by their names."""
    found = flattened(error.detail)
    if getattr(error, "in_query", False):
        return {"errors": [{"parameter": at.removeprefix("/"), "detail": str(text)} for at, text in found]}
    return {"errors": [{"pointer": at, "detail": str(text)} for at, text in found]}


def soon(_: Any) -> Mapping[str, str]:
    return {"Retry-After": SOON_SECONDS}


def when_to_retry(error: RateLimited) -> Mapping[str, str]:
    return {"Retry-After": str(error.retry_after_seconds)}


@dataclass(frozen=True)
class Problem:
    name: str
    status: int
    title: str
    detail: Callable[[Any], str] = str
    members: Members = nothing
    headers: Headers = nothing

    def as_members(self, error: Any) -> dict[str, Any]:
        """The members that do not depend on the request."""
        said = {**self.members(error), "type": self.type, "title": self.title, "status": self.status}
        detail = self.detail(error)
        return said | ({"detail": detail} if detail else {})

    @property
    def type(self) -> str:
        return f"urn:openvpr:problem:{self.name}"


def unspoken(_: Any) -> str:
    return ""


UNREADABLE = Problem("malformed-request", 400, "The request cannot be read")
UNAUTHORIZED = Problem(
    "unauthorized", 401, "A bearer token is needed", unspoken, headers=lambda _: {"WWW-Authenticate": REALM}
)
UNPROCESSABLE_AUDIO = Problem("unusable-audio", 422, "The recording cannot be used", members=numbers)
UNAVAILABLE = Problem("unavailable", 503, "The platform cannot do this at the moment", unspoken, headers=soon)

ANSWERS: dict[type[BaseException], Problem] = {
    AccessRefused: UNAUTHORIZED,
    NoToken: UNAUTHORIZED,
    UnusableToken: Problem(
        "invalid-token",
        401,
        "The bearer token is unknown, switched off or expired",
        unspoken,
        headers=lambda _: {"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
    ),
    InsufficientScope: Problem(
        "insufficient-scope",
        403,
        "The token does not allow this",
        members=numbers,
        headers=lambda error: {
            "WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{error.required_scope}"'
        },
    ),
    TenantClosed: Problem("tenant-closed", 403, "The tenant is not active", unspoken),
    DialectClosed: Problem("api-closed", 403, "The tenant does not use this API", unspoken),
    Malformed: UNREADABLE,
    ParseError: UNREADABLE,
    UnreadablePostError: Problem("malformed-request", 400, UNREADABLE.title, lambda _: "the body ended early"),
    SuspiciousOperation: Problem("malformed-request", 400, UNREADABLE.title, lambda _: "too much in one request"),
    UnknownPath: Problem("not-found", 404, "Nothing is served here", unspoken),
    LibraryNotFound: Problem("library-not-found", 404, "No such library", members=numbers),
    SpeakerNotFound: Problem("speaker-not-found", 404, "No such speaker", members=numbers),
    UtteranceNotFound: Problem("utterance-not-found", 404, "No such utterance", members=numbers),
    JobNotFound: Problem("job-not-found", 404, "No such job", members=numbers),
    JobFileNotFound: Problem("job-file-not-found", 404, "The job has no file, or has none any more", members=numbers),
    ErasureNotFound: Problem("erasure-not-found", 404, "No such erasure", members=numbers),
    RecordingNotFound: Problem("recording-not-found", 404, "No such recording", unspoken),
    MethodNotAllowed: Problem("method-not-allowed", 405, "Not done here"),
    NotAcceptable: Problem("not-acceptable", 406, "No representation that the client accepts", unspoken),
    LibraryExists: Problem("library-exists", 409, "The library exists already", members=numbers),
    SpeakerExists: Problem("speaker-exists", 409, "The speaker is enrolled already", members=numbers),
    SpeakersExist: Problem("speakers-exist", 409, "Speakers of these names are there already", members=numbers),
    SpeakerMismatch: Problem(
        "speaker-mismatch", 409, "The voice is not that of the speaker's earlier recordings", members=numbers
    ),
    SpeakerNotEnrolled: Problem("speaker-not-enrolled", 409, "The speaker is still enrolling", members=numbers),
    JobFinished: Problem("job-finished", 409, "The job is over", members=numbers),
    JobUnderWay: Problem("job-under-way", 409, "The job is not over", members=numbers),
    NothingToRetry: Problem("nothing-to-retry", 409, "Nothing of the job failed", members=numbers),
    UploadsGone: Problem("uploads-gone", 409, "What was uploaded for the job is gone", members=numbers),
    ErasureUnfinished: Problem("erasure-unfinished", 409, "The erasure is not done yet", members=numbers, headers=soon),
    KeyInUse: Problem(
        "idempotency-key-in-use", 409, "The first request with this key is still under way", unspoken, headers=soon
    ),
    ConsentMissing: Problem(
        "consent-missing", 403, "The tenant enrolls nobody without a reference to their consent", unspoken
    ),
    OptedOut: Problem("opted-out", 403, "The speaker does not want to be enrolled"),
    OptOutNotFound: Problem("opt-out-not-found", 404, "No such opt-out", unspoken),
    Outdated: Problem("precondition-failed", 412, "It has changed since it was read", unspoken),
    TooLarge: Problem("too-large", 413, "The body or a recording in it is too large", members=numbers),
    UnsupportedMediaType: Problem(
        "unsupported-media-type",
        415,
        "The body is in a format not taken here",
        lambda _: "send application/json or multipart/form-data",
        headers=lambda _: {"Accept": "application/json, multipart/form-data"},
    ),
    ValidationError: Problem(
        "invalid-request", 422, "A field or parameter is not as it must be", unspoken, members=each_error
    ),
    Unacceptable: Problem("invalid-request", 422, "A field or parameter is not as it must be"),
    KeyReused: Problem("idempotency-key-reused", 422, "The key was used for another request", unspoken),
    ArchiveRefused: Problem("archive-refused", 422, "The archive cannot be used", members=numbers),
    ManifestRefused: Problem("manifest-refused", 422, "The list of speakers cannot be used", members=numbers),
    RowRefused: Problem("row-refused", 422, "The line cannot be used", members=numbers),
    FileMissing: Problem("file-missing", 422, "A recording is not where the line says", members=numbers),
    ModelUnusable: Problem("model-unusable", 500, "The workers cannot use the speaker model", unspoken),
    EmbeddingUnfinished: Problem(
        "embedding-unfinished", 500, "Some recordings could not be embedded for now", members=numbers
    ),
    GenerationNotFound: Problem("generation-not-found", 409, "The tenant has no such model any more", members=numbers),
    JobAbandoned: Problem("job-abandoned", 500, "The job went down with its worker time and again", members=numbers),
    SubjectErased: Problem("subject-erased", 409, "Somebody was erased whom an upload of the job names or may name"),
    AudioError: UNPROCESSABLE_AUDIO,
    Undecodable: Problem("undecodable-audio", 422, "No audio can be read from the recording", members=numbers),
    Unrecognised: Problem("unrecognised-audio", 422, "The recording is in no format that we know", members=numbers),
    Damaged: Problem("damaged-audio", 422, "The recording breaks off or is damaged", members=numbers),
    TooShort: Problem("too-short", 422, "The recording is too short", members=numbers),
    TooLong: Problem("too-long", 422, "The recording is too long", members=numbers),
    TooExpensive: Problem("too-expensive", 422, "Decoding the recording takes too much work", members=numbers),
    NotEnoughSpeech: Problem("not-enough-speech", 422, "Too little speech in the recording", members=numbers),
    PoorQuality: Problem("poor-quality", 422, "The speech is too damaged to recognise anybody", members=numbers),
    RateLimited: Problem(
        "rate-limited",
        429,
        "The tenant asks too often",
        unspoken,
        headers=when_to_retry,
    ),
    DayExhausted: Problem(
        "day-exhausted", 429, "The tenant has asked as often as it may today", unspoken, headers=when_to_retry
    ),
    TooManyAtOnce: Problem(
        "too-many-at-once",
        429,
        "As many of the tenant's recordings as may be are being measured",
        members=numbers,
        headers=soon,
    ),
    SpeakersExhausted: Problem("speakers-exhausted", 403, "The tenant has as many speakers as it may", members=numbers),
    StorageExhausted: Problem(
        "storage-exhausted", 403, "The tenant has no room for another recording", members=numbers
    ),
    TooBusy: Problem("too-busy", 503, "Too many recordings are being measured", members=numbers, headers=soon),
    AnalysisTimedOut: Problem(
        "timed-out", 503, "The recording was not measured in time", members=numbers, headers=soon
    ),
    EngineFailed: UNAVAILABLE,
    EngineUnreachable: UNAVAILABLE,
    StorageFailed: UNAVAILABLE,
    DatabaseFailed: UNAVAILABLE,
    Exception: Problem("internal-error", 500, "Something broke here, and was logged", unspoken),
}
