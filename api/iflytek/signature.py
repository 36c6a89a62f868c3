"""The vendor's signature: over the host and date that the client says in its query, and the request line."""

from __future__ import annotations

import base64
import hmac


def signature(host: str, date: str, path: str, secret: str) -> str:
    """`host` and `date` hold one character per byte, so that bytes which are no UTF-8 are signed as they came."""
    origin = f"host: {host}\ndate: {date}\nPOST {path} HTTP/1.1"
    return base64.b64encode(hmac.digest(secret.encode(), origin.encode("latin-1"), "sha256")).decode()


def authorization(key_id: str, signature: str) -> str:
    attributes = {
        "api_key": key_id,
        "algorithm": "hmac-sha256",
        "headers": "host date request-line",
        "signature": signature,
    }
    origin = ", ".join(f'{name}="{value}"' for name, value in attributes.items())
    return base64.b64encode(origin.encode()).decode()
