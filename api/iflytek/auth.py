"""Whose request it is: everything stands in the query, nothing in the headers."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.iflytek.errors import ForeignApplication, NoAuthorization
from api.iflytek.signature import signature
from api.protocol import AccessRefused, OutsideTimeWindow, signing_credential
from tenants.models import Credential, Tenant

WINDOW_SECONDS = 300
ALGORITHM = "hmac-sha256"
ATTRIBUTE = re.compile(r'\b(\w{1,32})\s{0,8}=\s{0,8}"([^"]*)"', re.ASCII)
RFC_1123 = re.compile(r"[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)", re.ASCII)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Signed:
    """`host`, `date` and `path` are the text that was signed; the HTTP Host header never is."""

    key_id: str
    signature: str
    host: str
    date: str
    path: str

    @classmethod
    def of(cls, request: Request) -> Signed:
        """Raises NoAuthorization, or AccessRefused for what cannot be read."""
        sent = query(request)
        if not sent.get("authorization"):
            raise NoAuthorization
        attributes = attributes_of(sent["authorization"])
        if not (sent.get("host") and sent.get("date")):
            raise AccessRefused
        return cls(
            key_id=attributes["api_key"],
            signature=attributes["signature"],
            host=sent["host"],
            date=sent["date"],
            path=request.path,
        )

    def refuse_outside_window(self) -> None:
        seconds = (timezone.now() - moment(self.date)).total_seconds()
        if abs(seconds) > WINDOW_SECONDS:
            raise OutsideTimeWindow

    def matches(self, secret: str) -> bool:
        expected = signature(self.host, self.date, self.path, secret)
        return hmac.compare_digest(expected.encode(), self.signature.encode())


class SignatureAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the credential."""

    def authenticate(self, request: Request) -> tuple[Tenant, Credential]:
        signed = Signed.of(request)
        signed.refuse_outside_window()
        credential = signing_credential(signed.key_id, signed.matches)
        return credential.tenant, credential


def refuse_foreign_application(tenant: Tenant, app_id: str) -> None:
    if app_id != tenant.app_id:
        raise ForeignApplication


def query(request: Request) -> dict[str, str]:
    """The parameters with one character per byte: the host and the date count as they were sent."""
    return dict(parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True, encoding="latin-1"))


def attributes_of(authorization: str) -> dict[str, str]:
    """Of the decoded `api_key="…", algorithm="…", headers="…", signature="…"`, in any order. Raises AccessRefused."""
    try:
        # A client that did not URL-encode its "+" sent a space.
        origin = base64.b64decode(authorization.replace(" ", "+"), validate=True)
    except ValueError:
        raise AccessRefused from None
    attributes = dict(ATTRIBUTE.findall(origin.decode("latin-1")))
    if not {"api_key", "signature"} <= attributes.keys() or attributes.get("algorithm", ALGORITHM) != ALGORITHM:
        raise AccessRefused
    return attributes


def moment(date: str) -> datetime:
    """Raises AccessRefused for what is no RFC 1123 date in GMT."""
    found = RFC_1123.fullmatch(date)
    if not found:
        raise AccessRefused
    day, month, year, hour, minute, second = found.groups()
    try:
        return datetime(int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        raise AccessRefused from None
