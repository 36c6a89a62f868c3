"""Whose request it is: a bearer token (RFC 6750), and what it may be used for."""

from __future__ import annotations

import re

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.protocol import AccessRefused, TenantClosed
from tenants.models import AccessToken, Scope, Tenant
from tenants.services import find_token, note_use

READ, LISTEN, ENROLL, RECOGNISE, ADMIN = Scope.READ, Scope.LISTEN, Scope.ENROLL, Scope.RECOGNISE, Scope.ADMIN
BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,256}=*)", re.IGNORECASE | re.ASCII)


class NoToken(AccessRefused):
    """Nothing was sent that could be a bearer token."""


class UnusableToken(AccessRefused):
    """Unknown, switched off or expired; which of these is nobody's business."""


class InsufficientScope(Exception):
    """The token is good, but not for this. Carries `required_scope`."""

    def __init__(self, *, required_scope: str) -> None:
        self.required_scope = required_scope
        super().__init__(f"scope {required_scope} is needed")


class BearerAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the access token."""

    def authenticate(self, request: Request) -> tuple[Tenant, AccessToken]:
        given = BEARER.fullmatch(request.headers.get("Authorization", "").strip())
        if given is None:
            raise NoToken
        token = find_token(given[1])
        if token is None:
            raise UnusableToken
        if not token.tenant.active:
            raise TenantClosed
        note_use(token)
        return token.tenant, token


def refuse_without(scope: str, token: AccessToken) -> None:
    """Raises InsufficientScope. `admin` may do whatever the others may."""
    if not {scope, ADMIN} & set(token.scopes):
        raise InsufficientScope(required_scope=scope)
