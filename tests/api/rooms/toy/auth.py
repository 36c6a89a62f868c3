"""Key and the secret's own digest in two headers: enough for a toy."""

from __future__ import annotations

import hashlib
import hmac

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.protocol import signing_credential
from tenants.models import Credential, Tenant


class ToyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Tenant, Credential]:
        digest = request.headers.get("X-Toy-Digest", "")
        key_id = request.headers.get("X-Toy-Key", "")
        credential = signing_credential(key_id, lambda secret: hmac.compare_digest(digest_of(secret), digest))
        return credential.tenant, credential


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
