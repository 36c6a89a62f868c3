"""This dialect's settings, read from the environment. docs/dialects/dolphin.md lists them for people."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured, ValidationError
from environs import Env, EnvError, validate

from tenants.models import slug_validator

Network = IPv4Network | IPv6Network

TABLE_STATUS, SAMPLE_STATUS = "22134", "22102"


def tenant_slug(text: str) -> str:
    try:
        if text:
            slug_validator(text)
    except ValidationError:
        raise ImproperlyConfigured("OPENVPR_DOLPHIN_ROOT_TENANT must be the slug of a tenant") from None
    return text


def networks(texts: list[str], *, tenant: str) -> tuple[Network, ...]:
    try:
        listed = tuple(ip_network(text.strip()) for text in texts if text.strip())
    except ValueError as error:
        raise ImproperlyConfigured(
            f"OPENVPR_DOLPHIN_ROOT_NETWORKS must list networks like 10.1.0.0/16: {error}"
        ) from None
    if listed and not tenant:
        raise ImproperlyConfigured("OPENVPR_DOLPHIN_ROOT_NETWORKS needs OPENVPR_DOLPHIN_ROOT_TENANT")
    return listed


env = Env()

try:
    ROOT_TENANT = tenant_slug(env.str("OPENVPR_DOLPHIN_ROOT_TENANT", ""))
    ROOT_NETWORKS = networks(env.list("OPENVPR_DOLPHIN_ROOT_NETWORKS", []), tenant=ROOT_TENANT)
    INCOMPLETE_STATUS = env.str(
        "OPENVPR_DOLPHIN_INCOMPLETE_STATUS",
        TABLE_STATUS,
        validate=validate.OneOf([TABLE_STATUS, SAMPLE_STATUS]),
    )
except EnvError as error:
    raise ImproperlyConfigured(str(error)) from None
