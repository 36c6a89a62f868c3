"""The vendor's signature: over the application id and the second, neither over path nor body."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signature(appid: str, ts: str, secret: str) -> str:
    # MD5 and SHA-1 are what the vendor's clients compute; the secret never depends on MD5 alone.
    digest = hashlib.md5(f"{appid}{ts}".encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(hmac.digest(secret.encode(), digest.encode(), "sha1")).decode()


def old_signature(appid: str, ts: str, secret: str) -> str:
    return hmac.digest(secret.encode(), f"{appid}{ts}".encode(), "sha256").hex()
