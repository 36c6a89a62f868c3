"""This dialect's settings, read from the environment. docs/dialects/abcpen.md lists them for people."""

from __future__ import annotations

from ipaddress import ip_network

from django.core.exceptions import ImproperlyConfigured, ValidationError
from environs import Env, EnvError, validate

from audio.download import Network
from tenants.models import slug_validator

LARGEST_SCORE_FACTOR = 1_000_000.0


def tenant_slug(text: str) -> str:
    try:
        if text:
            slug_validator(text)
    except ValidationError:
        raise ImproperlyConfigured("OPENVPR_ABCPEN_UNSIGNED_TENANT must be the slug of a tenant") from None
    return text


def networks(texts: list[str]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text.strip()) for text in texts if text.strip())
    except ValueError as error:
        raise ImproperlyConfigured(
            f"OPENVPR_DOWNLOAD_ALLOW_NETWORKS must list networks like 10.1.0.0/16: {error}"
        ) from None


env = Env()

try:
    OLD_SIGNATURE = env.bool("OPENVPR_ABCPEN_OLD_SIGNATURE", False)
    UNSIGNED_TENANT = tenant_slug(env.str("OPENVPR_ABCPEN_UNSIGNED_TENANT", ""))
    SCORE_FACTOR = env.float(
        "OPENVPR_ABCPEN_SCORE_FACTOR",
        100.0,
        validate=validate.Range(0.0, LARGEST_SCORE_FACTOR, min_inclusive=False),
    )
    DOWNLOAD_ALLOW_NETWORKS = networks(env.list("OPENVPR_DOWNLOAD_ALLOW_NETWORKS", []))
except EnvError as error:
    raise ImproperlyConfigured(str(error)) from None
