"""Where a request comes from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

ONE_HOUSEHOLD_BITS = 64


def address_of(request: HttpRequest) -> str:
    """The client's, as the proxy says it where one is believed; empty when it is none."""
    said = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_TLS_PROXY:
        # The last entry is the proxy's own; those before it are whatever the client sent.
        said = request.META.get("HTTP_X_FORWARDED_FOR", said).rpartition(",")[2].strip()
    try:
        return str(ip_address(said))
    except ValueError:
        return ""


def neighbourhood(address: str) -> str:
    """What one guesser can send from: an IPv4 address, or all of a /64, which IPv6 gives to everybody."""
    if isinstance(ip_address(address), IPv6Address):
        return str(ip_network(f"{address}/{ONE_HOUSEHOLD_BITS}", strict=False))
    return address
