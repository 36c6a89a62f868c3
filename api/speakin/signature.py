"""The vendor's signature: over the named headers alone, neither over path nor body."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping

ALGORITHMS = {"hmac-sha1": "sha1", "hmac-sha256": "sha256", "hmac-sha384": "sha384", "hmac-sha512": "sha512"}
DATE_FORMAT = "%a, %d %b %Y %H:%M:%S GMT"
"""Of a UTC time, in a program that keeps to the C locale."""


def signing_string(headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name.lower()}: {value}" for name, value in headers)


def signature(text: str, secret: str, algorithm: str = "hmac-sha1") -> str:
    """`algorithm` is one of ALGORITHMS; `text` has the characters of HTTP headers, which are bytes."""
    digest = hmac.digest(secret.encode(), text.encode("latin-1", "replace"), ALGORITHMS[algorithm])
    return base64.b64encode(digest).decode()


def authorization(key_id: str, secret: str, signed: Mapping[str, str], algorithm: str = "hmac-sha1") -> str:
    """The Authorization header of a request that carries the headers `signed`."""
    signed_text = signature(signing_string(signed.items()), secret, algorithm)
    names = " ".join(name.lower() for name in signed)
    return f'hmac id="{key_id}", algorithm="{algorithm}", headers="{names}", signature="{signed_text}"'
