"""What a client sent: bodies whole or in chunks, JSON and forms, each within a limit, and what is wrong with them."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any, NoReturn

from django.conf import settings
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, QueryDict, UnreadablePostError
from rest_framework.request import Request

from audio.errors import TooLarge

DRAIN_BYTES = 1024 * 1024 * 1024
DRAIN_SECONDS = 10.0
DRAIN_STALLED_SECONDS = 1.0
DRAIN_CHUNK_BYTES = 8 * 1024
FIT_LENGTH = re.compile(r"[0-9]{1,18}")
UNCHUNKED_BODY = "openvpr.unchunked_body"


class Malformed(Exception):
    """Something required is missing, or has not the form it must have. The text names what."""


class NotJson(Malformed):
    """The body should be a JSON object and is none."""


class NotUtf8(NotJson):
    """The body is no text at all."""


class Unacceptable(Exception):
    """Well-formed, but not a value we take. The text names what."""


def sent_form(request: Request) -> QueryDict:
    """Fields and files of a form body, empty without one."""
    try:
        sent = request.data
    except LookupError:
        raise Malformed("a part names an encoding that does not exist") from None
    return sent if isinstance(sent, QueryDict) else QueryDict()


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body, whatever content type it claims. Raises NotUtf8, NotJson, TooLarge."""
    try:
        text = raw_body(request).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotUtf8("the body is not UTF-8") from None
    try:
        sent = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotJson("the body is not JSON") from None
    if not isinstance(sent, dict):
        raise NotJson("the body is not a JSON object")
    return sent


def _no_number(constant: str) -> NoReturn:
    """NaN and Infinity, which Python would read and JSON does not know."""
    raise ValueError(constant)


def raw_body(request: Request, *, limit_bytes: int | None = None) -> bytes:
    """All of the body, also one sent in chunks without a length, as often as asked for.

    Raises TooLarge, Malformed for a length that is no number, or UnreadablePostError for a body that ended early.
    """
    http, limit = request._request, settings.MAX_UPLOAD_BYTES if limit_bytes is None else limit_bytes
    if declared_bytes(http) > limit:
        raise TooLarge(size_bytes=declared_bytes(http), limit_bytes=limit)
    content = _unchunked_body(http, limit + 1) if is_chunked(http) else http.body
    if len(content) < declared_bytes(http):
        raise UnreadablePostError("the body ended early")
    if len(content) > limit:
        raise TooLarge(size_bytes=len(content), limit_bytes=limit)
    return content


def _unchunked_body(http: HttpRequest, most_bytes: int) -> bytes:
    """Django takes a request without a length for one without a body, so neither reads nor keeps this one."""
    if UNCHUNKED_BODY not in http.META:
        try:
            http.META[UNCHUNKED_BODY] = LimitedStream(http.META["wsgi.input"], most_bytes).read()
        except OSError as error:
            raise UnreadablePostError(*error.args) from error
    content: bytes = http.META[UNCHUNKED_BODY]
    return content


def refuse_unreadable_body(
    request: HttpRequest, *, limit_bytes: int | None = None, accepts_chunks: bool = False
) -> None:
    """Judge the body by its head, before a byte of it is read. Raises TooLarge or Malformed."""
    limit = settings.MAX_UPLOAD_BYTES if limit_bytes is None else limit_bytes
    if declared_bytes(request) > limit:
        raise TooLarge(size_bytes=declared_bytes(request), limit_bytes=limit)
    if is_chunked(request) and not accepts_chunks:
        raise Malformed("a body needs a Content-Length")


def is_chunked(request: HttpRequest) -> bool:
    """Sent in chunks, without telling how much there will be."""
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    return chunked and request.META.get("CONTENT_LENGTH") in {None, "", "0"}


def declared_bytes(request: HttpRequest) -> int:
    """Raises Malformed for a length that is no number."""
    declared = str(request.META.get("CONTENT_LENGTH") or "0")
    if not FIT_LENGTH.fullmatch(declared):
        raise Malformed("Content-Length")
    return int(declared)


def drain(request: HttpRequest) -> None:
    """Read what is left of the body, within reason: a client in the middle of sending would not see our answer.

    One that has stopped sending gets its answer at once.
    """
    gives_up = time.monotonic() + DRAIN_SECONDS
    left = DRAIN_BYTES
    with _impatient(request.META.get("gunicorn.socket")):
        try:
            while left > 0 and time.monotonic() < gives_up:
                chunk = request.read(DRAIN_CHUNK_BYTES)
                if not chunk:
                    return
                left -= len(chunk)
        except UnreadablePostError:
            return


@contextmanager
def _impatient(sock: socket | None) -> Iterator[None]:
    """Nothing that is read meanwhile waits long. Other servers than gunicorn hand out no socket."""
    if sock is None:
        yield
        return
    usual = sock.gettimeout()
    sock.settimeout(DRAIN_STALLED_SECONDS)
    try:
        yield
    finally:
        sock.settimeout(usual)


def is_clean(text: str) -> bool:
    """Neither control characters nor halves of characters, which no database stores and no log should show."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
