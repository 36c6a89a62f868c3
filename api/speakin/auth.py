"""Whose request it is: the gateway's scheme `hmac` in the Authorization header."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from django.utils import timezone
from django.utils.http import parse_http_date_safe
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.protocol import OutsideTimeWindow, refuse_closed_dialect, signing_credential
from api.speakin.errors import HeaderNotSent, NothingToVerify, NotSigned, UnknownAlgorithm, UnreadableAuthorization
from api.speakin.signature import ALGORITHMS, signature, signing_string
from tenants.models import Credential, Tenant

DIALECT = "speakin"
WINDOW_SECONDS = 900
ATTRIBUTE = r'\s*(\w+)\s*=\s*"([^"]*)"\s*'
AUTHORIZATION = re.compile(rf"\s*hmac(?=\s){ATTRIBUTE}(?:,{ATTRIBUTE})*", re.ASCII | re.IGNORECASE)
DATES = ("x-date", "date")
"""The first that is signed says when: where a library writes Date by itself, only x-date is in the client's hands."""


@dataclass(frozen=True)
class Signed:
    """What the Authorization header says, and the headers that it says are signed."""

    key_id: str
    algorithm: str
    headers: tuple[tuple[str, str], ...]
    signature: str

    @classmethod
    def of(cls, request: Request) -> Signed:
        """Raises NotSigned, UnreadableAuthorization, NothingToVerify or HeaderNotSent."""
        attributes = read_attributes(request.headers.get("Authorization"))
        key_id, given = attributes.get("id", ""), attributes.get("signature", "")
        if not (key_id and given):
            raise NothingToVerify
        return cls(
            key_id=key_id,
            algorithm=attributes.get("algorithm", ""),
            headers=tuple((name, header(request, name)) for name in attributes.get("headers", "").split()),
            signature=given,
        )

    def refuse_outside_window(self) -> None:
        dates = {name.lower(): value for name, value in self.headers}
        date = next((dates[name] for name in DATES if name in dates), "")
        seconds = parse_http_date_safe(date)
        if seconds is None or abs(timezone.now().timestamp() - seconds) > WINDOW_SECONDS:
            raise OutsideTimeWindow

    def matches(self, secret: str) -> bool:
        expected = signature(signing_string(self.headers), secret, self.algorithm)
        return hmac.compare_digest(expected.encode(), self.signature.encode())


class HmacAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the credential."""

    def authenticate(self, request: Request) -> tuple[Tenant, Credential]:
        signed = Signed.of(request)
        signed.refuse_outside_window()
        if signed.algorithm not in ALGORITHMS:
            raise UnknownAlgorithm
        credential = signing_credential(signed.key_id, signed.matches)
        refuse_closed_dialect(credential.tenant, DIALECT)
        return credential.tenant, credential


def read_attributes(authorization: str | None) -> dict[str, str]:
    if authorization is None:
        raise NotSigned
    if not AUTHORIZATION.fullmatch(authorization):
        raise UnreadableAuthorization
    pairs = re.findall(ATTRIBUTE, authorization, re.ASCII)
    attributes = dict(pairs)
    if len(attributes) != len(pairs):
        raise UnreadableAuthorization
    return attributes


def header(request: Request, name: str) -> str:
    value = request.headers.get(name)
    if value is None:
        raise HeaderNotSent(name)
    return value.strip()
