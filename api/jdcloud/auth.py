"""Whose request it is, by either of two signatures; the one found in the request decides."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.bodies import raw_body
from api.jdcloud.errors import AppkeyMissing, NotMilliseconds, SignMissing, TimestampMissing
from api.jdcloud.signature import DATE, Authorization, Sent, is_signed, neuhub_sign
from api.jdcloud.utterances import size_limit
from api.protocol import (
    FIT_KEY_ID,
    AccessRefused,
    OutsideTimeWindow,
    TenantClosed,
    UnknownKey,
    WrongSignature,
    signing_credential,
)
from tenants.models import Credential, Tenant
from tenants.services import known_credential

AUTHORIZATION_WINDOW_SECONDS = 900
SIGN_WINDOW_SECONDS = 300
MILLISECONDS = re.compile(r"\d{1,18}", re.ASCII)
COMPACT_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
SIGN_PARAMETERS = {"appkey": AppkeyMissing, "timestamp": TimestampMissing, "sign": SignMissing}
ANY_SIGN_PARAMETER = re.compile(r"(?:\A|&)(?:appkey|timestamp|sign)(?:=|&|\Z)")


class SignatureAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the credential."""

    def authenticate(self, request: Request) -> tuple[Tenant, Credential]:
        if has_authorization(request):
            credential = by_authorization(request)
        elif is_by_sign(request):
            credential = by_sign(request)
        else:
            raise AccessRefused
        return credential.tenant, credential


def has_authorization(request: Request) -> bool:
    return str(request.headers.get("Authorization", "")).startswith("JDCLOUD")


def is_by_sign(request: Request) -> bool:
    return bool(ANY_SIGN_PARAMETER.search(request.META.get("QUERY_STRING", ""))) and not has_authorization(request)


def by_authorization(request: Request) -> Credential:
    authorization = Authorization.of(request.headers["Authorization"])
    sent = Sent(
        method=request.method or "",
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=lambda: raw_body(request, limit_bytes=size_limit()),
    )
    date = sent.header(DATE)
    _refuse_outside_window(_moment(date), AUTHORIZATION_WINDOW_SECONDS)
    if authorization.day != date[:8]:
        raise AccessRefused
    return signing_credential(authorization.key_id, lambda secret: is_signed(sent, authorization, secret))


def by_sign(request: Request) -> Credential:
    """The refusals come in the vendor's order of codes."""
    for name, missing in SIGN_PARAMETERS.items():
        if not request.query_params.get(name):
            raise missing
    appkey, timestamp, sign = (request.query_params[name] for name in SIGN_PARAMETERS)
    if not MILLISECONDS.fullmatch(timestamp):
        raise NotMilliseconds
    _refuse_outside_window(int(timestamp) / 1000, SIGN_WINDOW_SECONDS)
    try:
        return signing_credential(
            appkey, lambda secret: hmac.compare_digest(neuhub_sign(secret, timestamp).encode(), sign.encode())
        )
    except (UnknownKey, WrongSignature):
        _refuse_closed(appkey)
        raise


def _refuse_closed(appkey: str) -> None:
    """The vendor tells a disabled user before it looks at the sign. Raises TenantClosed."""
    known = known_credential(appkey) if FIT_KEY_ID.fullmatch(appkey) else None
    if known and not (known.usable and known.tenant.active):
        raise TenantClosed


def _moment(date: str) -> float:
    """Unix seconds of YYYYMMDD'T'HHMMSS'Z'. Raises AccessRefused."""
    try:
        if not COMPACT_DATE.fullmatch(date):
            raise AccessRefused
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise AccessRefused from None


def _refuse_outside_window(moment: float, window_seconds: int) -> None:
    if abs(timezone.now().timestamp() - moment) > window_seconds:
        raise OutsideTimeWindow
