"""Handing out recordings: addresses that expire, and responses that a player can seek in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control

from tenants.actions import Action
from tenants.auditing import did_already
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.trail import Target, note
from voiceprints import recordings
from voiceprints.errors import JobFileNotFound, RecordingNotFound
from voiceprints.models import Job, Utterance
from voiceprints.targets import speaker_target

CONTENT_TYPE = "audio/flac"
CHUNK_BYTES = 64 * 1024
LISTENING = timedelta(minutes=10)
"""Twice as long as the longest recording."""
ONE_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII)

_signer = TimestampSigner(salt="voiceprints.recording")


def link_token(tenant: Tenant, path: str) -> str:
    """What an address carries so that whoever holds it may fetch this one recording for a while. One URL segment."""
    signed = _signer.sign(f"{tenant.pk}:{path}")
    return f"{tenant.pk}{signed.removeprefix(f'{tenant.pk}:{path}')}"


def tenant_of_link(token: str, path: str) -> Tenant:
    """Who gave out this address. Raises RecordingNotFound when it is forged, has expired, or its tenant is closed."""
    tenant_id, _, signature = token.partition(":")
    try:
        _signer.unsign(f"{tenant_id}:{path}:{signature}", max_age=timedelta(seconds=settings.RECORDING_LINK_SECONDS))
        return Tenant.objects.get(pk=int(tenant_id), active=True)
    except (BadSignature, Tenant.DoesNotExist):
        raise RecordingNotFound(path=path) from None


def recorded_at(tenant: Tenant, path: str) -> Utterance:
    """Raises RecordingNotFound unless somebody in the tenant's libraries said this."""
    with acting_as(tenant):
        utterance = tenant.utterances.filter(recording=path).select_related("speaker__library").first()
    if utterance is None:
        raise RecordingNotFound(path=path)
    return utterance


def handed_out(request: HttpRequest, utterance: Utterance) -> HttpResponseBase:
    """The recording of an utterance, of which the audit trail tells. Raises RecordingNotFound or StorageFailed."""
    response = recording_response(request, str(utterance.recording))
    if response.streaming:
        with acting_as(utterance.tenant):
            _note_heard(utterance, in_parts=response.status_code == HTTPStatus.PARTIAL_CONTENT)
    return response


def _note_heard(utterance: Utterance, *, in_parts: bool) -> None:
    """A player asks for one part after the other, and for some twice: all of it is one listening."""
    if in_parts and _is_listening(utterance):
        return
    speaker = speaker_target(utterance.speaker)
    note(utterance.tenant, Action.RECORDING_FETCHED, speaker, utterance=utterance.pk)


def _is_listening(utterance: Utterance) -> bool:
    """Whether it is in the audit trail already that whoever asks has just begun to hear this recording."""
    speaker, since = speaker_target(utterance.speaker), timezone.now() - LISTENING
    return did_already(utterance.tenant, Action.RECORDING_FETCHED, speaker, since=since, utterance=utterance.pk)


def recording_response(request: HttpRequest, path: str) -> HttpResponseBase:
    """The recording, or the part that `Range` asks for; whether the caller may have it was decided before.

    Without a path there is none: only the embedding came. Raises RecordingNotFound or StorageFailed.
    """
    if not path:
        raise RecordingNotFound(path=path)
    try:
        return _file_response(request, path, CONTENT_TYPE)
    except FileNotFoundError:
        raise RecordingNotFound(path=path) from None


def archive_response(request: HttpRequest, tenant: Tenant, job_id: int, path: str) -> HttpResponseBase:
    """The archive that an export made, or part of it, in the same way. Raises JobFileNotFound or StorageFailed."""
    try:
        response = _file_response(request, path, "application/zip")
    except FileNotFoundError:
        raise JobFileNotFound(job_id=str(job_id)) from None
    if response.streaming:
        note_fetched(tenant, job_id)
    response["Content-Disposition"] = f'attachment; filename="export-{job_id}.zip"'
    return response


def note_fetched(tenant: Tenant, job_id: int) -> None:
    with acting_as(tenant):
        note(tenant, Action.EXPORT_FETCHED, Target("job", job_id, str(Job.Kind.EXPORT)))


def _file_response(request: HttpRequest, path: str, content_type: str) -> HttpResponseBase:
    """Raises FileNotFoundError, StorageFailed."""
    file = recordings.found(path)
    size: int = file.size  # type: ignore[attr-defined]
    etag = f'"{PurePosixPath(path).stem}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        file.close()
        return unchanged
    with recordings.reading(path):
        response = _response(request, file, size, etag, content_type)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    patch_cache_control(response, private=True)
    return response


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both included, as HTTP counts."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class Slice(Iterator[bytes]):
    """Part of an open file, in chunks; closes the file with itself."""

    def __init__(self, file: Any, span: Span) -> None:
        file.seek(span.first)
        self._file = file
        self._left = span.length

    def __next__(self) -> bytes:
        chunk: bytes = self._file.read(min(CHUNK_BYTES, self._left))
        if not chunk:
            raise StopIteration
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()


def requested_span(header: str, size: int) -> Span | None:
    """The bytes a Range header asks for; None when it is absent or not one plain range, which means all of them.

    An empty span stands for a range that the file cannot satisfy.
    """
    match = ONE_RANGE.fullmatch(header)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return Span(max(0, size - int(last)), size - 1)
    if last and int(last) < int(first):
        return None
    return Span(int(first), min(int(last or size), size - 1))


def _response(request: HttpRequest, file: Any, size: int, etag: str, content_type: str) -> HttpResponseBase:
    span = None
    if request.headers.get("If-Range", etag) == etag:
        span = requested_span(request.headers.get("Range", ""), size)
    if span is not None and span.length <= 0:
        file.close()
        return HttpResponse(status=416, content_type=content_type, headers={"Content-Range": f"bytes */{size}"})
    response = _body(request, file, span or Span(0, size - 1), content_type)
    if span is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    return response


def _body(request: HttpRequest, file: Any, span: Span, content_type: str) -> HttpResponseBase:
    headers = {"Content-Length": str(span.length)}
    if request.method == "HEAD":
        file.close()
        return HttpResponse(content_type=content_type, headers=headers)
    return StreamingHttpResponse(Slice(file, span), content_type=content_type, headers=headers)
