"""What every test of this dialect says: an operation, its fields, and who signs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from api.abcpen.signature import signature
from tenants.models import Credential

INVALID, ILLEGAL = "10106", "10107"


class Abcpen:
    def __init__(self, client: Client, credential: Credential) -> None:
        self.client, self.credential = client, credential

    @property
    def tenant(self):
        return self.credential.tenant

    def get(self, operation: str, **fields: Any) -> dict[str, Any]:
        return self.raw_get(operation, **fields).json()

    def post(self, operation: str, **fields: Any) -> dict[str, Any]:
        return self.client.post(f"/voiceid/{operation}", fields, headers=self.headers()).json()

    def raw_get(self, operation: str, **fields: Any) -> HttpResponseBase:
        return self.client.get(f"/voiceid/{operation}?{urlencode(fields, doseq=True)}", headers=self.headers())

    def register(self, content: bytes, name: str = "susan", /, **fields: Any) -> dict[str, Any]:
        return self.post(
            "register", **{"spk_name": name, "org_id": "acme", "tag_id": "t1", "audio": part(content)} | fields
        )

    def recognize(self, content: bytes, /, **fields: Any) -> dict[str, Any]:
        return self.post("recognize", **{"org_id": "acme", "audio": part(content)} | fields)

    def headers(self) -> dict[str, str]:
        """Signed by the server's clock, which a test may have set."""
        return signed(self.credential, int(timezone.now().timestamp()))


def signed(credential: Credential, ts: int) -> dict[str, str]:
    signa = signature(credential.key_id, str(ts), credential.secret)
    return {"X-App-Key": credential.key_id, "X-Timestamp": str(ts), "X-App-Signature": signa}


def part(content: bytes, name: str = "audio.opus", content_type: str = "audio/*") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)


def fetched(client: Client, address: str, method: str = "get", **options: Any) -> HttpResponseBase:
    """The reply behind an address that we gave out, read to its end."""
    reply = getattr(client, method)(address.removeprefix("http://testserver"), **options)
    reply.body = reply.getvalue()
    return reply
