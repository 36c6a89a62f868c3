"""Whose request it is: the secret in the path tells, or the operator who bound the bare paths to a tenant."""

from __future__ import annotations

import logging
from ipaddress import IPv6Address, ip_address

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.dolphin import conf
from api.protocol import AccessRefused, TenantClosed, refuse_closed_dialect
from tenants.models import AccessToken, Scope, Tenant
from tenants.services import find_token, note_use

logger = logging.getLogger(__name__)

DIALECT = "dolphin"


class PathTokenAuthentication(BaseAuthentication):
    """`request.user` is the tenant, `request.auth` the token of the address."""

    def authenticate(self, request: Request) -> tuple[Tenant, AccessToken]:
        address = request.resolver_match
        token = find_token(address.kwargs["token"]) if address else None
        if token is None or Scope.PATH not in token.scopes:
            raise AccessRefused
        tenant = served(token.tenant)
        note_use(token)
        return tenant, token


class RootAuthentication(BaseAuthentication):
    """`request.user` is the tenant that the bare paths are bound to. There is no secret."""

    def authenticate(self, request: Request) -> tuple[Tenant, None]:
        if not conf.ROOT_TENANT or not is_from(request.META.get("REMOTE_ADDR", ""), conf.ROOT_NETWORKS):
            raise AccessRefused
        tenant = Tenant.objects.filter(slug=conf.ROOT_TENANT).first()
        if tenant is None:
            logger.error("OPENVPR_DOLPHIN_ROOT_TENANT names no tenant")
            raise AccessRefused
        return served(tenant), None


def served(tenant: Tenant) -> Tenant:
    """Raises TenantClosed."""
    if not tenant.active:
        raise TenantClosed
    refuse_closed_dialect(tenant, DIALECT)
    return tenant


def is_from(peer: str, networks: tuple[conf.Network, ...]) -> bool:
    """Whether the address is in one of the networks; without any, everybody's is."""
    if not networks:
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
