"""Whose request it is: three values, each from its header or else from the query."""

from __future__ import annotations

import hmac
import logging
import re
from dataclasses import dataclass

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.abcpen import conf
from api.abcpen.signature import old_signature, signature
from api.protocol import AccessRefused, OutsideTimeWindow, TenantClosed, signing_credential
from tenants.models import Credential, Tenant

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 300
UNIX_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class Signed:
    appid: str
    ts: str
    signa: str

    @classmethod
    def of(cls, request: Request) -> Signed:
        def value(header: str, parameter: str) -> str:
            return request.headers.get(header) or request.query_params.get(parameter, "")

        return cls(
            appid=value("X-App-Key", "appid"),
            ts=value("X-Timestamp", "ts"),
            # A client that did not URL-encode its "+" sent a space.
            signa=value("X-App-Signature", "signa").replace(" ", "+"),
        )

    @property
    def absent(self) -> bool:
        return not (self.appid or self.ts or self.signa)

    def refuse_outside_window(self) -> None:
        if not UNIX_SECONDS.fullmatch(self.ts):
            raise OutsideTimeWindow
        if abs(timezone.now().timestamp() - int(self.ts)) > WINDOW_SECONDS:
            raise OutsideTimeWindow

    def matches(self, secret: str) -> bool:
        given = self.signa.encode()
        expected = signature(self.appid, self.ts, secret).encode()
        matches = hmac.compare_digest(expected, given)
        if conf.OLD_SIGNATURE:
            matches |= hmac.compare_digest(old_signature(self.appid, self.ts, secret).encode(), given)
        return matches


class SignatureAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the credential, None for the operator's unsigned tenant."""

    def authenticate(self, request: Request) -> tuple[Tenant, Credential | None]:
        signed = Signed.of(request)
        if signed.absent and conf.UNSIGNED_TENANT:
            return unsigned_tenant(), None
        signed.refuse_outside_window()
        credential = signing_credential(signed.appid, signed.matches)
        return credential.tenant, credential


def unsigned_tenant() -> Tenant:
    tenant = Tenant.objects.filter(slug=conf.UNSIGNED_TENANT).first()
    if tenant is None:
        logger.error("OPENVPR_ABCPEN_UNSIGNED_TENANT names no tenant")
        raise AccessRefused
    if not tenant.active:
        raise TenantClosed
    return tenant
