"""Idempotency-Key: a request that is sent again is answered again, and done once.

What a request does and its answer are stored in one transaction where the operation allows it. Who repeats a request
that is under way is told so; a process that dies in between loses its hold at once, because the hold is a lock of its
connection.
"""

from __future__ import annotations

import hashlib
import logging
import re
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.utils.http import parse_header_parameters
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import Malformed
from api.native.models import KeptAnswer
from tenants.cleaning import delete_rows
from tenants.context import acting_as
from tenants.models import AccessToken, Tenant

logger = logging.getLogger(__name__)

KEY, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
FIT_KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_HEADERS = ("Location", "ETag", "Cache-Control", "Preference-Applied", "Allow", "Accept")
# The other half of the advisory lock's name, so that it meets nobody else's.
LOCKS = 0x1DE7
CHUNK_BYTES = 64 * 1024
TRIES_TO_HOLD = 5


class KeyInUse(Exception):
    """The first request with this key is still under way."""


class KeyReused(Exception):
    """The key belongs to another request."""


class Replay(Exception):
    """Not a failure: the answer is known already."""

    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer
        super().__init__("the answer is known already")


class HashedBody:
    """The body of a request on its way in, and the digest of what has passed.

    The boundary of a form does not count: clients make up another each time they send the same.
    """

    def __init__(self, stream: IO[bytes], boundary: bytes) -> None:
        self._stream, self._boundary = stream, boundary
        self._digest = hashlib.sha256()
        self._tail = b""

    def read(self, *size: int) -> bytes:
        return self._passed(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._passed(self._stream.readline(*size))

    def hexdigest(self) -> str:
        whole = self._digest.copy()
        whole.update(self._tail)
        return whole.hexdigest()

    def _passed(self, content: bytes) -> bytes:
        if not self._boundary:
            self._digest.update(content)
            return content
        *before, last = (self._tail + content).split(self._boundary)
        for part in before:
            self._digest.update(part + b"\0")
        # The beginning of a boundary may be all that has come of it so far.
        keep = min(len(last), len(self._boundary) - 1)
        self._digest.update(last[: len(last) - keep])
        self._tail = last[len(last) - keep :]
        return content


class Keeper:
    """One request with a key, which this process alone has in hand until `let_go`."""

    def __init__(self, request: Request, tenant: Tenant, row: KeptAnswer) -> None:
        self._request, self._tenant, self._row = request._request, tenant, row
        self._body = hashed(self._request)

    def hear_out(self) -> None:
        """Read what is left of the body, so that nobody waits for a client inside a transaction."""
        while self._request.read(CHUNK_BYTES):
            pass

    def keep(self, answer: Response) -> None:
        """In the caller's transaction, if there is one."""
        self.hear_out()
        content = b"" if answer.data is None else JSONRenderer().render(answer.data)
        headers = {name: answer[name] for name in KEPT_HEADERS if answer.has_header(name)}
        if content:
            headers["Content-Type"] = answer.content_type or JSONRenderer.media_type
        with acting_as(self._tenant):
            self._tenant.kept_answers.filter(pk=self._row.pk, status=None).update(
                fingerprint=fingerprint(self._request, self._body),
                status=answer.status_code,
                headers=headers,
                body=content,
            )

    def settle(self, answer: Response) -> None:
        """The answer is final: keep it, unless it was kept with what was done or tells to try again."""
        try:
            if answer.status_code >= 500 or answer.status_code == 429:
                self.forget()
            else:
                self.keep(answer)
        except (DatabaseFailed, UnreadablePostError) as error:
            logger.warning("an answer was not kept: %s", type(error).__name__)

    def forget(self) -> None:
        with acting_as(self._tenant):
            self._tenant.kept_answers.filter(pk=self._row.pk, status=None).delete()

    def let_go(self) -> None:
        _let_go(self._row)


def keeper_of(request: Request, tenant: Tenant, token: AccessToken) -> Keeper | None:
    """None for a request without a key. Raises Malformed, KeyInUse, KeyReused, or Replay with the answer."""
    key = request.headers.get(KEY)
    if key is None:
        return None
    if not FIT_KEY.fullmatch(key):
        raise Malformed(f"{KEY} must have 1 to 255 visible ASCII characters")
    for _ in range(TRIES_TO_HOLD):
        row = _row_of(tenant, token, key)
        if row is None:
            # Somebody let it go this moment.
            continue
        if row.status is not None:
            raise _replay(request, row)
        if not _lock(row.pk):
            raise KeyInUse
        if _is_open(tenant, row):
            return Keeper(request, tenant, row)
        _unlock(row.pk)
    raise KeyInUse


def _is_open(tenant: Tenant, row: KeptAnswer) -> bool:
    """Between our look and the lock somebody may have answered it or let it go."""
    try:
        with acting_as(tenant):
            return tenant.kept_answers.filter(pk=row.pk, status=None).exists()
    except BaseException:
        # The connection, and with it the lock, outlives the request.
        _let_go(row)
        raise


def _let_go(row: KeptAnswer) -> None:
    try:
        _unlock(row.pk)
    except DatabaseFailed:
        # The lock went with the connection.
        logger.warning("a key was let go by the database")


def sweep() -> int:
    """Forget answers that were kept long enough; returns how many."""
    return sum(delete_rows(KeptAnswer.all_tenants.filter(expires__lte=timezone.now())))


def hashed(request: HttpRequest) -> HashedBody:
    """Whoever reads the body from here on, it is hashed."""
    _, parameters = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    body = HashedBody(request._stream, parameters.get("boundary", "").encode())
    request._stream = body  # type: ignore[assignment]
    return body


def fingerprint(request: HttpRequest, body: HashedBody) -> str:
    kind, _ = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    asked = [request.method or "", request.get_full_path(), kind, request.headers.get("Prefer", ""), body.hexdigest()]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _row_of(tenant: Tenant, token: AccessToken, key: str) -> KeptAnswer | None:
    """The row of this key, made when there is none or only an expired one; None when it went while we looked."""
    named = tenant.kept_answers.filter(token=token, key=key)
    now = timezone.now()
    with acting_as(tenant):
        named.filter(expires__lte=now).delete()
        expires = now + timedelta(seconds=settings.ANSWERS_KEPT_SECONDS)
        fresh = KeptAnswer(tenant=tenant, token=token, key=key, expires=expires)
        tenant.kept_answers.bulk_create([fresh], ignore_conflicts=True)
        return named.first()


def _replay(request: Request, row: KeptAnswer) -> Exception:
    body = hashed(request._request)
    while request._request.read(CHUNK_BYTES):
        pass
    if fingerprint(request._request, body) != row.fingerprint:
        return KeyReused()
    answer = HttpResponse(bytes(row.body), status=row.status)
    del answer["Content-Type"]
    for name, value in (row.headers | {REPLAYED: "true"}).items():
        answer[name] = value
    return Replay(answer)


def _lock(number: int) -> bool:
    return bool(_asked("SELECT pg_try_advisory_lock(%s, %s)", number))


def _unlock(number: int) -> None:
    _asked("SELECT pg_advisory_unlock(%s, %s)", number)


def _asked(question: str, number: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question, [LOCKS, number % 2**31])
        return cursor.fetchone()[0]
